"""A model's size read from its files: the headers of its safetensors and its config.json. No weight is read."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dra_toolkit.doctor.model_shape import ModelShape, read_shape

DTYPE_BYTES = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
LONGEST_HEADER = 100_000_000
CONFIG, INDEX, WEIGHTS = "config.json", "model.safetensors.index.json", "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class ModelSize:
    """How large a model is."""

    parameters: int | None
    stored_bytes: int
    """Bytes of one parameter, as stored."""
    shape: ModelShape | None
    """None for a model that is no dense decoder of the Llama kind."""


def size_of(config: Mapping[str, Any], dtypes: Mapping[str, int]) -> ModelSize:
    """Return the size of a model from its config and from its parameters counted by dtype, either of them empty."""
    shape = read_shape(config)
    counted = sum(dtypes.values())
    most = max(dtypes, key=lambda name: dtypes[name]) if dtypes else "F32"
    said = {"float32": 4, "bfloat16": 2, "float16": 2}.get(str(config.get("dtype") or config.get("torch_dtype")))
    return ModelSize(
        parameters=counted or (shape.parameters if shape else None),
        stored_bytes=DTYPE_BYTES.get(most, 1) if dtypes else said or 4,
        shape=shape,
    )


def read_folder(folder: Path) -> ModelSize:
    """Return the size of the model in a folder."""
    counted: Counter[str] = Counter()
    for path in sorted(folder.glob("*.safetensors")):
        counted.update(count_parameters(path))
    return size_of(read_json(folder / CONFIG), counted)


def missing_weights(folder: Path) -> list[str]:
    """Return which files of weights a folder lacks; empty if it is complete."""
    if (folder / WEIGHTS).is_file():
        return []
    shards = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
    if shards:
        return [name for name in shards if not (folder / name).is_file()]
    return [] if any(folder.glob("*.bin")) or any(folder.glob("*.safetensors")) else [WEIGHTS]


def count_parameters(path: Path) -> dict[str, int]:
    """Return the parameters in a safetensors file by dtype, from its header; empty if it has no such header."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if 0 < length <= LONGEST_HEADER else {}
        counted: Counter[str] = Counter()
        for name, entry in header.items():
            if name != "__metadata__":
                counted[str(entry["dtype"])] += math.prod(entry["shape"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return dict(counted)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file; an empty one if there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
