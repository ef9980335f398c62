"""Recipes and overrides mutated at random: each is a recipe or a mistake told in short lines, soon.

`DRA_FUZZ=10000 python -m pytest tests/recipe/test_fuzz.py` tries that many of each; without it few are tried.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
from waiting import processor_time

from dra_toolkit.cli.overrides import read_overrides
from dra_toolkit.errors import LONGEST, DRAError
from dra_toolkit.inspection.replay.settings import read_changes
from dra_toolkit.recipe import Recipe, known_keys, load_recipe
from dra_toolkit.recipe.load import examine_recipe

TRIED = int(os.environ.get("DRA_FUZZ", "150"))
SLOW = 10.0
"""Processor seconds that no input may take."""
TEMPLATE = """model_name_or_path: builtin:ways
dataset_name: builtin:ways
reward_funcs: [format, accuracy]
embedder: hash
num_generations: 4
per_device_train_batch_size: 16
max_steps: 20
"""
ODD = [
    *(
        "",
        "null",
        "~",
        "true",
        "no",
        "0",
        "-1",
        "1e400",
        "-.inf",
        ".nan",
        "0x_",
        "0b_",
        "1_000",
        "9" * 5000,
        "2024-13-45",
    ),
    *(
        "[]",
        "{}",
        "[[]]",
        "{a: {b: c}}",
        "[1, two, null]",
        "&a [*a]",
        "*a",
        "!!int abc",
        "!!timestamp x",
        "!!python/name:os.system",
    ),
    *(
        "'",
        '"',
        "%",
        "\x00",
        "\ud800",
        "é" * 300,
        "a" * 100_000,
        "../" * 500,
        "/dev/zero",
        "~nobody/x",
        "a\nb",
        "a\r\nb: c",
    ),
    *(
        "json.dumps",
        "os.path.join",
        "a.b.c.d",
        ".",
        "..",
        "-",
        "--",
        "=",
        "==",
        "builtin:",
        "builtin:ways",
        "$HOME",
        "#",
        ": :",
    ),
    *(
        "[" * 2000,
        "{a: " * 2000,
        "- " * 3000,
        "hf_" + "a" * 40,
        "[accuracy, accuracy]",
        "[1, .nan]",
        "[null]",
        "!!set {a}",
    ),
]


def an_input(rng: random.Random) -> tuple[str, list[str]]:
    """Return the text of a recipe and overrides."""
    keys = sorted(known_keys())
    lines = TEMPLATE.splitlines()
    for _ in range(rng.randrange(4)):
        what = rng.randrange(4)
        if what == 0:
            lines[rng.randrange(len(lines))] = f"{rng.choice(keys)}: {rng.choice(ODD)}"
        elif what == 1:
            lines.append(f"{rng.choice(keys)}: {rng.choice(ODD)}")
        elif what == 2:
            text = "\n".join(lines)
            at = rng.randrange(len(text))
            lines = (text[:at] + rng.choice(ODD) + text[at + rng.randrange(5) :]).splitlines() or [""]
        else:
            lines.append(rng.choice(ODD))
    overrides = [
        rng.choice((f"{rng.choice(keys)}={rng.choice(ODD)}", f"--{rng.choice(keys)}", rng.choice(ODD)))
        for _ in range(rng.randrange(4))
    ]
    return "\n".join(lines), overrides


def allowed(call, *arguments) -> None:
    """Call; the only thing that may be raised is a mistake in short lines, and soon."""
    problems: tuple[str, ...] = ("told",)
    try:
        with processor_time(at_most=SLOW):
            call(*arguments)
    except DRAError as error:
        problems = error.problems
    assert problems
    assert all(len(line) <= LONGEST and "\n" not in line for line in problems)


@pytest.mark.parametrize("seed", range(TRIED))
def test_any_recipe_and_overrides(tmp_path, monkeypatch, seed):
    monkeypatch.chdir(tmp_path)
    text, overrides = an_input(random.Random(seed))
    path = Path("r.yaml")
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    allowed(lambda: load_recipe(path, read_overrides(overrides)))
    allowed(lambda: examine_recipe(path, overrides))
    allowed(read_changes, overrides)


@pytest.mark.parametrize("seed", range(TRIED))
def test_any_resolved_recipe(seed):
    rng = random.Random(seed)
    document = load_recipe("quickstart").to_json()
    if rng.random() < 0.5:
        at = rng.randrange(len(document))
        document = document[:at] + rng.choice(ODD) + document[at + rng.randrange(200) :]
    else:
        found = json.loads(document)
        place = rng.choice([found, found["settings"], found["settings"][rng.choice(sorted(found["settings"]))]])
        place[rng.choice(sorted(place))] = rng.choice([None, [], {}, "x", 1e308, -1, "[" * 50, {"value": 1}, {"a": []}])
        document = json.dumps(found)
    allowed(lambda: Recipe.from_json(document, Path("resolved.json")).embedder)


def test_unchanged_it_is_what_it_was(tmp_path):
    (tmp_path / "r.yaml").write_text(TEMPLATE)
    assert load_recipe(tmp_path / "r.yaml").training.max_steps == 20
