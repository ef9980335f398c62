"""`dra`: the commands and what they have in common."""

import gc
import io
import os
import re
import resource
import sys

import typer

import dra_toolkit
from dra_toolkit.cli.app import dashboard
from dra_toolkit.cli.audit import audit
from dra_toolkit.cli.doctor import doctor
from dra_toolkit.cli.eval import app as eval_app
from dra_toolkit.cli.groups import Commands
from dra_toolkit.cli.inspect import app as inspect_app
from dra_toolkit.cli.inspect.exchange import lint
from dra_toolkit.cli.overrides import SETTINGS
from dra_toolkit.cli.recipes import app as recipes_app
from dra_toolkit.cli.recipes import docs, export_settings
from dra_toolkit.cli.train import train

app = typer.Typer(
    name="dra", cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich"
)
app.command(context_settings=SETTINGS)(train)
app.command(context_settings=SETTINGS)(doctor)
app.command("app")(dashboard)
app.command()(audit)
app.command()(lint)
app.command("export-settings")(export_settings)
app.command()(docs)
app.add_typer(eval_app, name="eval")
app.add_typer(inspect_app, name="inspect")
app.add_typer(recipes_app, name="recipes")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dra-toolkit {dra_toolkit.__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Train reasoning models with diversity-aware rewards, and see what happens inside every sampled group."""


def main() -> None:
    """Run the command line."""
    os.environ["PYTHONSAFEPATH"] = "1"  # no process that a command starts runs a json.py of the working folder
    reads = re.match(r"(inspect|lint|audit|eval (report|compare)|app)\b(?!.* --train\b)", " ".join(sys.argv[1:]))
    if reads and resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY:
        most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 * 3  # a small file may unfold to any size
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 shows ? for what it lacks
    gc.freeze()
    app()
