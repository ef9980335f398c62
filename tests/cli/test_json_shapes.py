"""Every command's --json against docs/json.md: nothing that is not declared, nothing declared that never comes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recorded import make_run, record, record_all
from shaped import SHAPES, held, json_shapes
from typer.main import get_command
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.groups import Message

ELSEWHERE = {
    "dra app": "tests/app/test_dashboard_for_programs.py",
    "dra doctor [RECIPE]": "tests/test_doctor.py",
    "dra eval compare LEFT RIGHT": "tests/evaluation/test_report.py",
    "dra eval report [PATH]...": "tests/evaluation/test_report.py",
    "dra eval run [RUN]": "tests/evaluation/test_evaluation_progress.py",
    "dra eval run [RUN] --dry-run": "tests/evaluation/test_benchmarks_by_name.py",
    "dra train RECIPE": "tests/training/test_run.py",
    "dra train RECIPE --dry-run": "tests/launch/test_plan.py",
    "dra train RECIPE seed=1,2 --dry-run": "tests/cli/test_sweep.py",
}
"""Commands whose documents need more than a recorded run, and the file whose tests hold them to their shapes."""


def collapsing(step: int):
    """Return the groups of a step of a run whose completions become alike."""
    texts = [f"way {i} to add: \\boxed{{{i}}}" if step < 5 else "the one way: \\boxed{2}" for i in range(4)]
    for index in range(3):
        made = record(step, index, G=4, texts=texts, prompt=f"prompt {index}", keep=True)
        alike = 0.1 if step < 5 else 0.95
        similarity = np.full((4, 4), alike) + (1 - alike) * np.eye(4)
        yield replace(made, adjustment=replace(made.adjustment, similarity=similarity))


def with_everything():
    """Return a group that has whatever a group can have."""
    made = record(1, 0, G=2, mode="discarded", texts=["I add", "I carry"], keep=True)
    turn = Message(role="tool", content="4", calls='[{"name": "add", "arguments": {}}]', images=("sha256:00 1x1",))
    asked = replace(made.group.prompt[0], calls="[]", images=("sha256:00 1x1",))
    group = replace(
        made.group,
        prompt=(asked,),
        turns=((turn,), (turn,)),
        policy_tokens=np.array([0, 1], dtype=np.int32),
        gold="4",
        verdicts=("right", "wrong"),
        texts_dropped=False,
    )
    adjustment = replace(made.adjustment, bonus=np.zeros(2))
    more = {"labels": np.array([0, 1]), "log_probs": np.array([-1.0, -2.0]), "discard_reason": "zero_spread"}
    return replace(made, group=group, adjustment=adjustment, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    (folder / "runs").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run = make_run(folder / "runs" / "first", "learning_rate: 1.0e-5\n")
        record_all(run, *([*collapsing(step)] for step in range(1, 13)), [with_everything()])
        for name, rate in (("second", 2e-5), ("third", 2e-5)):
            other = make_run(folder / "runs" / name, f"learning_rate: {rate}\nseed: {len(name)}\n")
            record_all(other, *([record(step, i, G=4) for i in range(3)] for step in range(1, 13)))
        broken = make_run(folder / "runs" / "broken")
        record_all(broken, [record(1)], [record(2)])
        (broken.groups / "train-00000002-000.parquet").write_bytes(b"PAR1 torn")
        (folder / "runs" / "newer").mkdir()
        (folder / "runs" / "newer" / "resolved.json").write_text('{"version": 99, "name": "x", "settings": {}}')
    rows = [{"prompt": "p", "completion": c, "r": r} for c in "ab" for r in (0.0, 0.0, 1.0)]
    lines = [*map(json.dumps, rows), "no row"]
    (folder / "dump.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "weighted.jsonl").write_text("\n".join(map(json.dumps, weighted())))
    imported = ["inspect", "import", "dump.jsonl", "--reward-column", "r", "-o", "runs/theirs", "--embedder", "none"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert CliRunner().invoke(app, imported).exit_code == 0
    labelled = [{"text": f"{way} {i}", "label": way, "group": i % 12} for way in ("add", "carry") for i in range(24)]
    (folder / "labelled.jsonl").write_text("\n".join(map(json.dumps, labelled)))
    return folder


WEIGHTED = "--reward-column r --reward-column s --advantage-column advantage"


def weighted() -> list[dict]:
    """Return rows of a trainer that gave half of the weight to the second of two rewards."""
    rows = []
    for prompt in "pqr":
        r, s = np.random.default_rng(ord(prompt)).random((2, 4))
        total = r + 0.5 * s
        advantages = (total - total.mean()) / (total.std(ddof=1) + 1e-4)
        rows += [
            {"prompt": prompt, "completion": f"{prompt} {i}", "r": r[i], "s": s[i], "advantage": advantages[i]}
            for i in range(4)
        ]
    return rows


ASKED = {
    "dra recipes": ["recipes"],
    "dra recipes show NAME": ["recipes show quickstart"],
    "dra recipes keys [WORD]": ["recipes keys", "recipes keys seed"],
    "dra recipes copy NAME FILE": ["recipes copy quickstart copied.yaml"],
    "dra docs": ["docs"],
    "dra docs PAGE": ["docs tutorial"],
    "dra export-settings RECIPE ENGINE": ["export-settings quickstart verl"],
    "dra audit [SOURCE]": ["audit labelled.jsonl -e hash"],
    "dra lint PATH": ["lint dump.jsonl --reward-column r", "lint runs/first", f"lint weighted.jsonl {WEIGHTED}"],
    "dra inspect runs [FOLDER]": ["inspect runs", "inspect runs runs --limit 1 --offset 1"],
    "dra inspect summary [RUN]": ["inspect", "inspect first", "inspect summary second", "inspect summary broken"],
    "dra inspect groups [RUN]": [
        "inspect groups first",
        "inspect groups first --mode discarded",
        "inspect groups second --flips",
    ],
    "dra inspect group RUN STEP INDEX": ["inspect group first 1 0", "inspect group first 1 0 --mode discarded"],
    "dra inspect prompt RUN PROMPT": ["inspect prompt first prompt_1", "inspect prompt second prompt_1"],
    "dra inspect search RUN TEXT": [
        "inspect search first way --count",
        "inspect search first add --mode discarded",
        "inspect search first nothing",
    ],
    "dra inspect near RUN STEP GROUP COMPLETION": [
        "inspect near first 1 0 0",
        "inspect near second --text add --embedder hash",
    ],
    "dra inspect compare RUN OTHER": ["inspect compare first second"],
    "dra inspect compare RUN OTHER THIRD ...": ["inspect compare first second third"],
    "dra inspect replay RUN [KEY=VALUE]...": ["inspect replay second diversity=none", "inspect replay broken"],
    "dra inspect weights [RUN] [KEY=VALUE]...": ["inspect weights second", "inspect weights"],
    "dra inspect sql RUN": ["inspect sql first"],
    "dra inspect sql RUN SELECT": ["inspect sql first SELECT_step,_tokens,_rewards_FROM_completions"],
    "dra inspect verify RUN": ["inspect verify second", "inspect verify broken", "inspect verify theirs"],
    "dra inspect export RUN FILE": ["inspect export second out.jsonl"],
    "dra inspect import SOURCE --output RUN": ["inspect import dump.jsonl -o runs/imported --reward-column r"],
    "dra inspect compact RUN": ["inspect compact second"],
    "any command that is refused": [
        "inspect nothing",
        "recipes show nothing",
        "lint nothing",
        "train",
        "eval report nowhere",
        "inspect group first",
        "inspect group first one 0",
        "inspect groups first --nope",
        "export-settings quickstart nothing",
        "eval compare one",
        "trian",
    ],
}
"""Title -> command lines; `_` is a blank within a word."""


def asked(line: str) -> dict:
    """Return the document that a command prints, which must be all of its standard output."""
    words = [word.replace("_", " ") if "_FROM_" in word or word == "prompt_1" else word for word in line.split()]
    ran = CliRunner().invoke(app, [*words, "--json"])
    assert "Traceback" not in ran.output, ran.output
    return json.loads(ran.stdout)


@pytest.mark.parametrize("title", ASKED)
def test_a_document_is_what_the_page_says(title, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DRA_RUNS", raising=False)
    held(title, *map(asked, ASKED[title]))


def test_every_command_has_json_and_a_shape_that_a_test_holds_it_to():
    assert set(SHAPES) == set(ASKED) | set(ELSEWHERE)
    for title, file in ELSEWHERE.items():
        assert f'held("{title}"' in (Path(__file__).parents[2] / file).read_text()
    titles = {" ".join(re.findall(r"^dra((?: [a-z-]+)+)", title)).strip() for title in SHAPES}
    for name, command in commands(get_command(app)):
        assert any("--json" in option.opts for option in command.params), name
        assert name in titles, f"dra {name} is not in tools/json_shapes.txt"


def commands(group, before: str = ""):
    """Yield every command that does something, by its words."""
    for name, command in group.commands.items():
        words = f"{before} {name}".strip()
        if hasattr(command, "commands"):
            yield from commands(command, words)
        else:
            yield words, command


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"version": 1, "name": "x", "path": "p", "text": 3}, "text: found 3, declared as text"),
        ({"version": 1, "name": "x", "path": None, "text": ""}, "path: found None, declared as text"),
        ({"version": 1, "name": "x", "more": []}, "more: found Ellipsis, which is not declared"),
        ({"name": "x"}, "no object of version 1"),
    ],
)
def test_a_document_of_another_shape_is_told(document, told):
    assert list(json_shapes.problems(document, SHAPES["dra recipes show NAME"])) == [told]
