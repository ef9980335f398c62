"""Look for broken groups in anybody's dump: what was sampled together, what it was worth, and what was made of it."""

from dra_toolkit.inspection.lint.findings import Finding, LintReport
from dra_toolkit.inspection.lint.linting import lint

__all__ = ["Finding", "LintReport", "lint"]
