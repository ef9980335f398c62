"""Whether this machine can run a recipe: checks of one line each, and an estimate of memory and time.

`check_packages` and `check_fit` judge the `Facts` that `report` gathers once; `reach` looks for model and data; `memory`
and `estimate` are pure functions of numbers. Nothing here loads torch: a child process is asked.
"""

from dra_toolkit.doctor.findings import Finding
from dra_toolkit.doctor.report import Report, examine

__all__ = ["Finding", "Report", "examine"]
