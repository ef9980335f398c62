"""What the Prompt page is told of one prompt through training."""

from __future__ import annotations

import pytest
from group_app import make_groups_run

from dra_app.pages import prompt, spread
from dra_app.pages.prompt import list_prompts, near_pairs
from dra_toolkit.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_groups_run(tmp_path_factory.mktemp("root") / "r")


def test_prompts_are_listed_with_how_often_they_were_sampled(run: Run) -> None:
    rows = list_prompts(run)
    assert [(row["groups"], row["first"], row["last"]) for row in rows] == [(4, 1, 4)] * 3
    assert {row["prompt"] for row in rows} >= {"prompt 2"}


def test_the_pairs_are_the_completions_most_alike_the_least_alike_first(run: Run) -> None:
    pairs = near_pairs(run.group(1, 0), run.group(3, 0))
    assert [pair.similarity for pair in pairs] == sorted(pair.similarity for pair in pairs)
    changed = next(pair for pair in pairs if pair.later == 2)
    assert changed.earlier == 2
    assert [p.text for p in changed.differences.stretches if p.kind != "both"] == ["1", "3"]
    assert len(pairs) == 3  # of two equal texts one


def test_places_are_spread_from_the_first_to_the_last() -> None:
    assert spread(range(3), 12) == [0, 1, 2]
    assert spread(range(100), 5) == [0, 25, 50, 74, 99]


def test_a_prompt_is_found_by_words_of_it_and_shown_with_its_curves(run: Run) -> None:
    answer = prompt.show(run, {"find": "for positive"})
    assert answer["state"]["between"] == "0,3"
    assert answer["parts"]["prompt"].count("<figure") >= 4
    thumbs = prompt.thumbnails(run, {"prompt": answer["state"]["prompt"]})["parts"]["thumbs"]
    assert thumbs.count("dra-thumb-box") == 4


def test_without_a_prompt_there_are_some_to_choose_from_and_hostile_ones_are_text(run: Run) -> None:
    said = prompt.show(run, {})["parts"]["prompt"]
    assert said.count("data-prompt=") == 3
    assert "<img" not in said


def test_an_unknown_prompt_is_named(run: Run) -> None:
    assert "0" * 16 in prompt.show(run, {"prompt": "0" * 16})["error"]
