"""How large a model is, read from the headers of its safetensors, and whether its weights are there. No weight is read."""

import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dra_toolkit.doctor.model import ModelShape, read_shape
from dra_toolkit.runs.files import json_object

DTYPE_BYTES = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
CONFIG, INDEX, WEIGHTS = "config.json", "model.safetensors.index.json", "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class ModelSize:
    """How large a model is."""

    parameters: int
    """0 where that is not known."""
    stored_bytes: int
    """Bytes of one parameter, as stored."""
    shape: ModelShape | None
    """None for a model that is no dense decoder of the Llama kind."""

    def __str__(self) -> str:
        """Return the size in words."""
        count = self.parameters
        unit, name = next(((u, n) for u, n in ((1e9, "B"), (1e6, "M"), (1e3, "k")) if count >= u), (1.0, ""))
        return f"{count / unit:.3g}{name} parameters" if count else "parameters not known"


def size_of(config: Mapping[str, Any], dtypes: Mapping[str, int]) -> ModelSize:
    """Return the size of a model from its config and from its parameters counted by dtype, either of them empty."""
    shape = read_shape(config)
    said = {"float32": 4, "bfloat16": 2, "float16": 2}.get(str(config.get("dtype") or config.get("torch_dtype")), 4)
    most = max(dtypes, key=lambda name: dtypes[name]) if dtypes else ""
    return ModelSize(
        parameters=sum(dtypes.values()) or (shape.parameters if shape else 0),
        stored_bytes=DTYPE_BYTES.get(most, 1) if most else said,
        shape=shape,
    )


def read_folder(folder: Path) -> ModelSize:
    """Return the size of the model in a folder; files of weights without a safetensors header count nothing."""
    counted: Counter[str] = Counter()
    for path in sorted(folder.glob("*.safetensors")):
        with contextlib.suppress(Exception):
            from huggingface_hub import parse_local_safetensors_file_metadata

            counted.update(parse_local_safetensors_file_metadata(path).parameter_count)
    return size_of(json_object(folder / CONFIG), counted)


def missing_weights(folder: Path) -> list[str]:
    """Return which files of weights a folder lacks; empty if it is complete."""
    if (folder / WEIGHTS).is_file():
        return []
    shards = json_object(folder / INDEX).get("weight_map")
    if shards and isinstance(shards, dict):
        return [name for name in sorted(set(map(str, shards.values()))) if not (folder / name).is_file()]
    return [] if any(folder.glob("*.bin")) or any(folder.glob("*.safetensors")) else [WEIGHTS]
