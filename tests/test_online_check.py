"""tools/online_check.py on local stand-ins: what agrees is said, and so is what does not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from writable_hub import writable_hub

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import online_check

pytestmark = pytest.mark.slow


@pytest.fixture
def hub(monkeypatch):
    """A Hub that takes pushes and gives them back."""
    from huggingface_hub import constants

    monkeypatch.setenv("HF_TOKEN", "hf_x")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with writable_hub() as state:
        monkeypatch.setattr(constants, "ENDPOINT", state.address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", state.address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield state


def test_a_login_that_may_write_agrees_and_one_that_may_read_does_not(hub):
    assert list(online_check.login()) == []
    hub.role = "read"
    assert "may only read" in next(online_check.login())


def test_what_is_pushed_comes_back(hub):
    assert list(online_check.push("check")) == []
    assert hub.branches["step-00001"]["save.bin"] == b"weights of step 1"


def test_what_comes_back_as_something_else_differs(hub, capsys):
    hub.refuse = lambda method, path: (
        hub.branches.get("step-00001", {}).update({"save.bin": b"x"}) if "resolve" in path else None
    )
    assert not online_check.report("push", lambda: online_check.push("check"))
    assert "came back as something else" in capsys.readouterr().out


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    """A sentence encoder with random weights."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "ones", "tens", "carry", "1"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)).save_pretrained(folder / "inner")
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder / "inner")
    modules = [Transformer(str(folder / "inner"), max_seq_length=64), Pooling(32)]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / "whole"))
    return folder / "whole"


def test_vectors_are_compared_with_those_of_sentence_transformers(encoder, monkeypatch):
    assert list(online_check.embedders([str(encoder)])) == []
    monkeypatch.setattr(online_check, "COSINE", 1.5)
    assert "smallest cosine with the publishers' vectors" in next(online_check.embedders([str(encoder)]))


def test_columns_and_sizes_of_a_benchmark_are_those_declared(tmp_path, monkeypatch):
    from dra_toolkit.evaluation.benchmarks import registry

    folder = tmp_path / "sums"
    folder.mkdir()
    (folder / "test.jsonl").write_text(json.dumps({"problem": "1 + 1?", "answer": "2"}) + "\n")
    declared = registry.Benchmark(name="sums", source=str(folder), size=1)
    monkeypatch.setitem(registry.REGISTRY, "sums", declared)
    assert list(online_check.benchmarks(["sums"])) == []
    monkeypatch.setitem(
        registry.REGISTRY, "sums", registry.Benchmark(name="sums", source=str(folder), size=2, answer_column="x")
    )
    columns, size = online_check.benchmarks(["sums"])
    assert (columns, size) == ("sums: no column x; it has problem, answer", "sums: 1 problems, expected 2")


def test_an_evaluation_that_fails_is_its_last_line(tmp_path):
    (line,) = online_check.evaluation(str(tmp_path), None, "quickstart", 2)
    assert str(tmp_path) in line
