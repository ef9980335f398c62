"""Prompts as the policy reads them: the chat template applied once, the too long ones left out and counted."""

from __future__ import annotations

import json

import pytest
import tiny
from test_data import SETTINGS, TURNS, as_recipe
from transformers import AutoTokenizer

from dra_toolkit.embedding import EmbedderSettings
from dra_toolkit.errors import RecipeError
from dra_toolkit.training.data import training_splits
from dra_toolkit.training.trainer import DRATrainer

TEMPLATE = (
    "{% for message in messages %}<bos>{{ message['role'] }}\n{{ message['content'] }}<eos>{% endfor %}"
    "{% if add_generation_prompt %}<bos>assistant\n{% endif %}"
)
STRICT = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + TEMPLATE
)
OWN = [{"role": "system", "content": "jump"}, {"role": "user", "content": "tens"}]


@pytest.fixture
def tokenizer(policy):
    tokenizer = AutoTokenizer.from_pretrained(policy)
    tokenizer.chat_template = TEMPLATE
    return tokenizer


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def load(tokenizer, tmp_path):
    def load(*prompts, **changes):
        path = tmp_path / "data.jsonl"
        path.write_text("".join(json.dumps({"problem": prompt, "answer": "1"}) + "\n" for prompt in prompts))
        told: list[str] = []
        recipe = {**SETTINGS, "dataset_name": str(path), "system_prompt": None, **changes}
        return training_splits(as_recipe(recipe), tokenizer, told.append)[0], told

    return load


@pytest.mark.parametrize(
    ("system_prompt", "prompt", "rendered"),
    [
        ("ones", "tens carry", "<bos>system\nones<eos><bos>user\ntens carry<eos><bos>assistant\n"),
        (None, "tens carry", "<bos>user\ntens carry<eos><bos>assistant\n"),
        (
            "ones",
            [*TURNS[:2], {"role": "user", "content": "tens"}],
            "<bos>system\nones<eos><bos>user\na<eos><bos>assistant\nb<eos><bos>user\ntens<eos><bos>assistant\n",
        ),
        ("ones", OWN, "<bos>system\njump<eos><bos>user\ntens<eos><bos>assistant\n"),
    ],
)
def test_the_trainer_applies_the_chat_template_once(tokenizer, policy, load, tmp_path, system_prompt, prompt, rendered):
    """The ids that generation starts from, taken from a step of the real trainer."""
    train, _ = load(*[prompt] * 8, system_prompt=system_prompt)
    trainer = DRATrainer(
        model=str(policy),
        reward_funcs=[tiny.letters],
        args=tiny.grpo_config(tmp_path, max_steps=1),
        train_dataset=train,
        processing_class=tokenizer,
        embedder=EmbedderSettings(name="hash"),
    )
    seen = []
    generate = trainer._generate_and_score_completions

    def watched(inputs):
        output = generate(inputs)
        pairs = zip(output["prompt_ids"], output["prompt_mask"], strict=True)
        seen.extend(ids[mask.bool()].tolist() for ids, mask in pairs)
        return output

    trainer._generate_and_score_completions = watched
    trainer.train()

    messages = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
    if system_prompt and prompt is not OWN:
        messages = [{"role": "system", "content": system_prompt}, *messages]
    once = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert seen == [once] * 8
    assert once == tokenizer.encode(rendered, add_special_tokens=False)
    assert once.count(tokenizer.bos_token_id) == rendered.count("<bos>")


class TestLength:
    def test_is_counted_with_the_template_and_the_limit_itself_fits(self, load, tokenizer):
        prompts = ["1", "1 1", "1 1 1", "1 1 1 1"]
        tokens = [
            len(tokenizer.encode(f"<bos>user\n{prompt}<eos><bos>assistant\n", add_special_tokens=False))
            for prompt in prompts
        ]
        assert tokens == sorted(set(tokens))
        kept, told = load(*prompts, max_prompt_length=tokens[1])
        assert [row[-1]["content"] for row in kept["prompt"]] == prompts[:2]
        (line,) = told
        assert line.startswith("max_prompt_length: 2 of 4 prompts of ")
        assert line.endswith(f"data.jsonl are longer than {tokens[1]} tokens and left out")
        kept, told = load(*prompts, max_prompt_length=tokens[3])
        assert (len(kept), told) == (4, [])

    def test_counts_the_system_prompt_too(self, load):
        assert len(load("1", max_prompt_length=12)[0]) == 1
        with pytest.raises(RecipeError, match=r"all 1 prompts of .* are longer than 12 tokens, the shortest has"):
            load("1", max_prompt_length=12, system_prompt="ones tens carry ones tens carry")

    def test_without_a_limit_all_stay(self, load):
        kept, told = load("1", "1 " * 200)
        assert (len(kept), told) == (2, [])

    def test_template_arguments_of_the_recipe_count(self, load, tokenizer):
        tokenizer.chat_template = TEMPLATE + "{% if thinking %}ones tens carry ones tens carry{% endif %}"
        for arguments in ({"thinking": True}, '{"thinking": true}'):
            with pytest.raises(RecipeError, match="are longer than 12 tokens"):
                load("1", max_prompt_length=12, chat_template_kwargs=arguments)
        with pytest.raises(RecipeError, match="chat_template_kwargs: found 'x', expected a mapping"):
            load("1", chat_template_kwargs="x")


def test_prompts_rendered_beforehand_are_told(load):
    rendered = "<bos>user\ntens<eos><bos>assistant\n"
    _, (line,) = load("tens", rendered, rendered, [{"role": "user", "content": rendered}])
    assert line.startswith("prompt_column: 3 of 4 prompts of ")
    assert " contain special tokens of the tokenizer (<" in line
    assert "<bos>" in line


def test_a_template_that_refuses_the_conversation_is_one_line(load, tokenizer):
    tokenizer.chat_template = STRICT
    assert len(load("tens")[0]) == 1
    with pytest.raises(RecipeError, match=r"the chat template refuses prompts of .* \(System role not supported\)"):
        load("tens", system_prompt="ones")
