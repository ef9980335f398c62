"""What figures draw: values of an axis that are told apart, ranges, axes of what is small, labels that have room."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest
from group_app import make_groups_run

from dra_app.group_figures import Series, pairs
from dra_app.group_view import view_of
from dra_app.pages.compare.many import across
from dra_app.pages.overview.figures import PANELS
from dra_toolkit.drawing.axes import around, ticks
from dra_toolkit.drawing.curves import Line, curves
from dra_toolkit.drawing.number_columns import ticked
from dra_toolkit.drawing.numbers import percent
from dra_toolkit.drawing.similarity_map import similarity_map
from dra_toolkit.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_groups_run(tmp_path_factory.mktemp("root") / "r")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.0, 1.2, ["0", "0.5", "1.0"]),
        (0.2645, 0.2741, ["0.2650", "0.2675", "0.2700", "0.2725"]),
        (117.0, 119.0, ["117.0", "117.5", "118.0", "118.5", "119.0"]),
        (0.0, 1.06e-6, ["0", "0.5·10⁻⁶", "1.0·10⁻⁶"]),
        (0.0, 3e-12, ["0", "1·10⁻¹²", "2·10⁻¹²", "3·10⁻¹²"]),
        (5e8, 1.5e9, ["0.50·10⁹", "0.75·10⁹", "1.00·10⁹", "1.25·10⁹", "1.50·10⁹"]),
        (-0.02, 0.013, ["\u22120.02", "\u22120.01", "0", "0.01"]),
    ],
)
def test_the_values_of_an_axis_are_told_apart_and_are_those_that_are_drawn(
    low: float, high: float, said: list[str]
) -> None:
    assert ticked(ticks(low, high, 4)) == said


@pytest.mark.parametrize("value", [1e12, 999.6, 0.5, 1e-7, -3.0, 0.0])
def test_a_curve_that_does_not_move_is_in_the_middle_of_an_axis_of_its_size(value: float) -> None:
    low, high = around([value, value], zero=False)
    assert low < value < high
    assert high - low <= 3 * (abs(value) or 1)


def test_a_share_is_never_drawn_beyond_all_of_it() -> None:
    steps = np.arange(1, 4)
    whole = Line(name="share", steps=steps, values=np.ones(3), colour="red")
    drawing = curves([whole], y_title="share of completions, which is longer than the axis has room for", percent=True)
    said = re.findall(r'text-anchor="end" >([^<]*)<', drawing)
    assert said[-1] == "100 %"
    assert re.search(r'class="axis"[^>]*rotate[^>]*>share of completions,[^<]{0,10}…<', drawing)


def test_all_that_is_small_in_a_figure_has_one_axis_of_its_own(run: Run) -> None:
    view = view_of(run.group(1, 0))
    small = [0.01, 0.02, 0.04, 0.03]
    series: tuple[Series, ...] = (
        ("raw", "raw", lambda c: 1.0 + c.index),
        ("adjusted", "adjusted", lambda c: small[c.index]),
        ("what-if", "what if", lambda c: small[c.index] / 2),
    )
    drawn = pairs(view, "name", "Reward", "total reward", series)
    assert re.findall(r"</i>([^<]*)</span>", drawn) == [
        "raw",
        "adjusted (axis on the right)",
        "what if (axis on the right)",
    ]
    heights = {
        kind: [float(height) for height in re.findall(rf'<rect class="{kind}"[^>]*height="([\d.]+)"', drawn)]
        for kind in ("adjusted", "what-if")
    }
    np.testing.assert_allclose(np.array(heights["adjusted"]), 2 * np.array(heights["what-if"]), atol=0.3)
    assert max(heights["adjusted"]) > 50
    assert re.findall(r'tick second"[^>]*>([^<]*)<', drawn)[0] == "0"


def test_the_numbers_in_the_cells_of_a_map_have_the_same_decimals() -> None:
    drawing = similarity_map(np.array([[1.0, 0.9, -0.254], [0.9, 1.0, 0.62], [-0.254, 0.62, 1.0]]), order=[0, 1, 2])
    assert re.findall(r'class="value [^>]*>([^<]*)<', drawing) == [".90", "\u2212.25", ".90", ".62", "\u2212.25", ".62"]


def test_every_measure_is_drawn_once() -> None:
    drawn = [measure for panel in PANELS for measure, _, _ in panel.lines]
    assert len(drawn) == len(set(drawn))


def test_labels_of_parallel_coordinates_have_the_room_between_two_axes() -> None:
    names = [f"run-{i}" for i in range(40)]
    columns = {
        f"a_setting_with_a_very_long_name_{k}": [f"value {i} of {k} in full" for i in range(40)] for k in range(14)
    }
    columns["diversity"] = ["none", "mmr"] * 20
    drawn = unescape(str(across(names, columns, "name")))  # type: ignore[arg-type]
    places = [float(x) for x in re.findall(r'<line class="zero" x1="([\d.]+)"', drawn)]
    gap = places[1] - places[0]
    labels = re.findall(r'<text class="tick over" [^>]*>([^<]*)<', drawn)
    assert {"none", "mmr"} <= set(labels)
    assert all(len(label) * 6 <= gap for label in labels)
    assert len(labels) == 14 * 2 + 2, "of forty values the first and the last"
    keys = re.findall(r'<text class="axis" [^>]*>([^<]*)<', drawn)
    assert all(len(key) * 6 <= 2 * gap for key in keys)


def test_shares_have_separators() -> None:
    assert percent(58.22) == "5,822.0 %"
