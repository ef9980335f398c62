"""How an evaluation is shown: the same events as bars, as lines, and as JSON."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from shaped import held

from dra_toolkit.cli import progress
from dra_toolkit.cli.bars import Bars, make_display
from dra_toolkit.cli.evaluation_events import EvaluationEvents
from dra_toolkit.cli.progress import Lines

SECONDS = {"loading": 1.0, "generation": 2.0, "scoring": 0.5, "other": 0.5}
EVENTS = [
    {"event": "phase", "text": "hashing weights and data"},
    {"event": "plan", "checkpoints": 2, "answers": 20, "kept": 1},
    {"event": "checkpoint", "label": "step-10", "state": "started", "slot": "cpu-0"},
    {"event": "phase", "text": "loading the model", "label": "step-10", "slot": "cpu-0"},
    {"event": "progress", "benchmark": "sums", "done": 4, "of": 10, "label": "step-10", "slot": "cpu-0"},
    {"event": "progress", "benchmark": "sums", "done": 9, "of": 10, "label": "step-10", "slot": "cpu-0"},
    {"event": "phase", "text": "scoring what is left of sums", "label": "step-10", "slot": "cpu-0"},
    {
        "event": "evaluated",
        "benchmark": "sums",
        "accuracy": 0.25,
        "seconds": SECONDS,
        "generated": 10,
        "label": "step-10",
        "slot": "cpu-0",
    },
    {"event": "checkpoint", "label": "step-10", "state": "finished"},
    {"event": "notice", "text": "step \x1b[31m 10 is red"},
]


def test_lines_for_a_pipe(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_SECONDS", 0.0)
    display = Lines(EvaluationEvents())
    for event in EVENTS:
        display.show(event)
    display.close()
    said = capsys.readouterr().err
    assert "2 checkpoints to evaluate, 20 answers to generate, 1 evaluation kept" in said
    assert "checkpoint 1/2  5/20 answers  about 0 s left  step-10 sums 9/10" in said, (
        "what was there before is not counted"
    )
    assert "step-10  sums  25.0%  (4 s)" in said
    assert "\x1b" not in said


def test_bars_for_people():
    screen = io.StringIO()
    display = Bars(EvaluationEvents(), Console(file=screen, force_terminal=True, width=120))
    for event in EVENTS:
        display.show(event)
    (overall, slot) = display._progress.tasks
    assert (overall.completed, overall.total) == (5, 20)
    assert overall.description == "checkpoint 2/2  answers"
    assert slot.description == "  step-10  scoring what is left of sums"
    display.close()
    assert "25.0%" in screen.getvalue()
    assert "\x1b[31m 10" not in screen.getvalue()


def test_json_for_scripts(capsys):
    display = make_display(EvaluationEvents(), as_json=True)
    for event in EVENTS:
        display.show(event)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    held("dra eval run [RUN]", *told)
    assert [{key: value for key, value in each.items() if key != "version"} for each in told] == EVENTS


@pytest.mark.process
@pytest.mark.parametrize("arguments", [["eval", "--help"], ["eval", "run", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    from test_architecture import loaded_by

    assert loaded_by(f"sys.argv[1:] = {arguments!r}; from dra_toolkit.cli import main; main()") == set()
