"""`dra recipes`: the shipped recipes and launch configurations, to read and to start one's own from."""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from pathlib import Path

import typer

from dra_toolkit.cli.errors import user_errors

app = typer.Typer(help="The shipped recipes; alone, a list of them.")

JSON = typer.Option(False, "--json", help="Print one JSON document.")
NAME = typer.Argument(..., help="A shipped recipe, or a launch configuration.")


@app.callback(invoke_without_command=True)
@user_errors
def recipes(context: typer.Context, as_json: bool = JSON) -> None:
    """List the shipped recipes and launch configurations."""
    if context.invoked_subcommand is None:
        _print_json({"recipes": _rows(), "launch_configs": _launch_rows()}) if as_json else _show_list()


@app.command()
@user_errors
def show(name: str = NAME, as_json: bool = JSON) -> None:
    """Print a shipped recipe as it is."""
    path = _find(name)
    text = path.read_text(encoding="utf-8")
    if as_json:
        _print_json({"name": name, "path": str(path), "text": text})
    elif sys.stdout.isatty():
        from rich.console import Console
        from rich.syntax import Syntax

        Console().print(Syntax(text, "yaml", background_color="default", word_wrap=True))
    else:
        sys.stdout.write(text)


@app.command()
@user_errors
def keys(
    word: str = typer.Argument(None, help="Only keys with this word in their name or help."),
    as_json: bool = JSON,
) -> None:
    """List the keys of a recipe with help, default and range; --json has the choices too."""
    from dra_toolkit.errors import RecipeError, did_you_mean
    from dra_toolkit.recipe import known_keys
    from dra_toolkit.recipe.values import KIND_NAMES, range_of

    known = known_keys()
    wanted = {name: key for name, key in known.items() if word is None or word.lower() in f"{name} {key.help}".lower()}
    if not wanted:
        raise RecipeError(f"keys: none has {word!r} in its name or help{did_you_mean(str(word), known)}")
    rows = [
        {
            "key": name,
            "kinds": list(key.kinds),
            "default": key.default,
            "choices": list(key.choices),
            "range": range_of(key),
            "owner": key.owner,
            "help": key.help,
        }
        for name, key in sorted(wanted.items())
    ]
    if as_json:
        _print_json({"keys": rows})
        return
    for row in rows:
        kinds = " or ".join(KIND_NAMES.get(kind, kind) for kind in row["kinds"])
        print(f"{row['key']}: {row['range'] or kinds}; default {json.dumps(row['default'])}")
        said = row["help"] or f"an argument of TRL's {row['owner']}"
        choices = f" One of {', '.join(row['choices'])}." if row["choices"] else ""
        print(textwrap.fill(f"{said}{choices}", 78, initial_indent="    ", subsequent_indent="    "))


@app.command()
@user_errors
def copy(
    name: str = NAME,
    to: Path = typer.Argument(None, help="File or folder to copy to; left out, NAME.yaml in the current folder."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the file that lies there."),
    as_json: bool = JSON,
) -> None:
    """Start your own recipe from a shipped one."""
    from dra_toolkit.errors import RecipeError

    source = _find(name)
    target = (to or Path(f"{name}.yaml")).expanduser()
    if target.is_dir():
        target = target / f"{name}.yaml"
    if target.exists() and target.samefile(source):
        raise RecipeError(f"{target}: is the shipped file itself; copy it to another place")
    try:
        with open(target, "w" if overwrite else "x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
    except FileExistsError:
        raise RecipeError(
            f"{target}: exists already; replace it with --overwrite, or name another file: dra recipes copy {name} FILE"
        ) from None
    except OSError as error:
        raise RecipeError(f"{target}: cannot be written ({error.strerror})") from None
    if as_json:
        _print_json({"name": name, "copied_to": str(target)})
        return
    print(f"Copied to {target}. Next:")
    for command, purpose in _next_steps(source, target):
        print(f"  {command:<44} {purpose}")


def _find(name: str) -> Path:
    """Return the shipped file of this name; raises RecipeError with the nearest name."""
    from dra_toolkit.errors import RecipeError, did_you_mean
    from dra_toolkit.recipe.shipped import shipped_launch_configs, shipped_recipes

    found = {**shipped_launch_configs(), **shipped_recipes()}
    if name in found:
        return found[name]
    known = f"; shipped are {', '.join(found)}" if found else "; none is shipped with this installation"
    raise RecipeError(f"{name}: there is no such recipe{did_you_mean(Path(name).stem, found) or known}")


def _rows() -> list[dict[str, str]]:
    from dra_toolkit.recipe.shipped import read_header, shipped_recipes

    rows = []
    for name, path in shipped_recipes().items():
        header = read_header(path)
        said = {"purpose": header.purpose, "hardware": header.hardware, "cost": header.cost}
        rows.append({"name": name, **said, "path": str(path)})
    return rows


def _launch_rows() -> list[dict[str, str]]:
    from dra_toolkit.recipe.shipped import read_header, shipped_launch_configs

    return [
        {"name": name, "purpose": read_header(path).purpose, "path": str(path)}
        for name, path in shipped_launch_configs().items()
    ]


def _show_list() -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows, launch = _rows(), _launch_rows()
    if not rows:
        print(
            "No recipes are shipped with this installation; install dra-toolkit again, or write one: docs/recipe-keys.md"
        )
        return
    console = Console(highlight=False, markup=False)
    table = Table("recipe", "purpose", "hardware", "cost", box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            Text(row["name"], "bold"), row["purpose"], row["hardware"] or "not stated", row["cost"] or "not stated"
        )
    console.print(table)
    if launch:
        configs = Table("accelerate_config", "how the processes work together", box=None, pad_edge=False)
        for row in launch:
            configs.add_row(Text(row["name"], "bold"), row["purpose"])
        console.print()
        console.print(configs)
    first = rows[0]["name"]
    console.print(Text("\nNext:", "dim"))
    for command, purpose in (
        (f"dra recipes show {first}", "read one"),
        (f"dra recipes copy {first}", "start your own from it"),
        (f"dra doctor {first}", "see whether this machine can run it"),
    ):
        console.print(Text(f"  {command:<36} {purpose}"), soft_wrap=True)


def _next_steps(source: Path, target: Path) -> list[tuple[str, str]]:
    from dra_toolkit.recipe.shipped import shipped_launch_configs

    name = shlex.quote(str(target))
    if source in shipped_launch_configs().values():
        return [(f"dra train RECIPE accelerate_config={name}", "train with it")]
    return [
        (f"edit {name}", "your model, data and rewards; every key is in docs/recipe-keys.md"),
        (f"dra doctor {name}", "whether this machine can run it"),
        (f"dra train {name} --dry-run", "every setting, and the commands it starts"),
    ]


def _print_json(document: object) -> None:
    print(json.dumps(document))
