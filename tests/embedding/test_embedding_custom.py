from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dra_toolkit.embedding import Embedder, EmbedderSettings, load_embedder
from dra_toolkit.errors import EmbedderError

MODULE = """
import numpy as np
import torch

calls = []

def lengths(texts):
    calls.append(list(texts))
    return [[len(text), 1.0] for text in texts]

def tensors(texts):
    return torch.ones(len(texts), 3, dtype=torch.bfloat16, requires_grad=True)

def holes(texts):
    return np.array([[np.nan, 1.0], [0.0, 0.0], [1e300, 0.0]])

def flat(texts):
    return np.zeros(len(texts))

def words(texts):
    return [["a"] for _ in texts]

def fails(texts):
    return 1 / 0

constant = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"own_embedders_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def load(name: str) -> Embedder:
    return load_embedder(EmbedderSettings(name=name))


def test_rows_are_normalised_and_duplicates_asked_once(module: str) -> None:
    embeddings = load(f"{module}.lengths").embed(["abc", "", "abc"])
    np.testing.assert_allclose(embeddings.vectors, [[3, 1] / np.sqrt(10), [0, 1], [3, 1] / np.sqrt(10)], rtol=1e-6)
    assert __import__(module).calls == [["abc", ""]]


def test_tensors_are_taken(module: str) -> None:
    np.testing.assert_allclose(load(f"{module}.tensors").embed(["a"]).vectors, np.full((1, 3), 3**-0.5), rtol=1e-6)


def test_rows_without_a_finite_direction_are_counted(module: str) -> None:
    embeddings = load(f"{module}.holes").embed(["a", "b", "c"])
    assert embeddings.vectors.tolist() == [[0, 0], [0, 0], [1, 0]]
    assert embeddings.invalid == 2


@pytest.mark.parametrize(("function", "said"), [("flat", r"the shape \(2,\)"), ("words", "returned list")])
def test_anything_but_rows_of_numbers_is_refused(module: str, function: str, said: str) -> None:
    with pytest.raises(EmbedderError, match=said):
        load(f"{module}.{function}").embed(["a", "b"])


@pytest.mark.parametrize(
    ("attribute", "said"),
    [("length", "did you mean 'lengths'"), ("constant", "holds a int there"), ("x.y", "no module")],
)
def test_a_wrong_path_is_said_in_one_line(module: str, attribute: str, said: str) -> None:
    with pytest.raises(EmbedderError, match=said) as error:
        load(f"{module}.{attribute}")
    assert "\n" not in str(error.value)


def test_what_the_function_raises_is_one_line_with_its_place(module: str) -> None:
    with pytest.raises(EmbedderError, match=r"raised ZeroDivisionError: division by zero \(own_.*\.py:\d+\)") as error:
        load(f"{module}.fails").embed(["a"])
    assert "\n" not in str(error.value)
