"""The command line: thin commands over the library; whatever is heavy is imported inside a command."""

import gc

gc.set_threshold(10_000)  # nearly all that a command loads stays: searching it for garbage takes a tenth of its time
from dra_toolkit.cli.main import main as main  # noqa: E402
