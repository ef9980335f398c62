"""Whether a folder holds a model that can be evaluated; each thing that it lacks is one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ADAPTER = "adapter_config.json"
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class ModelFolder:
    """A model on disk that can be loaded."""

    path: Path
    """What holds the weights, or the adapter's."""
    base: Path | None = None
    """The model that an adapter belongs to."""

    @property
    def tokenizer(self) -> Path:
        """The folder with the tokenizer: the adapter's own, else its base's."""
        own = (self.path / "tokenizer_config.json").is_file() or (self.path / "tokenizer.json").is_file()
        return self.path if own or self.base is None else self.base


def what_is_wrong(folder: Path) -> list[str]:
    """Return what keeps a folder with a whole model, no adapter, from being loaded."""
    if not folder.is_dir():
        return [f"{folder}: there is no such folder"]
    problems = [] if (folder / "config.json").is_file() else [f"{folder}: has no config.json, so it is no model"]
    return [*problems, *_weight_problems(folder)]


def _weight_problems(folder: Path) -> Iterator[str]:
    index = folder / INDEX
    if index.is_file():
        shards = _json(index).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            yield f"{index}: cannot be read as an index of shards"
            return
        missing = sorted({str(name) for name in shards.values() if not (folder / str(name)).is_file()})
        if missing:
            of = len(set(shards.values()))
            yield f"{folder}: {len(missing)} of its {of} shards missing: {', '.join(missing[:3])}"
        return
    if not (folder / SINGLE).is_file():
        others = [p.name for p in sorted(folder.glob("*.bin"))]
        found = f"; found {', '.join(others[:2])}, which is not read (convert it to safetensors)" if others else ""
        yield f"{folder}: has no weights ({SINGLE} or {INDEX}){found}"
        return
    try:
        with open(folder / SINGLE, "rb") as file:
            header = int.from_bytes(file.read(8), "little")
            body = json.loads(file.read(header)) if header < 100_000_000 else {}
        ends = [entry["data_offsets"][1] for name, entry in body.items() if name != "__metadata__"]
        whole = bool(ends) and (folder / SINGLE).stat().st_size == 8 + header + max(ends)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        whole = False
    if not whole:
        yield f"{folder / SINGLE}: is cut off or no safetensors file"


def adapter_base(folder: Path) -> str | None:
    """Return the name of the model that the adapter in `folder` belongs to; None if it holds no adapter."""
    if not (folder / ADAPTER).is_file():
        return None
    return str(_json(folder / ADAPTER).get("base_model_name_or_path") or "")


def adapter_problems(folder: Path) -> list[str]:
    """Return what the adapter's own files lack."""
    if (folder / "adapter_model.safetensors").is_file():
        return []
    return [f"{folder}: is a LoRA adapter without weights (adapter_model.safetensors)"]


def has_chat_template(folder: Path) -> bool:
    """Return whether the tokenizer in `folder` has a chat template."""
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    return bool(_json(folder / "tokenizer_config.json").get("chat_template"))


def _json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
