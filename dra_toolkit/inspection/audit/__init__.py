"""Does an embedder see what it is meant to see? `samples`, `files` read labelled groups, `measures` judges, `view` shows."""

from dra_toolkit.inspection.audit.files import from_file
from dra_toolkit.inspection.audit.measures import Agreement, Audited, agreement, audit, verdict
from dra_toolkit.inspection.audit.samples import LabelledGroup, from_run

__all__ = [
    "Agreement",
    "Audited",
    "LabelledGroup",
    "agreement",
    "audit",
    "from_file",
    "from_run",
    "verdict",
]
