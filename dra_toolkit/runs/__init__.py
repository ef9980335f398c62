"""A run directory, written and read: its layout, the schema of recorded groups, the recorder and the reader."""

from dra_toolkit.runs.layout import RunDirectory, find_runs, latest_run, runs_root
from dra_toolkit.runs.reader import Run
from dra_toolkit.runs.recorder import Recorder
from dra_toolkit.runs.schema import SCHEMA_VERSION, FileFacts

__all__ = ["SCHEMA_VERSION", "FileFacts", "Recorder", "Run", "RunDirectory", "find_runs", "latest_run", "runs_root"]
