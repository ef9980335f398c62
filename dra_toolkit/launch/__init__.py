"""From a resolved recipe to running processes: which commands, with which GPUs and environment, and how they end.

`requirements` says what the machine lacks, `plan` which commands run, `start` makes the run directory ready; `command`,
`vllm_server` and `machines` run and watch them. Nothing here loads torch.
"""

from dra_toolkit.launch.command import Command, kill, run_command
from dra_toolkit.launch.devices import Gpu, visible_gpus
from dra_toolkit.launch.plan import Plan, plan
from dra_toolkit.launch.requirements import missing
from dra_toolkit.launch.start import Start, ask_to_stop, join, prepare

__all__ = [
    "Command",
    "Gpu",
    "Plan",
    "Start",
    "ask_to_stop",
    "join",
    "kill",
    "missing",
    "plan",
    "prepare",
    "run_command",
    "visible_gpus",
]
