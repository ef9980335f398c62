"""How training is shown: what matters is never cut, and the number of steps is known from the start."""

from __future__ import annotations

import io
import json
import re

from rich.console import Console

from dra_toolkit.cli import progress
from dra_toolkit.cli.bars import Bars, make_display
from dra_toolkit.cli.progress import Lines
from dra_toolkit.cli.training_events import training_events

STOPPING = "stopping: saving after this step (again to stop now, back to the last checkpoint)"
EVENTS = [
    {"event": "phase", "text": "loading data"},
    {"event": "phase", "text": "training", "step": 0, "of": 20},
    {"event": "notice", "text": "a \x1b[31m red word"},
    {"event": "step", "step": 7, "of": 20, "reward": 0.5, "adjusted_reward": 0.25, "similarity": None},
    {"event": "phase", "text": STOPPING},
    {"event": "step", "step": 20, "of": 20, "reward": 0.75, "unread_golds": 0.5},
]


def live(events, width: int = 80) -> tuple[str, Bars]:
    screen = io.StringIO()
    display = Bars(training_events, Console(file=screen, force_terminal=True, width=width))
    for event in events:
        display.show(event)
    return screen.getvalue(), display


def test_the_steps_are_known_before_the_first_is_done():
    _, display = live(EVENTS[:2])
    (task,) = display._progress.tasks
    assert (task.description, task.completed, task.total) == ("training", 0, 20)
    display.close()


def test_the_sentence_after_ctrl_c_is_whole_at_80_columns():
    shown, display = live(EVENTS)
    display.close()
    assert STOPPING in " ".join(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).split())
    assert "\x1b[31m red" not in shown
    (task,) = display._progress.tasks
    assert (task.completed, task.fields["figures"]) == (20, "reward 0.75  golds not read 50%")


def test_a_pipe_gets_lines_and_steps_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_SECONDS", 1e9)
    display = Lines(training_events)
    for event in EVENTS:
        display.show(event)
    display.close()
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == ["loading data", "training"]
    assert STOPPING in said
    assert said[-1] == "step 20/20  reward 0.75  golds not read 50%"
    assert "\x1b" not in "".join(said)


def test_scripts_get_the_events(capsys):
    display = make_display(training_events, as_json=True)
    for event in EVENTS:
        display.show(event)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told == [{"version": 1, **event} for event in EVENTS]


def test_an_evaluation_in_training_says_how_far_it_is() -> None:
    (shown,) = training_events({"event": "evaluation", "done": 3, "of": 24})
    assert (shown.line, shown.is_progress) == ("evaluating, batch 3/24", True)
