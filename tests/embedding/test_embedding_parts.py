"""Which part of a completion is embedded."""

from __future__ import annotations

import numpy as np
import pytest

from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.embedding.composed import split
from dra_toolkit.errors import EmbedderError


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<think>a</think> b", "<think>a</think>", " b"),
        ("a</think>b</think>c", "a</think>b</think>", "c"),
        ("a <answer>b</answer>", "a ", "<answer>b</answer>"),
        (r"one \boxed{1} two \boxed{2} end", r"one \boxed{1} two ", r"\boxed{2} end"),
        (r"\boxed{1}</think>", r"\boxed{1}</think>", ""),
        ("nothing to see", "nothing to see", ""),
        ("", "", ""),
    ],
)
def test_reasoning_and_answer(text, reasoning, answer):
    assert split(text) == (reasoning, answer)
    assert "".join(split(text)) == text


TEXTS = [
    r"first the ones then the tens</think> \boxed{85}",
    r"round up and give back</think> \boxed{85}",
    r"first the ones then the tens</think> \boxed{86}",
    "no end in sight",
]


def similarity(*parts: str) -> np.ndarray:
    E = load_embedder(EmbedderSettings(name="hash", parts=parts)).embed(TEXTS).vectors
    np.testing.assert_allclose(np.linalg.norm(E, axis=1), 1, atol=1e-6)
    return E @ E.T


def test_only_the_part_counts():
    assert similarity("answer")[0, 1] == pytest.approx(1)
    assert similarity("reasoning")[0, 2] == pytest.approx(1)
    assert similarity("reasoning")[0, 1] < 0.5


def test_several_parts_are_the_mean_of_their_similarities():
    both = similarity("answer", "reasoning")
    np.testing.assert_allclose(both, (similarity("answer") + similarity("reasoning")) / 2, atol=1e-6)


def test_completions_without_a_part_are_duplicates_in_it():
    E = load_embedder(EmbedderSettings(name="hash", parts=("answer",))).embed(["a b", "c d", r"e \boxed{1}"]).vectors
    np.testing.assert_allclose((E @ E.T)[0], [1, 1, 0], atol=1e-6)


def test_whole_completions_are_embedded_as_before():
    plain = load_embedder(EmbedderSettings(name="hash"))
    assert type(plain).__name__ == "HashEmbedder"


def test_the_policys_states_are_those_of_whole_completions():
    with pytest.raises(EmbedderError, match="embed_part: completion"):
        load_embedder(EmbedderSettings(name="policy", parts=("answer",)), policy=lambda: None)
