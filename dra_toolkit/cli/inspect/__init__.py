"""`dra inspect`: ask questions of recorded groups. One module for each command, or few that belong together."""

from __future__ import annotations

import typer

from dra_toolkit.cli.default_command import with_default
from dra_toolkit.cli.errors import user_errors
from dra_toolkit.cli.inspect import (
    compare,
    export,
    groups,
    import_,
    near,
    prompt,
    replay,
    search,
    sql,
    summary,
    weights,
)
from dra_toolkit.cli.inspect.common import JSON

app = typer.Typer(
    cls=with_default("summary", alone=False),
    help="Look at recorded groups; alone, the latest run. `dra inspect RUN` is `dra inspect summary RUN`.",
)


@app.callback(invoke_without_command=True)
@user_errors
def inspect(context: typer.Context, as_json: bool = JSON) -> None:
    """Look at recorded groups; alone, the latest run."""
    if context.invoked_subcommand is None:
        summary.show_summary(None, as_json)


for module in (summary, groups, prompt, search, near, compare, replay, weights, sql, export, import_):
    module.register(app)
