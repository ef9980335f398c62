"""Data functions of the Overview and the Compare page, on recorded runs."""

from __future__ import annotations

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded import make_run, record, record_all
from toy_runs import make_toys

from dra_app import questions
from dra_app.context import Context
from dra_app.pages import compare, overview
from dra_app.pages.compare.many import joined
from dra_app.pages.overview.parts import notes_part, run_lines
from dra_app.palette import FUNCTIONS
from dra_app.run_curves import Curves, function_curves, logged_curves, measure_curves
from dra_app.server import static_files
from dra_toolkit.drawing.curves import MOST_POINTS, Line, curves, smoothed, sparkline, thinned
from dra_toolkit.errors import RunError
from dra_toolkit.inspection.comparison import settings_of
from dra_toolkit.runs import Run
from dra_toolkit.runs.compaction import compact


@pytest.fixture
def run(tmp_path: Path) -> Run:
    directory = make_run(tmp_path / "r")
    record_all(directory, *([record(step, 0), record(step, 1)] for step in range(1, 6)))
    return Run(directory)


def test_curves_are_the_means_that_sql_gives(run: Run) -> None:
    found = measure_curves(run)
    rows = run.query("SELECT * FROM steps WHERE mode = 'train' ORDER BY step").to_pylist()
    assert found.steps.tolist() == [1, 2, 3, 4, 5]
    for name, values in found.columns.items():
        expected = [np.nan if row[name] is None else float(row[name]) for row in rows]
        np.testing.assert_allclose(values, expected)


def test_curves_grow_with_the_run_and_survive_compaction(run: Run) -> None:
    before = measure_curves(run), function_curves(run)
    record_all(run.directory, [record(5, 0), record(5, 1), record(5, 2)], [record(6, 0)])
    compact(run.directory.groups, everything=True)
    for kept, fresh in ((measure_curves(run), measure_curves(Run(run.directory))),
                        (function_curves(run), function_curves(Run(run.directory)))):  # fmt: skip
        assert kept.steps.tolist() == fresh.steps.tolist() == [1, 2, 3, 4, 5, 6]
        for name in fresh.columns:
            both = [c.columns[name] for c in (kept, fresh)]
            np.testing.assert_allclose(*both)
    assert len(before[0].steps) == 5


def test_a_new_start_of_the_run_is_read_from_the_beginning(run: Run) -> None:
    old = measure_curves(run).columns["reward"].copy()
    run.directory.start_attempt()
    record_all(run.directory, *([record(step, 0, seed=9), record(step, 1, seed=9)] for step in range(1, 6)))
    assert not np.allclose(measure_curves(run).columns["reward"], old)


def test_curves_of_reward_functions_skip_where_a_function_abstained(run: Run) -> None:
    found = function_curves(run).columns
    assert set(found) == {"a", "b b"}
    assert set(found["b b"][~np.isnan(found["b b"])].tolist()) <= {1.0}


def test_means_and_thinning_leave_out_what_is_not_known() -> None:
    values = np.array([1.0, np.nan, 3.0, np.nan])
    np.testing.assert_allclose(smoothed(values, 2), [1, 1, 3, 3])
    steps, (thin,) = thinned(np.arange(1, 5), [values], 2)
    assert steps.tolist() == [1, 3]
    np.testing.assert_allclose(thin, [1, 3])


def told(drawing: str) -> dict[str, Any]:
    """Return what a drawing tells the page of its lines."""
    found: dict[str, Any] = json.loads(unescape(drawing.split('data-curves="')[1].split('"')[0]))
    return found


def test_a_long_run_is_drawn_with_few_points() -> None:
    steps = np.arange(1, 100_001)
    drawing = curves([Line(name="x", steps=steps, values=np.sin(steps / 1_000), colour="red")], y_title="x")
    assert len(told(drawing)["lines"][0]["x"]) <= MOST_POINTS
    assert len(drawing) < 60_000


def test_the_drawn_points_are_the_values_and_what_is_not_known_is_a_gap() -> None:
    values = np.array([1.0, np.nan, 3.0, 4.0, np.nan])
    drawing = curves([Line(name="<x>", steps=np.array([2, 4, 6, 8, 10]), values=values, colour="red")], y_title="x")
    (line,) = told(drawing)["lines"]
    assert line["x"] == [2, 4, 6, 8, 10]
    assert line["y"] == [1.0, None, 3.0, 4.0, None]
    assert drawing.count("<circle") == 3
    path = drawing.split('<path d="')[1].split('"')[0]
    assert path.count("M") == 2
    assert path.count("L") == 1
    assert "<x>" not in drawing
    assert curves([Line(name="x", steps=np.array([1]), values=np.array([np.nan]), colour="red")], y_title="x") == ""
    assert sparkline(np.array([1.0])) == ""


def test_the_axis_across_has_whole_steps() -> None:
    line = Line(name="x", steps=np.array([1, 2, 3]), values=np.array([0.0, 1.0, 2.0]), colour="red")
    drawing = curves([line], y_title="x")
    across = re.findall(r'<text class="tick" [^>]*text-anchor="middle" >([^<]*)<', drawing)
    assert across == ["1", "2", "3"]


def test_every_logged_metric_has_a_figure_and_its_numbers(run: Run) -> None:
    with open(run.directory.metrics, "a") as file:
        for step in range(1, 4):
            row = {
                "step": step,
                "attempt": 1,
                "time": 1.0,
                "loss": step / 2,
                "completions/mean_length": 7.0,
                "kl": None,
            }
            file.write(json.dumps(row) + "\n")
    assert set(logged_curves(run)) == {"loss", "completions/mean_length"}
    shown = overview.logged(run, {})["parts"]["logged"]
    assert 'data-figure="logged:loss"' in shown
    assert "<h4>completions</h4>" in shown
    assert overview.csv(run, {"figure": "logged:loss"})["csv"] == "step,loss\n1,0.5\n2,1.0\n3,1.5\n"


def test_completions_are_points_that_open_and_any_two_numbers_can_be_chosen(run: Run) -> None:
    shown = overview.scatter(run, {"x": "reward:a", "y": "advantage"})["parts"]["scatter"]
    rows = run.query("SELECT step, rewards.a AS x, advantage AS y FROM completions WHERE mode = 'train'").to_pylist()
    assert shown.count("<circle") == len(rows)
    assert f'data-dot="{rows[0]["step"]},0,0,0"' in shown
    with pytest.raises(RunError, match="x: found"):
        overview.scatter(run, {"x": "mode; DROP"})


def test_an_axis_that_is_not_there_is_told_before_the_points_are_unfolded(run: Run) -> None:
    answer = overview.show(run, {"x": "reward:b", "y": "advantage"})
    assert answer["error"].startswith("x: found 'reward:b', expected one of tokens, total, ")
    assert answer["error"].endswith("reward:a, reward:b b")
    assert answer["state"] == {"x": "", "y": ""}
    assert told(answer["parts"]["figures"])["lines"]
    assert "error" not in overview.show(run, {"x": "reward:b b", "y": "advantage"})


def test_only_a_stretch_of_the_steps_is_drawn(run: Run) -> None:
    shown = overview.show(run, {"from": "2", "to": "4"})["parts"]["figures"]
    assert told(shown)["lines"][0]["x"] == [2, 3, 4]


def test_no_run_whose_groups_teach_nothing_is_called_well() -> None:
    steps = np.arange(1, 31)

    def said(share: float) -> str:
        return notes_part((), Curves(steps=steps, groups=steps, columns={"zero_spread": np.full(30, share)}))

    assert "No problem" in said(0.1)
    assert "✓" not in said(0.6)
    assert "60 % of the groups have equal raw rewards" in said(0.6)


def test_a_failed_run_says_why_and_shows_the_end_of_its_log(run: Run) -> None:
    attempt = run.directory.start_attempt()
    log = "step 1\nTraceback (most recent call last):\n  File x\nRuntimeError: out of <memory>\n"
    (run.directory.attempt_logs(attempt) / "output.log").write_text(log)
    run.directory.write_status("failed", attempt=attempt)
    said = overview.show(run, {})["parts"]["end"]
    assert f"attempt {attempt}: RuntimeError: out of &lt;memory&gt;" in said
    assert "Traceback" in said
    run.directory.write_status("stopped", attempt=attempt)
    assert overview.show(run, {})["parts"]["end"] == ""


def test_every_meaning_has_contrast_with_its_ground() -> None:
    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    style = static_files()["style.css"].decode()
    colours = {name: both for name, *both in re.findall(r"--dra-([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", style)}
    series = {name for name in colours if name.startswith("fn")}
    assert len(series) == FUNCTIONS
    assert set(re.findall(r"var\(--dra-([\w-]+)\)", style)) <= set(colours)
    for ground in (0, 1):
        for meaning in set(colours) - {"ground", "panel", "line", "on-similarity"}:
            for behind in ("ground", "panel"):
                a, b = sorted((light(colours[meaning][ground]), light(colours[behind][ground])))
                is_line = meaning in {"distinct", "raw", *series}
                least = 3 if is_line else 4.5  # 3 for lines, 4.5 for small text (WCAG)
                assert (b + 0.05) / (a + 0.05) >= least, (meaning, ground, behind)


def test_runs_are_told_apart_by_their_recipes(tmp_path: Path) -> None:
    make_toys(tmp_path, steps=2)
    lines = run_lines(Context(tmp_path))
    assert {line.run_id for line in lines} == {"toy-grpo", "toy-dra-grpo"}
    assert {line.differences["diversity"] for line in lines} == {"none", "graph_cut"}
    assert {line.state for line in lines} == {"finished"}


def test_runs_of_one_setting_are_one_line_with_the_interval_of_their_mean() -> None:
    steps = np.arange(1, 5)
    values = [np.array([1.0, 2, 3, 4]), np.array([3.0, 2, 1, 4]), np.array([2.0, 5, 2, 1])]
    lines = [Line(name=n, steps=steps, values=v, colour="red", of=n) for n, v in zip("abc", values, strict=True)]
    lines[1] = replace(lines[1], steps=steps[:3], values=values[1][:3])  # it has not come so far
    both, alone = joined(lines, ["beta=0", "beta=0", "beta=1"])
    assert (both.name, alone.name) == ("beta=0 (2 runs)", "beta=1")
    assert both.steps.tolist() == [1, 2, 3]
    np.testing.assert_allclose(both.values, [2, 2, 2])
    half = 12.706 * np.std([1, 3], ddof=1) / np.sqrt(2)  # Student's t with one degree of freedom
    np.testing.assert_allclose(both.high - both.values, [half, 0, half], rtol=1e-3)
    assert alone.low is None


def test_settings_and_outcomes_of_runs_are_lines_across_axes_and_seeds_are_no_setting(tmp_path: Path) -> None:
    for name, lines in (("a", "seed: 1\n"), ("b", "seed: 2\n"), ("c", "seed: 1\nbeta: 0.5\n")):
        directory = make_run(tmp_path / name, lines)
        record_all(directory, [record(1, 0)], [record(2, 0)])
    context = Context(tmp_path)
    assert settings_of([context.run(name) for name in "abc"]) == ["beta=0.0", "beta=0.0", "beta=0.5"]
    shown = compare.show(context, {"run": "a", "other": "b,c", "join": "1"})["parts"]
    assert shown["across"].count("<path") == 3
    csv = unescape(shown["across"].split('data-csv="')[1].split('"')[0]).splitlines()
    assert csv[0].startswith("run,beta,reward,")
    assert [line.split(",")[:2] for line in csv[1:]] == [["a", "0.0"], ["b", "0.0"], ["c", "0.5"]]
    names = [line["name"] for line in told(shown["figures"])["lines"]]
    assert names == ["beta=0.0 (2 runs)", "beta=0.5"]


def test_what_is_beyond_the_most_runs_of_one_figure_is_counted(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "r0")
    record_all(directory, [record(1, 0)])
    names = [f"r{i}" for i in range(compare.MOST_RUNS + 3)]
    for name in names[1:]:
        shutil.copytree(directory.path, tmp_path / name)
    context = Context(tmp_path)
    answer = compare.show(context, {"run": "r0", "other": ",".join((*names, *names[1:40]))})
    assert answer["error"] == "other: 64 runs are shown at most; left out: 3"
    assert answer["state"] == {"run": "r0", "other": ",".join(names[1:64])}
    assert answer["parts"]["table"].count('<th scope="row"') == 64
    assert len(told(answer["parts"]["figures"])["lines"]) == 64
    assert "error" not in compare.show(context, {"run": "r0", "other": ",".join(names[1:64])})


def test_of_forty_eight_runs_forty_are_looked_into_and_the_others_can_be_chosen(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "r0")
    for i in range(1, 48):
        shutil.copytree(directory.path, tmp_path / f"r{i}")
    context = Context(tmp_path)
    shown = overview.runs(context, {"run": "r3"})["parts"]["runs"]
    assert shown.count("<tr") == 1 + 40
    assert "8 older runs are in the list above" in shown
    assert len(questions.look(context, {"run": "r3"})["runs"]) == 48


def test_an_adjusted_reward_is_drawn_of_runs_that_adjust_alone(tmp_path: Path) -> None:
    make_toys(tmp_path, steps=2)
    shown = compare.show(Context(tmp_path), {"run": "toy-grpo", "other": "toy-dra-grpo"})["parts"]["figures"]
    lines = {
        key: [line["name"] for line in told(figure)["lines"]]
        for key, figure in re.findall(r'data-figure="([^"]*)"(.*?)</figure>', shown, re.DOTALL)
    }
    assert lines["reward"] == ["toy-grpo", "toy-dra-grpo"]
    assert lines["adjusted"] == lines["weight"] == ["toy-dra-grpo"]


def test_only_a_run_that_was_written_to_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_toys(tmp_path, steps=2)
    context, opened = Context(tmp_path), []
    open_run = context.run
    monkeypatch.setattr(context, "run", lambda run_id: (opened.append(run_id), open_run(run_id))[1])
    first = run_lines(context)
    assert sorted(opened) == ["toy-dra-grpo", "toy-grpo"]
    assert [line.run_id for line in run_lines(context)] == [line.run_id for line in first]
    assert len(opened) == 2
    with open(tmp_path / "toy-grpo" / "metrics.jsonl", "a") as file:
        file.write('{"step": 3, "reward": 0.25}\n')
    (line,) = [line for line in run_lines(context) if line.run_id == "toy-grpo"]
    assert opened[2:] == ["toy-grpo"]
    assert line.reward[-1] == 0.25


def test_health_is_judged_again_when_a_twentieth_of_the_steps_is_new(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run")
    record_all(directory, *[[record(step)] for step in range(1, 41)])
    run = Run(directory)
    overview.health(run, {})
    for step, judged in ((41, 40), (42, 40), (43, 43)):
        record_all(directory, [record(step)])
        overview.health(run, {})
        assert overview._notes[run][0] == judged


def test_a_run_that_cannot_be_read_is_a_line_of_the_table(tmp_path: Path) -> None:
    make_run(tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "resolved.json").write_text("{")
    found = {line.run_id: line for line in run_lines(Context(tmp_path))}
    assert found["bad"].problem
    assert not found["good"].problem


def test_csv_has_every_step_and_starts_no_formula(run: Run) -> None:
    found = overview.csv(run, {"figure": "functions"})["csv"].splitlines()
    assert found[0] == "step,a,b b"
    assert len(found) == 6
    with pytest.raises(RunError, match="expected one of"):
        overview.csv(run, {"figure": "../../etc/passwd"})


def test_a_damaged_file_is_named_and_the_rest_is_shown(run: Run) -> None:
    file = sorted(run.directory.groups.glob("*.parquet"))[1]
    file.write_bytes(file.read_bytes()[:200])
    answer = overview.show(Run(run.directory), {})
    assert file.name in answer["parts"]["facts"]
    assert told(answer["parts"]["figures"])["lines"][0]["x"] == [1, 3, 4, 5]


def test_what_several_ask_at_once_is_read_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    query = Run.query

    def counted(self: Run, *given: Any, **more: Any) -> Any:
        asked.append(given[0])
        return query(self, *given, **more)

    monkeypatch.setattr(Run, "query", counted)
    with ThreadPoolExecutor(6) as tabs:
        found = list(tabs.map(lambda number: (measure_curves, function_curves)[number % 2](run), range(12)))
    assert len(asked) == 2
    assert all(curves.steps.tolist() == [1, 2, 3, 4, 5] for curves in found)
