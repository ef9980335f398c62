"""Train reasoning models with diversity-aware rewards (DRA-GRPO, arXiv 2505.09655), and see every sampled group."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from dra_toolkit.diversity import (
        ESTIMATORS,
        AdjustedRows,
        DiversitySettings,
        Estimator,
        adjust,
        adjust_rows,
        group_advantages,
    )
    from dra_toolkit.groups import Adjustment, CompletionGroup, GroupRecord, Message
    from dra_toolkit.runs import FileFacts, Recorder, Run
    from dra_toolkit.training.group_reward import AdjustedReward
    from dra_toolkit.training.trainer import DiversityMixin, DRARLOOTrainer, DRATrainer

_NAMES = {
    "diversity": "ESTIMATORS AdjustedRows DiversitySettings Estimator adjust adjust_rows group_advantages",
    "groups": "Adjustment CompletionGroup GroupRecord Message",
    "runs": "FileFacts Recorder Run",
    "training.group_reward": "AdjustedReward",
    "training.trainer": "DRARLOOTrainer DRATrainer DiversityMixin",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "ESTIMATORS",
    "AdjustedReward",
    "AdjustedRows",
    "Adjustment",
    "CompletionGroup",
    "DRARLOOTrainer",
    "DRATrainer",
    "DiversityMixin",
    "DiversitySettings",
    "Estimator",
    "FileFacts",
    "GroupRecord",
    "Message",
    "Recorder",
    "Run",
    "adjust",
    "adjust_rows",
    "group_advantages",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use, so that `import dra_toolkit` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'dra_toolkit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"dra_toolkit.{_HOME[name]}"), name)
