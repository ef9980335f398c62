"""The card says what was trained, and what a recipe says cannot leave the place where it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from dra_toolkit.recipe import load_recipe
from dra_toolkit.training.model_card import model_card

RECIPE = """
model_name_or_path: org/policy
model_revision: abc123
dataset_name: [org/sums, org/products]
dataset_weights: [0.75, 0.25]
reward_funcs: [accuracy, cosine]
reward_weights: [1.0, 2.0]
cosine_max_length: 512
diversity: graph_cut
similarity_floor: 0.1
embedder: minilm
loss_type: dr_grpo
scale_rewards: none
num_generations: 4
per_device_train_batch_size: 8
max_steps: 500
"""
HOSTILE = """
system_prompt: |
  ```
  # A heading of its own
  <script>alert(1)</script> [click](https://evil.example)
  ---
  base_model: evil/model
  ---
  ````` \u202e
"""
SECTIONS = ["Diversity", "Rewards", "Training", "Use", "Recipe", "Versions"]


@pytest.fixture
def card_of(tmp_path):
    """Return the card of a recipe with this text, in a folder of this name."""

    def card_of(text: str = RECIPE, *overrides: str, name: str = "run", **facts) -> str:
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        recipe = load_recipe(path, [f"output_dir={tmp_path / name}", *overrides])
        return model_card(recipe, text=text, step=120, **facts)

    return card_of


def parsed(card: str):
    """Return what a Markdown reader makes of a card: its headings, links, and code blocks, and other kinds of content."""
    tokens = MarkdownIt("commonmark", {"html": True}).parse(ModelCard(card).text)
    inline = [child for token in tokens for child in token.children or []]
    headings = [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"]
    links = [child.attrs["href"] for child in inline if child.type == "link_open"]
    blocks = [token.content for token in tokens if token.type == "fence"]
    return headings, links, blocks, {token.type for token in [*tokens, *inline]}


def test_it_states_recipe_base_model_data_diversity_and_links(card_of):
    card = card_of(repo="ada/sums", links=["https://wandb.ai/ada/sums/runs/1"], tags=["trl"])
    facts = ModelCard(card).data
    assert facts.base_model == "org/policy"
    assert facts.datasets == ["org/sums", "org/products"]
    assert {"dra-grpo", "arxiv:2505.09655"} <= set(facts.tags)
    headings, links, blocks, _ = parsed(card)
    assert headings == ["run", *SECTIONS]
    assert set(links) >= {
        *("https://arxiv.org/abs/2505.09655", "https://huggingface.co/org/policy"),
        *("https://huggingface.co/datasets/org/sums", "https://wandb.ai/ada/sums/runs/1"),
    }
    assert 'model="ada/sums"' in blocks[0]
    assert "diversity: graph_cut" in blocks[-1]
    for line in (
        "- Method: DRA-Dr. GRPO",
        "revision `abc123`",
        "(share 0.75)",
        "- Steps: 120, with groups of 4 completions",
        "- diversity: `graph_cut`",
        "- similarity_floor: `0.1`",
        "- embedder: `minilm`",
        "- `cosine`, weight 2",
        "- cosine_max_length: `512`",
    ):
        assert line in card


def test_a_run_without_adjustment_is_not_called_diversity_aware(card_of):
    assert "- Method: Dr. GRPO (" in card_of(RECIPE, "diversity=none")


def test_what_the_command_line_replaced_is_listed(card_of):
    assert "- `max_steps=7`" in card_of(RECIPE, "max_steps=7")


def test_a_hostile_recipe_can_neither_end_its_block_nor_reach_the_header(card_of):
    card = card_of(RECIPE + HOSTILE, "project=`a` <b>x</b> [y](https://evil.example)", name="# [x](https://evil) `<i>`")
    assert ModelCard(card).data.base_model == "org/policy"
    headings, links, blocks, kinds = parsed(card)
    assert headings[1:] == SECTIONS
    assert "\u202e" not in card
    assert not any("evil" in link for link in links)
    assert not kinds & {"html_block", "html_inline", "image"}
    assert "A heading of its own" in blocks[-1]


def test_a_hostile_link_or_tag_is_left_out_or_made_literal(card_of):
    card = card_of(links=["javascript:alert(1)", "https://x.example/> <script>"], tags=["a\nbase_model: evil/model"])
    assert ModelCard(card).data.base_model == "org/policy"
    assert not any("javascript" in link or "x.example" in link for link in parsed(card)[1])


def test_paths_of_this_machine_are_cut_to_their_last_part(card_of, tmp_path):
    secret = tmp_path / "secret-project"
    (secret / "policy").mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (secret / "policy" / name).write_text("{}")
    (secret / "data.jsonl").write_text("{}\n")
    text = RECIPE.replace("org/policy", str(secret / "policy")).replace("[org/sums, org/products]", "{data}")
    text = text.replace("{data}", str(secret / "data.jsonl")).replace("dataset_weights: [0.75, 0.25]\n", "")
    card = card_of(text, f"run_name={secret}/x")
    assert "secret-project" not in card
    assert str(Path.home()) not in card
    assert ModelCard(card).data.base_model is None
    assert "- Base model: `policy`" in card
    assert "- Data: `data.jsonl`" in card
