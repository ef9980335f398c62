"""The word tokenizer: small, exact on the task's texts, alike for plain and conversational prompts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from dra_toolkit.quickstart import STYLES, problems, render
from dra_toolkit.quickstart.base_model import LONGEST
from dra_toolkit.quickstart.tokenizer import build_tokenizer, vocabulary


@pytest.fixture(scope="module", params=["alone", "beside the model", "saved again"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """As a trainer gets it: beside a Qwen2 config transformers loads it as another class, which must not matter."""
    from transformers import AutoTokenizer, Qwen2Config

    folder: Path = tmp_path_factory.mktemp("tokenizer")
    build_tokenizer().save_pretrained(folder)
    if request.param != "alone":
        Qwen2Config().save_pretrained(folder)
    if request.param == "saved again":
        AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def completions() -> list[str]:
    rng = random.Random(0)
    return [
        render(problem, style, slip=slip, rng=rng)
        for problem in problems(0).train[:1000]
        for style in STYLES
        for slip in (False, True)
    ]


def test_the_vocabulary_is_small_and_has_no_doubles(tokenizer: Any) -> None:
    tokens = vocabulary()
    assert 100 <= len(tokens) <= 150
    assert len(set(tokens)) == len(tokens) == len(tokenizer)


def test_completions_survive_the_round_trip(tokenizer: Any, completions: list[str]) -> None:
    ids = tokenizer(completions)["input_ids"]
    assert ids == build_tokenizer()(completions)["input_ids"]
    assert tokenizer.batch_decode(ids) == completions
    assert tokenizer.batch_decode(ids, skip_special_tokens=True) == completions
    assert not any(tokenizer.unk_token_id in row for row in ids)


def test_completions_fit_into_what_is_sampled(tokenizer: Any, completions: list[str]) -> None:
    assert max(map(len, tokenizer(completions)["input_ids"])) < min(LONGEST, 56)


def test_prompts_survive_the_round_trip_and_join_with_completions(tokenizer: Any, completions: list[str]) -> None:
    for problem, completion in zip(problems(0).held_out, completions, strict=False):
        prompt = tokenizer(problem.prompt)["input_ids"]
        assert tokenizer.decode(prompt) == problem.prompt
        assert tokenizer(problem.prompt + completion)["input_ids"] == prompt + tokenizer(completion)["input_ids"]


def test_a_single_user_message_has_the_ids_of_the_plain_prompt(tokenizer: Any) -> None:
    prompt = problems(0).train[0].prompt
    messages = [{"role": "user", "content": prompt}]
    rendered = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert rendered == prompt
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert ids == tokenizer(prompt)["input_ids"]


def test_a_conversation_ends_each_answer(tokenizer: Any) -> None:
    messages = [
        {"role": "user", "content": "What is 47 + 38?"},
        {"role": "assistant", "content": "85"},
        {"role": "user", "content": "What is 11 + 12?"},
    ]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == "What is 47 + 38?\n85<eos>\nWhat is 11 + 12?"


def test_special_tokens_are_set_and_never_added(tokenizer: Any) -> None:
    special = (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.unk_token_id)
    assert special == (0, 1, 2, 3)
    assert not set(special) & set(tokenizer("What is 47 + 38?")["input_ids"])


def test_numbers_are_single_digits(tokenizer: Any) -> None:
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("What is 47 + 38?")["input_ids"])
    assert tokens == ["What", " is", " 4", "7", " +", " 3", "8", "?"]


@pytest.mark.parametrize("text", ["zebra", "  What\t is", "\n\n", "\x00 é 数", "<think", "38" * 5000])
def test_other_texts_do_no_harm(tokenizer: Any, text: str) -> None:
    assert all(0 <= n < len(tokenizer) for n in tokenizer(text)["input_ids"])
