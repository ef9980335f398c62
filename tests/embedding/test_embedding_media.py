"""Models of several media are refused: sentence-transformers would fetch a completion that looks like an address."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_encoders import WORDS, write_tokenizer

from dra_toolkit.embedding import Embedder, EmbedderSettings, load_embedder
from dra_toolkit.errors import EmbedderError


def test_a_model_of_texts_and_images_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    from transformers import AutoTokenizer, CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}
    config = CLIPConfig(
        text_config={"vocab_size": len(WORDS), "eos_token_id": 3, "max_position_embeddings": 16, **sizes},
        vision_config={"image_size": 8, "patch_size": 4, **sizes},
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    images = CLIPImageProcessor(size=8, crop_size=8)
    CLIPProcessor(images, AutoTokenizer.from_pretrained(tmp_path)).save_pretrained(tmp_path)
    with pytest.raises(EmbedderError, match="reads image too, expected a model of texts only"):
        load_embedder(EmbedderSettings(name=str(tmp_path)))


def test_addresses_are_read_as_texts(minilm: Embedder) -> None:
    embeddings = minilm.embed(["https://example.com/x.png", "data:image/png;base64,AAAA", __file__])
    assert embeddings.invalid == 0
    assert len({row.tobytes() for row in embeddings.vectors}) == 3
