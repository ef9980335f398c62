"""The images of a data set, opened before a model is loaded: a mistake is one line with its row."""

import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, Image, List, Value
from transformers.image_utils import load_image
from trl.data_utils import prepare_multimodal_messages

from dra_toolkit.errors import RecipeError
from dra_toolkit.training.conversation import image_parts, values_of
from dra_toolkit.training.hub_errors import first_words

COLUMNS = ("images", "image", "prompt")
"""Where TRL finds images, in the first that is there alone: a list of them, one, or parts of messages."""
LOOKED_AT = 500
"""Rows whose images are opened, spread over the data set: each takes milliseconds, an address much more."""


def image_column(dataset: Dataset) -> str | None:
    """Return the column of a data set in TRL's shape that has images; None without any."""
    column = next(name for name in COLUMNS if name in dataset.column_names)
    message = getattr(dataset.features["prompt"], "feature", None)
    has_parts = not (isinstance(message, dict) and isinstance(message.get("content"), Value))
    holds = column != "prompt" or (has_parts and any(map(image_parts, values_of(dataset, column))))
    return column if holds else None


def with_images(dataset: Dataset, column: str, name: str) -> Dataset:
    """Return a data set whose images can be read, bytes too; raises RecipeError for the first row where they cannot."""
    if "binary" in str(feature := dataset.features[column]):
        dataset = dataset.cast_column(column, List(Image()) if isinstance(feature, List) else Image())
    rows, found = dataset.select_columns(list({"prompt", column})), None
    spread = range(0, len(rows), math.ceil(len(rows) / LOOKED_AT) or 1)
    for number in sorted({*spread, *_without(rows, column)}):
        try:
            found = rows.with_format("arrow")[number][column][0].as_py()
            _open(rows[number], column)
        except Exception as error:  # the readers of formats raise many types for what they cannot read
            problem = f"found {repr(found)[:80]}, expected an image in every row ({first_words(error, 80)})"
            raise RecipeError(f"{column}: {name}, row {number + 1}: {problem}") from None
    return dataset


def _without(rows: Dataset, column: str) -> list[int]:
    """Return the first row whose place for an image is empty, if one is."""
    for start in range(0, len(rows), LOOKED_AT) if column != "prompt" else ():
        values = rows.with_format("arrow")[start : start + LOOKED_AT][column]
        is_list = pa.types.is_list(values.type) or pa.types.is_large_list(values.type)
        counts = pc.list_value_length(values) if is_list else pc.cast(pc.is_valid(values), pa.int32())
        for place, count in enumerate(counts.to_pylist()):
            if not count:
                return [start + place]
    return []


def _open(row: dict[str, Any], column: str) -> None:
    given = {"images": row[column], "image": [row[column]], "prompt": []}[column]
    if not isinstance(given, list):
        raise ValueError("a list of images is wanted there, one stands in 'image'")
    messages = prepare_multimodal_messages(row["prompt"], given)
    parts = [part for message in messages for part in message.get("content") or () if part["type"] == "image"]
    if not [load_image(part["image"], timeout=60) for part in parts]:
        raise ValueError("no image")
