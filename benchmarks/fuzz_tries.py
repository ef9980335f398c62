"""What each kind of mutated input is put to: the real commands, and their numbers beside those of the sound copy."""

from __future__ import annotations

import functools
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz_inputs import ROLLOUTS, mutate_one

NUMBERS = (
    "SELECT step, group_index, completion_index, tokens, total, adjusted, weight, advantage, similarity FROM "
    "(SELECT step, group_index, completion_index, tokens, total, adjusted, weight, advantage, NULL AS similarity "
    "FROM completions) ORDER BY ALL"
)


def dra(*arguments: object) -> Any:
    """Run a command here; raises what it did not tell."""
    from typer.testing import CliRunner

    from dra_toolkit.cli.main import app

    ran = CliRunner().invoke(app, [*map(str, arguments)])
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception.with_traceback(ran.exc_info[2])
    if "Traceback (most recent" in ran.output:
        raise AssertionError(f"a traceback was printed by {arguments[:2]}")
    return ran


def try_recipe(rng: random.Random, bases: Path, work: Path) -> tuple[str, str]:
    """A recipe and overrides."""
    from test_fuzz import an_input

    from dra_toolkit.cli.overrides import read_overrides
    from dra_toolkit.errors import LONGEST, DRAError
    from dra_toolkit.inspection.replay.settings import read_changes
    from dra_toolkit.recipe import load_recipe
    from dra_toolkit.recipe.load import examine_recipe

    text, overrides = an_input(rng)
    path = Path("r.yaml")
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    told = []
    for call in (
        lambda: load_recipe(path, read_overrides(overrides)),
        lambda: examine_recipe(path, overrides),
        lambda: read_changes(overrides),
    ):
        try:
            call()
        except DRAError as error:
            told += error.problems
    assert all(len(line) <= LONGEST and "\n" not in line for line in told)
    return ("told" if told else "read"), ""


def try_run(rng: random.Random, bases: Path, work: Path, base: str = "run") -> tuple[str, str]:
    """A file of a run directory, or of its segments: what SQL says of the numbers is compared with the sound copy."""
    run = Path(shutil.copytree(bases / base / "run", work / "run"))
    path = mutate_one(rng, run)
    runs = dra("inspect", "runs", work)
    numbers = dra("inspect", "sql", run, NUMBERS, "--json")
    commands = [("summary", run, "--json"), ("verify", run), ("groups", run), ("group", run, "2", "0"), ("replay", run)]
    commands += [
        ("compare", run, bases / base / "run"),
        ("search", run, "text"),
        ("export", run, "-o", work / "out.html"),
    ]
    others = [dra("inspect", *command) for command in rng.sample(commands, 2)]
    told = any(ran.exit_code or ran.stderr for ran in (runs, numbers, *others))
    if numbers.exit_code == 0:
        seen, sound = _rows(numbers), sound_rows(bases / base / "run")
        known = Counter(map(repr, sound))
        extra = Counter(map(repr, seen)) - known
        if extra:
            return "wrong", f"{path}: {next(iter(extra))[:150]}"
        if len(seen) < len(sound) and not numbers.stderr and path.endswith(".parquet") and (run / path).exists():
            return "wrong", f"{path}: {len(sound) - len(seen)} rows are gone without a word"
    return ("told" if told else "read"), ""


def _rows(ran: Any) -> list[Any]:
    return json.loads(ran.stdout)["rows"] if ran.stdout.strip() else []


@functools.cache
def sound_rows(run: Path) -> list[Any]:
    """Return what SQL says of a sound copy."""
    return _rows(dra("inspect", "sql", run, NUMBERS, "--json"))


@functools.cache
def sound_report(folder: Path) -> dict[str, Any]:
    """Return the report of sound evaluations."""
    found: dict[str, Any] = json.loads(dra("eval", "report", folder, "--json").stdout)
    return found


def try_imports(rng: random.Random, bases: Path, work: Path) -> tuple[str, str]:
    """Rollouts of other trainers, imported and checked."""
    source = Path(shutil.copytree(bases / "imports" / rng.choice(list(ROLLOUTS)), work / "rollouts"))
    mutate_one(rng, source)
    made = dra("inspect", "import", source, "-o", work / "run", "--embedder", "hash")
    if made.exit_code == 0:
        checked = dra("inspect", "verify", work / "run")
        assert checked.exit_code == 0, f"an imported run does not verify: {checked.output[-200:]}"
        return "read", ""
    return "told", ""


def try_evaluations(rng: random.Random, bases: Path, work: Path) -> tuple[str, str]:
    """Results of evaluations, ours and lighteval's: scores are compared with the sound copy."""
    base = rng.choice(("evals", "evals", "other"))
    folder = Path(shutil.copytree(bases / "evaluations" / base, work / "evals"))
    path = mutate_one(rng, folder)
    report = dra("eval", "report", folder, "--json")
    dra("eval", "report", folder, *rng.choice([(), ("--metric", "maj"), ("--out", work / "out")]))
    if report.exit_code:
        return "told", ""
    found = json.loads(report.stdout)
    other = found["rows"] != sound_report(bases / "evaluations" / base)["rows"]
    if other and not found["problems"] and path.endswith(".parquet") and (folder / path).is_file():
        return "wrong", f"{path}: other scores, and nothing told"
    return ("told" if found["problems"] else "read"), ""


TRIES: dict[str, Callable[..., tuple[str, str]]] = {
    "recipe": try_recipe,
    "run": try_run,
    "segments": lambda rng, bases, work: try_run(rng, bases, work, "segments"),
    "imports": try_imports,
    "evaluations": try_evaluations,
}
