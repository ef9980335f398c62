"""Train reasoning models with diversity-aware rewards (DRA-GRPO, arXiv 2505.09655), and see every sampled group."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from dra_toolkit.diversity import ESTIMATORS as ESTIMATORS
    from dra_toolkit.diversity import AdjustedRows as AdjustedRows
    from dra_toolkit.diversity import DiversitySettings as DiversitySettings
    from dra_toolkit.diversity import Estimator as Estimator
    from dra_toolkit.diversity import adjust as adjust
    from dra_toolkit.diversity import adjust_rows as adjust_rows
    from dra_toolkit.diversity import group_advantages as group_advantages
    from dra_toolkit.errors import DRAError as DRAError
    from dra_toolkit.groups import Adjustment as Adjustment
    from dra_toolkit.groups import CompletionGroup as CompletionGroup
    from dra_toolkit.groups import GroupRecord as GroupRecord
    from dra_toolkit.groups import Message as Message
    from dra_toolkit.runs import FileFacts as FileFacts
    from dra_toolkit.runs import Recorder as Recorder
    from dra_toolkit.runs import Run as Run
    from dra_toolkit.training.group_reward import AdjustedReward as AdjustedReward
    from dra_toolkit.training.trainer import DiversityMixin as DiversityMixin
    from dra_toolkit.training.trainer import DRARLOOTrainer as DRARLOOTrainer
    from dra_toolkit.training.trainer import DRATrainer as DRATrainer

_NAMES = {
    "diversity": "ESTIMATORS AdjustedRows DiversitySettings Estimator adjust adjust_rows group_advantages",
    "errors": "DRAError",
    "groups": "Adjustment CompletionGroup GroupRecord Message",
    "runs": "FileFacts Recorder Run",
    "training.group_reward": "AdjustedReward",
    "training.trainer": "DRARLOOTrainer DRATrainer DiversityMixin",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use, so that `import dra_toolkit` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'dra_toolkit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"dra_toolkit.{_HOME[name]}"), name)
