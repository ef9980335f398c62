"""Rewards by name and by dotted path, their parameters, and what the package costs to import."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from dra_toolkit.errors import RecipeError
from dra_toolkit.rewards import REWARDS, build_rewards, check_reward_name, reward_parameters

USER_MODULE = """
import functools

def mine(prompts, completions, completion_ids, **columns):
    return [float(len(text)) for text in completions]

def accuracy(**columns):
    return []

class Scorer:
    def __call__(self, **columns):
        return []

scorer = Scorer()
also_mine = mine
number = 3
"""


@pytest.fixture
def user_modules(tmp_path, monkeypatch):
    """A working directory with a user's modules, not on sys.path."""
    (tmp_path / "reward_of_mine.py").write_text(USER_MODULE)
    (tmp_path / "broken_reward.py").write_text("import package_that_is_not_there\n")
    (tmp_path / "wrong_reward.py").write_text("def f(:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    yield tmp_path
    for name in ("reward_of_mine", "broken_reward", "wrong_reward"):
        sys.modules.pop(name, None)


def test_names_are_the_functions_own_and_so_the_columns():
    rewards = build_rewards(list(REWARDS), {})
    assert [reward.__name__ for reward in rewards] == list(REWARDS)


def test_factories_take_keyword_parameters_with_defaults_only():
    for factory in REWARDS.values():
        for parameter in inspect.signature(factory).parameters.values():
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
            assert parameter.default is not inspect.Parameter.empty


def test_reward_parameters_are_those_of_the_factories():
    found = {key: (info.name, info.annotation, info.default) for key, info in reward_parameters().items()}
    assert found["cosine_max_length"] == ("max_length", int, 3584)
    assert found["cosine_wrong_short"] == ("wrong_short", float, -0.5)
    assert found["cosine_as_released_max_len"] == ("max_len", int, 1000)
    assert found["repetition_penalty_ngram_size"] == ("ngram_size", int, 3)
    assert len(found) == 6 + 1 + 1 + 2 + 1 + 1
    assert all(isinstance(default, annotation) for _, annotation, default in found.values())


def test_parameters_reach_their_reward_and_no_other(score):
    parameters = {"reasoning_steps_steps": 1, "cosine_max_length": 7}
    assert score("reasoning_steps", ["Step 1: a"], parameters=parameters) == [1.0]


def test_a_dotted_path_is_used_as_it_is(user_modules):
    mine, plain = build_rewards(["reward_of_mine.mine", "format"], {})
    assert mine is sys.modules["reward_of_mine"].mine
    assert mine(prompts=["q"], completions=["abc"], completion_ids=[[1]]) == [3.0]
    assert plain.__name__ == "format"


def test_a_callable_object_is_a_reward(user_modules):
    assert callable(build_rewards(["reward_of_mine.scorer"], {})[0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cosin", "did you mean 'cosine'?"),
        ("Accuracy", "did you mean 'accuracy'?"),
        ("repetition", "expected one of accuracy, format, tag_count"),
        ("", "expected one of accuracy"),
        ("reward_of_mine..mine", "expected a dotted path"),
        (".mine", "expected a dotted path"),
        ("not_there_at_all.f", "no package or module 'not_there_at_all'"),
        ("reward_of_mine.mien", "has nothing of this name, expected a function; did you mean 'mine'?"),
        ("reward_of_mine.number", "holds a int there, expected a function"),
        ("reward_of_mine.deeper.f", "there is no module 'reward_of_mine.deeper'"),
        ("broken_reward.f", "ModuleNotFoundError: No module named 'package_that_is_not_there'"),
        ("wrong_reward.f", "failed with SyntaxError"),
    ],
)
def test_a_name_that_cannot_be_used_is_one_line(user_modules, name, expected):
    with pytest.raises(RecipeError) as caught:
        build_rewards([name], {})
    (problem,) = caught.value.problems
    assert expected in problem
    assert problem.startswith(f"reward_funcs: found '{name}'")
    assert "\n" not in problem


def test_all_problems_at_once():
    with pytest.raises(RecipeError) as caught:
        build_rewards(["cosin", "formatt"], {"cosine_max_lenght": 3})
    assert [problem.partition("; did you mean ")[2] for problem in caught.value.problems] == [
        "'cosine'?",
        "'format'?",
        "'cosine_max_length'?",
    ]


@pytest.mark.parametrize(
    "names",
    [
        ["format", "format"],
        ["accuracy", "reward_of_mine.accuracy"],
        ["reward_of_mine.mine", "reward_of_mine.also_mine"],
    ],
)
def test_two_functions_of_one_name_are_refused(user_modules, names):
    with pytest.raises(RecipeError, match="are both functions named"):
        build_rewards(names, {})


def test_check_reward_name_imports_nothing_of_the_users(user_modules):
    (user_modules / "loud.py").write_text("raise SystemExit('imported')\n\n\ndef f(): ...\n")
    assert check_reward_name("loud.f") is None
    assert check_reward_name("reward_of_mine.mine") is None
    assert "loud" not in sys.modules
    assert all(check_reward_name(name) is None for name in REWARDS)


def test_the_package_imports_nothing_heavy():
    code = (
        "import sys, dra_toolkit.rewards as r; r.build_rewards(list(r.REWARDS), {}); "
        "print(*sorted({'torch', 'sympy', 'math_verify', 'pebble', 'multiprocessing', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
