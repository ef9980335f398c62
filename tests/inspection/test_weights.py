"""Effective weights: formulas by hand, a recorded run against its own groups, the command and its picture."""

from __future__ import annotations

import json
import runpy
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recorded import make_run, record, record_all
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.diversity import MEASURES, adjust, group_advantages
from dra_toolkit.errors import RunError
from dra_toolkit.inspection.replay.settings import read_changes
from dra_toolkit.inspection.weights import by_formula, every_formula, of_run
from dra_toolkit.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two steps of six groups of 4, of which 0 to 4 completions are right."""
    directory = make_run(tmp_path_factory.mktemp("weights") / "run")
    record_all(
        directory, *([some_right(record(step, i, G=4), right=(step + i) % 5) for i in range(6)] for step in (1, 2))
    )
    return Run(directory)


def some_right(original, right):
    """Return a group with rewards of 1 for so many completions and 0 for the others."""
    totals = (np.arange(4) < right).astype(float)
    adjustment = adjust(similarity=original.adjustment.similarity, totals=totals)
    return replace(
        original,
        group=replace(original.group, rewards={"a": totals, "b b": np.zeros(4)}),
        adjustment=adjustment,
        plain_advantages=group_advantages(totals[None])[0],
        advantages=group_advantages(adjustment.adjusted[None])[0],
    )


def test_grpo_weighs_both_sides_by_the_spread():
    """c of G right: (1 - m) m / s for the right ones, the same for the wrong ones; s the sample standard deviation."""
    found = by_formula("none", 4)
    s = np.sqrt(0.25 * 0.75 * 4 / 3) + 1e-4
    assert found.right[1] == pytest.approx(0.25 * 0.75 / s)
    np.testing.assert_allclose(found.right, found.wrong)
    np.testing.assert_array_equal(found.right[[0, 4]], 0)


def test_maxrl_weighs_a_rare_success_as_a_whole_one():
    """1 - m: from (G - 1) / G for one right completion down to 0 for a solved group."""
    np.testing.assert_allclose(by_formula("maxrl", 4).right, [0, 0.75, 0.5, 0.25, 0])


def test_a_baseline_is_missing_where_the_sides_differ():
    found = by_formula("w_reinforce", 4)
    np.testing.assert_allclose(found.right, [0, 0.025, 0.05, 0.075, 0.1])
    np.testing.assert_allclose(found.wrong, [1, 0.75, 0.5, 0.25, 0])


def test_every_measure_has_a_formula():
    assert [each.name for each in every_formula(5)] == ["none", *MEASURES]
    assert all(np.isfinite(each.right).all() and np.isfinite(each.wrong).all() for each in every_formula(5))


def test_a_run_has_the_means_of_its_groups(run):
    (found,) = of_run(run)
    expected: dict[int, list[tuple[float, float]]] = {}
    for each in run.groups():
        right = each.adjustment.totals > 0
        G = len(right)
        sides = each.advantages[right].sum() / G, -each.advantages[~right].sum() / G
        expected.setdefault(int(right.sum()), []).append(sides)
    assert found.groups.sum() == 12
    for c, sides in expected.items():
        assert found.groups[c] == len(sides)
        np.testing.assert_allclose((found.right[c], found.wrong[c]), np.mean(sides, axis=0), atol=1e-6)
    assert (found.groups > 0).all()


def test_a_replay_stands_beside_the_record(run):
    recorded, replayed = of_run(run, read_changes(["diversity=maxrl"]))
    assert (recorded.name, replayed.name) == ("recorded", "diversity=maxrl")
    np.testing.assert_allclose(replayed.right, by_formula("maxrl", 4).right, atol=1e-9)
    np.testing.assert_allclose(replayed.wrong, by_formula("maxrl", 4).wrong, atol=1e-9)


def test_steps_without_groups_are_one_line(run):
    with pytest.raises(RunError, match="no train groups are recorded of steps 7 to 9"):
        of_run(run, steps=(7, 9))


def test_the_command(run):
    place = str(run.directory.path)
    found = CliRunner().invoke(app, ["inspect", "weights", place, "diversity=pkpo", "--json"])
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert [each["name"] for each in told["weights"]][:3] == ["recorded", "diversity=pkpo", "none"]
    shown = CliRunner().invoke(app, ["inspect", "weights", "--group", "4"])
    assert "maxrl" in shown.stdout
    assert "4/4" in shown.stdout


def test_equal_curves_are_drawn_once():
    tool = Path(__file__).parents[2] / "tools" / "weights_picture.py"
    root = ET.fromstring(runpy.run_path(str(tool))["weights_svg"](every_formula()))
    names = [text.text for text in root.findall("{*}text")]
    assert any(name.startswith("GRPO (none), graph_cut") for name in names)
    assert sum("maxrl" in name for name in names) == 1
