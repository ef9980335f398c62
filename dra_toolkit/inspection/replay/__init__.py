"""Replay: the advantages that other settings would have given, from what was recorded, without a GPU.

`settings` reads what is to change, `pieces` the recorded numbers, `compute` recomputes, `differences` compares; `run` does
all of it for a run and `records` for groups in memory.
"""

from dra_toolkit.inspection.replay.differences import ChangedGroup, Differences, Place, Sums
from dra_toolkit.inspection.replay.records import ReplayedGroup, replay_groups
from dra_toolkit.inspection.replay.run import ReplayReport, replay_run
from dra_toolkit.inspection.replay.settings import (
    Changes,
    read_changes,
    recipe_lines,
    recorded_settings,
    replay_keys,
    scaling_of,
)

__all__ = [
    "ChangedGroup",
    "Changes",
    "Differences",
    "Place",
    "ReplayReport",
    "ReplayedGroup",
    "Sums",
    "read_changes",
    "recipe_lines",
    "recorded_settings",
    "replay_groups",
    "replay_keys",
    "replay_run",
    "scaling_of",
]
