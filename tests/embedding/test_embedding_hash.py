from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dra_toolkit.embedding import EmbedderSettings, Embeddings, load_embedder

HASH = load_embedder(EmbedderSettings(name="hash"))


def cosines(texts: list[str]) -> np.ndarray:
    vectors = HASH.embed(texts).vectors
    return vectors @ vectors.T


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12+3=15", "12 + 3 = 15"),
        ("The Cat\n sat", "the cat  sat"),
        (r"\frac{1}{2}", r"\frac { 1 } { 2 }"),
        ("", " \n\t"),
    ],
)
def test_case_and_spacing_make_no_difference(one: str, other: str) -> None:
    np.testing.assert_allclose(cosines([one, other]), 1.0, rtol=1e-6)


def test_empty_texts_are_duplicates_and_like_nothing_else() -> None:
    words = [f"word{i}" for i in range(300)]
    similarity = cosines(["", "", "a", " ".join(words), *words])
    assert similarity[0, 1] == pytest.approx(1.0)
    assert (similarity[0, 2:] == 0).all()


def test_similarity_by_hand() -> None:
    # "a b" and "a c" have the features {a, b, ab} and {a, c, ac}: one of three shared.
    assert cosines(["alpha beta", "alpha gamma"])[0, 1] == pytest.approx(1 / 3, abs=1e-6)
    # The order of words only shows in the pairs: 2 of 3 features shared.
    assert cosines(["alpha beta", "beta alpha"])[0, 1] == pytest.approx(2 / 3, abs=1e-6)
    # Repetition counts: (2, 1) against (1, 0) for {a, aa}.
    assert cosines(["a a", "a"])[0, 1] == pytest.approx(2 / np.sqrt(5), abs=1e-6)


def test_numbers_are_whole_words() -> None:
    assert cosines(["12", "21"])[0, 1] == 0
    assert cosines(["1 2", "12"])[0, 1] == 0


def test_long_unrelated_texts_are_not_made_similar_by_collisions() -> None:
    texts = [" ".join(f"w{text}x{i}" for i in range(2000)) for text in range(8)]
    off_diagonal = cosines(texts)[np.triu_indices(8, 1)]
    assert abs(off_diagonal.mean()) < 0.02
    assert np.abs(off_diagonal).max() < 0.1


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_rows_are_units_and_nothing_is_invalid(texts: list[str]) -> None:
    embeddings = HASH.embed(texts)
    np.testing.assert_allclose(np.linalg.norm(embeddings.vectors, axis=1), 1.0, rtol=1e-5)
    assert (embeddings.truncated, embeddings.invalid) == (0, 0)


@given(st.text(), st.lists(st.text(), max_size=3))
def test_a_text_does_not_depend_on_its_batch(text: str, others: list[str]) -> None:
    alone = HASH.embed([text]).vectors[0]
    assert (HASH.embed([*others, text]).vectors[-1] == alone).all()


def test_equal_in_every_process() -> None:
    program = (
        "import hashlib; from dra_toolkit.embedding import *;"
        "v = load_embedder(EmbedderSettings(name='hash')).embed(['What is 47 + 38?', 'Größe']).vectors;"
        "print(hashlib.sha256(v.tobytes()).hexdigest())"
    )
    digests = {digest(HASH.embed(["What is 47 + 38?", "Größe"]))}
    for seed in ("1", "2"):
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True)
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    # The indices are part of what a run records: they must not drift with a new version.
    assert np.flatnonzero(HASH.embed(["cat"]).vectors[0]).tolist() == [1148]


def digest(embeddings: Embeddings) -> str:
    return hashlib.sha256(embeddings.vectors.tobytes()).hexdigest()


def test_no_texts() -> None:
    assert HASH.embed([]).vectors.shape == (0, 4096)
