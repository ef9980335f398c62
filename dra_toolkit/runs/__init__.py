"""A run directory, written and read: its layout, the schema of recorded groups, the recorder and the reader."""

from dra_toolkit.runs.facts import SCHEMA_VERSION, FileFacts
from dra_toolkit.runs.layout import RunDirectory, find_runs, latest_run, runs_root
from dra_toolkit.runs.reader import Run
from dra_toolkit.runs.recorder import Recorder

__all__ = [
    "SCHEMA_VERSION",
    "FileFacts",
    "Recorder",
    "Run",
    "RunDirectory",
    "find_runs",
    "latest_run",
    "runs_root",
]
