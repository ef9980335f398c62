"""Problems, derivations and what the checker says of them."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import processor_time
from ways_analysis import Analysis, analyse, equations

from dra_toolkit.quickstart import (
    KEY_PHRASES,
    STYLES,
    Problem,
    accepts,
    distinct_correct_styles,
    effective_styles,
    problems,
    render,
    style_of,
    well_formed_answer,
)

numbers = st.integers(11, 89)
a_problem = st.builds(Problem, numbers, numbers)
a_style = st.sampled_from(STYLES)
GOOD = "<think> 40 + 2 = 42 </think> \\boxed{42}"


@given(a_problem, a_style)
def test_without_a_slip_everything_is_right(problem: Problem, style: str) -> None:
    assert analyse(render(problem, style), problem.a, problem.b) == Analysis(
        well_formed=True, correct=True, style=style, equations_hold=True
    )


@given(a_problem, a_style, st.randoms(use_true_random=False))
def test_a_slip_makes_one_equation_false_and_the_answer_wrong(problem: Problem, style: str, rng: random.Random) -> None:
    text = render(problem, style, slip=True, rng=rng)
    assert analyse(text, problem.a, problem.b) == Analysis(
        well_formed=True, correct=False, style=style, equations_hold=False
    )
    assert [holds for _, holds in equations(text)].count(False) == 1
    answer = well_formed_answer(text)
    assert answer is not None
    assert abs(int(answer) - problem.a - problem.b) in (1, 10)


def test_render_by_hand() -> None:
    assert render(Problem(47, 38), "column") == (
        "<think> Ones column: 7 + 8 = 15, write 5, carry 1. Tens column: 4 + 3 + 1 = 8, write 8. </think> \\boxed{85}"
    )
    assert render(Problem(47, 38), "round") == (
        "<think> Round up: 38 + 2 = 40. Easy sum 47 + 40 = 87. Give back the extra 2: 87 - 2 = 85. </think> \\boxed{85}"
    )


def test_slips_are_drawn_from_the_generator() -> None:
    texts = {render(Problem(47, 38), "jump", slip=True, rng=random.Random(seed)) for seed in range(60)}
    assert len(texts) == 8  # two steps, four slips
    once, again = (render(Problem(47, 38), "split", slip=True, rng=random.Random(3)) for _ in range(2))
    assert once == again


def test_render_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="did you mean 'column'"):
        render(Problem(47, 38), "colum")
    with pytest.raises(ValueError, match=r"random\.Random"):
        render(Problem(47, 38), "column", slip=True)


def test_problems_are_distinct_and_no_held_out_twin_is_trained_on() -> None:
    drawn = problems(0)
    assert (len(drawn.train), len(drawn.held_out)) == (4250, 750)
    both = drawn.train + drawn.held_out
    assert len(set(both)) == 5000
    assert all(11 <= n <= 89 for problem in both for n in (problem.a, problem.b))
    trained = {frozenset((problem.a, problem.b)) for problem in drawn.train}
    assert not any(frozenset((problem.a, problem.b)) in trained for problem in drawn.held_out)


def test_problems_follow_the_seed() -> None:
    assert problems(3) == problems(3)
    assert problems(3) != problems(4)
    assert all(len(problems(seed).held_out) == 750 for seed in range(5))


@given(a_problem)
def test_a_prompt_is_read_back(problem: Problem) -> None:
    assert Problem.from_prompt(problem.prompt) == problem


@pytest.mark.parametrize("text", ["", "What is 4 + 38?", "What is 47 + 38? What is 11 + 12?"])
def test_other_prompts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected one question"):
        Problem.from_prompt(text)


def test_the_hidden_method_accepts_half_and_always_the_same() -> None:
    verdicts = {(problem, style): accepts(problem, style) for problem in problems(0).train for style in STYLES}
    assert 0.48 < sum(verdicts.values()) / len(verdicts) < 0.52
    for style in STYLES:
        of_style = [verdict for (_, named), verdict in verdicts.items() if named == style]
        assert 0.46 < sum(of_style) / len(of_style) < 0.54
    # Pinned: other machines and later versions must agree on what is accepted.
    pinned = "".join(str(int(accepts(Problem(47, 38), style))) for style in STYLES)
    assert pinned == "01010"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\\boxed{42}",
        "<think> </think> \\boxed{42}",
        "40 + 2 = 42 </think> \\boxed{42}",
        "<think> 40 + 2 = 42 \\boxed{42}",
        GOOD + " and more",
        "So " + GOOD,
        GOOD + GOOD,
        GOOD + " \\boxed{42}",
        "<think> \\boxed{41} </think> \\boxed{42}",
        "<think> <think> x </think> \\boxed{42}",
        "<think> x </think> </think> \\boxed{42}",
        "<think> x </think> \\boxed{forty}",
        "<think> x </think> \\boxed{-42}",
        "<think> x </think> \\boxed{٤٢}",
        "<think> x </think> \\boxed{}",
        "<think> x </think> \\boxed{" + "4" * 10_000 + "}",
    ],
)
def test_other_forms_are_not_well_formed(text: str) -> None:
    assert well_formed_answer(text) is None


def test_space_around_a_completion_does_not_matter() -> None:
    assert well_formed_answer(f"\n {GOOD}\n") == "42"


def test_correct_is_judged_apart_from_form_by_the_last_box() -> None:
    loose = analyse("it is \\boxed{41} no \\boxed{42}", 31, 11)
    assert (loose.well_formed, loose.correct) == (False, True)
    assert not analyse("it is \\boxed{42} no \\boxed{41}", 31, 11).correct


def test_equations_by_hand() -> None:
    assert list(equations("4 + 3 + 1 = 8, 9 - 2 = 6. and 87 - 2 + 1 = 86")) == [
        ("4 + 3 + 1 = 8", True),
        ("9 - 2 = 6", False),
        ("87 - 2 + 1 = 86", True),
    ]
    assert list(equations("12345 + 1 + 1 = 2; 1 + 1 = 22222; + = ; 3 = 3")) == []
    assert not analyse("no equation \\boxed{42}", 31, 11).equations_hold


def test_a_text_with_two_key_phrases_has_no_style() -> None:
    assert style_of(f"{KEY_PHRASES['jump']} {KEY_PHRASES['round']}") is None
    assert style_of("nothing of the kind") is None


@given(st.text())
def test_any_text_can_be_analysed(text: str) -> None:
    assert not analyse(text, 31, 11).well_formed or text.strip().startswith("<think>")


@pytest.mark.parametrize("piece", ["1 + ", "<think>", "</think>", "\\boxed{", "1", "\\boxed{1}", "= ", "Jump along"])
def test_huge_texts_take_linear_time(piece: str) -> None:
    with processor_time(at_most=2):
        analyse(piece * 200_000, 31, 11)


def test_distinct_correct_styles_counts_each_right_way_once() -> None:
    problem = Problem(47, 38)
    group = [
        render(problem, "column"),
        render(problem, "column"),
        render(problem, "jump"),
        render(problem, "split", slip=True, rng=random.Random(0)),
        "<think> unknown way </think> \\boxed{85}",
        "Round up \\boxed{85}",
    ]
    assert distinct_correct_styles(group, problem.prompt) == 2
    assert distinct_correct_styles([], problem.prompt) == 0


def test_effective_styles_by_hand() -> None:
    texts = [render(Problem(47, 38), style) for style in STYLES]
    assert effective_styles(texts) == pytest.approx(5)
    assert effective_styles(texts[:1] * 7) == pytest.approx(1)
    # Shares 3/4 and 1/4.
    assert effective_styles([texts[0]] * 3 + [texts[1], "no style"]) == pytest.approx(
        math.exp(0.75 * math.log(4 / 3) + 0.25 * math.log(4))
    )
    assert effective_styles(["no style"]) == 0.0
