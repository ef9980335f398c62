"""Recorded groups in formats of other tools: `selection` says which, the other modules write one format each."""

from dra_toolkit.inspection.export.exporting import FORMATS, Exported, export
from dra_toolkit.inspection.selection import Condition, Selection, read_condition

__all__ = ["FORMATS", "Condition", "Exported", "Selection", "export", "read_condition"]
