"""Whether a folder holds a model that can be evaluated; each thing that it lacks is one line."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dra_toolkit.runs.files import json_object

ADAPTER = "adapter_config.json"
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


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
        own = any((self.path / name).is_file() for name in TOKENIZER_FILES)
        return self.path if own or self.base is None else self.base


def what_is_wrong(folder: Path) -> list[str]:
    """Return what keeps a folder with a whole model, no adapter, from being loaded."""
    if not folder.is_dir():
        return [f"{folder}: there is no such folder"]
    problems = [] if (folder / "config.json").is_file() else [f"{folder}: has no config.json, so it is no model"]
    return [*problems, *_weight_problems(folder)]


def _weight_problems(folder: Path) -> list[str]:
    index, single = folder / INDEX, folder / SINGLE
    if index.is_file():
        shards = json_object(index).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            return [f"{index}: cannot be read as an index of shards"]
        missing = sorted({str(name) for name in shards.values() if not (folder / str(name)).is_file()})
        told = f"{len(missing)} of its {len(set(shards.values()))} shards missing: {', '.join(missing[:3])}"
        return [f"{folder}: {told}"] if missing else []
    if not single.is_file():
        others = [p.name for p in sorted(folder.glob("*.bin"))]
        found = f"; found {', '.join(others[:2])}, which is not read (convert it to safetensors)" if others else ""
        return [f"{folder}: has no weights ({SINGLE} or {INDEX}){found}"]
    return [] if _is_whole(single) else [f"{single}: is cut off or no safetensors file"]


def _is_whole(weights: Path) -> bool:
    from safetensors import SafetensorError, safe_open

    with suppress(SafetensorError, OSError), safe_open(weights, "np") as tensors:
        return bool(tensors.keys())
    return False


def adapter_base(folder: Path) -> str | None:
    """Return the name of the model that the adapter in `folder` belongs to; None if it holds no adapter."""
    if not (folder / ADAPTER).is_file():
        return None
    return str(json_object(folder / ADAPTER).get("base_model_name_or_path") or "")


def has_chat_template(folder: Path) -> bool:
    """Return whether the tokenizer in `folder` has a chat template."""
    files = any((folder / f"chat_template.{ending}").is_file() for ending in ("jinja", "json"))
    return files or bool(json_object(folder / "tokenizer_config.json").get("chat_template"))
