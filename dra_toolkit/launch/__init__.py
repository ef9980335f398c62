"""From a resolved recipe to running processes: which commands, with which GPUs and environment, and how they end.

`train` does it all: `requirements` says what the machine lacks, `start` makes the run directory ready, `plan` says which
commands run, `supervise` there runs them and follows their events. Nothing here loads torch.
"""

from dra_toolkit.launch.devices import Gpu, visible_gpus
from dra_toolkit.launch.plan import Plan, plan
from dra_toolkit.launch.requirements import missing
from dra_toolkit.launch.train import Ended, preview, train

__all__ = ["Ended", "Gpu", "Plan", "missing", "plan", "preview", "train", "visible_gpus"]
