"""The command line: thin commands over the library; whatever is heavy is imported inside a command."""

from dra_toolkit.cli.main import main

__all__ = ["main"]
