"""`dra inspect`: ask questions of recorded groups; each module adds commands that belong together, in this order."""

from __future__ import annotations

import typer

from dra_toolkit.cli.common import JSON, user_errors
from dra_toolkit.cli.inspect.common import app

# the commands are listed in this order
# isort: off
from dra_toolkit.cli.inspect import overview, groups, texts, sql, exchange  # noqa: F401

# isort: on
__all__ = ["app"]


@app.callback(invoke_without_command=True)
@user_errors
def inspect(context: typer.Context, as_json: bool = JSON) -> None:
    """Look at recorded groups; alone, the latest run."""
    if context.invoked_subcommand is None:
        overview.show_summary(None, as_json)
