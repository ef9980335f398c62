"""`dra recipes` and `dra export-settings`: what is shipped, to start one's own from, and a recipe for another trainer."""

import json
import shlex
import sys
import textwrap
from pathlib import Path
from typing import Any, Literal

import typer

from dra_toolkit.cli.common import JSON, user_errors
from dra_toolkit.cli.printing import answer, console, print_json, print_next
from dra_toolkit.errors import RecipeError, did_you_mean

app = typer.Typer(help="The shipped recipes; alone, a list of them.")

NAME = typer.Argument(..., help="A shipped recipe, or a launch configuration.")


@app.callback(invoke_without_command=True)
@user_errors
def recipes(context: typer.Context, as_json: bool = JSON) -> None:
    """List the shipped recipes and launch configurations."""
    if context.invoked_subcommand is None:
        print_json({"recipes": _rows(), "launch_configs": _rows(of_launch=True)}) if as_json else _show_list()


@app.command()
@user_errors
def show(name: str = NAME, as_json: bool = JSON) -> None:
    """Print a shipped recipe as it is."""
    _print_file(name, _find(name), as_json)


@user_errors
def docs(
    page: str = typer.Argument(None, help="Its name, as tutorial or docs/tutorial.md; left out, the pages are listed."),
    as_json: bool = JSON,
) -> None:
    """Print a page of the documentation, which comes with every installation; where it lies is said on standard error."""
    from dra_toolkit.recipe.shipped import shipped_docs

    pages = shipped_docs()
    if page is None:
        titles = {name: path.read_text("utf-8").partition("# ")[2].partition("\n")[0] for name, path in pages.items()}
        answer(as_json, {"pages": titles}, lambda out: [f"{name:<22} {title}" for name, title in titles.items()])
        return
    if (name := Path(page).stem) not in pages:
        raise RecipeError(f"docs: there is no page {page!r}{did_you_mean(name, pages)}; dra docs lists them")
    _print_file(name, pages[name], as_json)


def _print_file(name: str, path: Path, as_json: bool) -> None:
    text = path.read_text(encoding="utf-8")
    if as_json:
        print_json({"name": name, "path": str(path), "text": text})
    else:
        print(path, file=sys.stderr)
        sys.stdout.write(text)


@app.command()
@user_errors
def keys(
    word: str = typer.Argument(None, help="Only keys with this word in their name or help."), as_json: bool = JSON
) -> None:
    """List the keys of a recipe with help, default and range; --json has the choices too."""
    from dra_toolkit.recipe import known_keys
    from dra_toolkit.recipe.values import KIND_NAMES, range_of

    known = known_keys()
    wanted = {name: key for name, key in known.items() if word is None or word.lower() in f"{name} {key.help}".lower()}
    if not wanted:
        raise RecipeError(f"keys: none has {word!r} in its name or help{did_you_mean(str(word), known)}")
    shown = ("kinds", "default", "choices", "owner", "help")
    rows: list[dict[str, Any]] = [
        {"key": name, "range": range_of(key), **{each: getattr(key, each) for each in shown}}
        for name, key in sorted(wanted.items())
    ]
    if as_json:
        print_json({"keys": rows})
        return
    for row in rows:
        kinds = " or ".join(KIND_NAMES.get(kind, kind) for kind in row["kinds"])
        print(f"{row['key']}: {row['range'] or kinds}; default {json.dumps(row['default'])}")
        said = row["help"] or f"an argument of TRL's {row['owner']}"
        choices = f" One of {', '.join(row['choices'])}." if row["choices"] else ""
        print(_indented(f"{said}{choices}"))


@app.command()
@user_errors
def copy(
    name: str = NAME,
    to: Path = typer.Argument(None, help="File or folder to copy to; left out, NAME.yaml in the current folder."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the file that lies there."),
    as_json: bool = JSON,
) -> None:
    """Start your own recipe from a shipped one."""
    source = _find(name)
    target = (to or Path(f"{name}.yaml")).expanduser()
    if target.is_dir():
        target = target / f"{name}.yaml"
    if target.suffix not in (".yaml", ".yml"):
        raise RecipeError(f"{target}: found no such folder; expected one that exists, or a file ending in .yaml")
    if target.exists() and target.samefile(source):
        raise RecipeError(f"{target}: is the shipped file itself; copy it to another place")
    if target.exists() and not overwrite:
        another = f"name another file: dra recipes copy {name} FILE"
        raise RecipeError(f"{target}: exists already; replace it with --overwrite, or {another}")
    try:
        target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
        for suffix in (".py", ".jsonl"):  # a reward, or data, that the recipe names
            named = source.with_suffix(suffix)
            if named.is_file() and not (target.parent / named.name).exists():
                (target.parent / named.name).write_text(named.read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"{target}: cannot be written ({error.strerror})") from None
    document = {"name": name, "copied_to": str(target)}
    answer(as_json, document, lambda out: [f"Copied to {target}."], _next_steps(source, target))


@user_errors
def export_settings(
    recipe: str = typer.Argument(..., help="A recipe, or the name of a shipped one."),
    engine: Literal["verl", "slime", "ms-swift"] = typer.Argument(..., help="The engine that is to train."),
    overrides: list[str] = typer.Argument(None, help="key=value over the recipe."),
    output: Path = typer.Option(None, help="The file to write; left out, RECIPE.dra.yaml here."),
    as_json: bool = JSON,
) -> None:
    """Write what a recipe says of the adjustment to a file, and print the engine's command that uses it."""
    from dra_toolkit.adapters.settings import command, settings_text
    from dra_toolkit.recipe import load_recipe
    from dra_toolkit.runs.files import publish_text

    found = load_recipe(recipe, overrides or ())
    file = output or Path(f"{found.name}.dra.yaml")
    text, line = settings_text(found), command(engine, found, file.resolve())
    publish_text(file, text)
    said = f"# {file} says how rewards are adjusted; add your own arguments to\n{line}"
    print_json({"file": file, "engine": engine, "command": line}) if as_json else typer.echo(said)


def _find(name: str) -> Path:
    """Return the shipped file of this name; raises RecipeError with the nearest name."""
    from dra_toolkit.recipe.shipped import shipped_launch_configs, shipped_recipes

    found = {**shipped_launch_configs(), **shipped_recipes()}
    if name in found:
        return found[name]
    known = f"; shipped are {', '.join(found)}" if found else "; none is shipped with this installation"
    raise RecipeError(f"{name}: there is no such recipe{did_you_mean(Path(name).stem, found) or known}")


def _rows(of_launch: bool = False) -> list[dict[str, str]]:
    from dra_toolkit.recipe.shipped import read_header, shipped_launch_configs, shipped_recipes

    found = shipped_launch_configs() if of_launch else shipped_recipes()
    return [{"name": name, **read_header(path), "path": str(path)} for name, path in found.items()]


def _show_list() -> None:
    if not (rows := _rows()):
        print("No recipes are shipped with this installation; install it again, or write one: dra recipes keys")
        return
    for row in rows:
        needs = f"Needs {row['hardware'] or 'what is not stated'}; {row['cost'] or 'cost not stated'}."
        print(row["name"], _indented(row["purpose"]), _indented(needs), sep="\n")
    print("\naccelerate_config: how the processes work together")
    for row in _rows(of_launch=True):
        print(_indented(f"{row['name']:<11} {row['purpose']}", below=16))
    first = rows[0]["name"]
    checking = (f"dra doctor {first}", "see whether this machine can run it")
    start = (f"dra recipes copy {first}", "start your own from it")
    print_next(console(), [(f"dra recipes show {first}", "read one"), start, checking])


def _indented(text: str, below: int = 4) -> str:
    return textwrap.fill(text, 78, initial_indent="    ", subsequent_indent=" " * below)


def _next_steps(source: Path, target: Path) -> list[tuple[str, str]]:
    from dra_toolkit.recipe.shipped import shipped_launch_configs

    name = shlex.quote(str(target))
    if source in shipped_launch_configs().values():
        return [(f"dra train RECIPE accelerate_config={name}", "train with it")]
    return [
        (f"edit {name}", "your model, data and rewards; dra recipes keys lists every key"),
        (f"dra doctor {name}", "whether this machine can run it"),
        (f"dra train {name} --dry-run", "every setting, and the commands it starts"),
    ]
