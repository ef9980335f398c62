"""From a name to a folder of weights; a model that needs code of its publisher's is refused, none of it runs."""

import json
import os
from pathlib import Path
from typing import Any

from dra_toolkit.errors import EmbedderError
from dra_toolkit.safe_text import kind_and_line

_WEIGHTS = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]


def fetch(name: str, revision: str | None) -> Path:
    """Return the folder of an id's files at a revision, downloaded where it is not in the cache yet.

    A folder is returned as it is. Weights are only taken as safetensors: other formats can run code when read. Raises
    EmbedderError with the reason, and how to fetch beforehand, where neither the cache nor the Hub has them.
    """
    folder = Path(name).expanduser()
    if os.path.isdir(folder):
        return folder.resolve()
    import httpx
    from huggingface_hub import constants, errors, snapshot_download

    failures: list[Exception] = []
    for cached in (False, True):  # a commit that is in the cache without its list of files is only found at the second
        try:
            return Path(snapshot_download(name, revision=revision, allow_patterns=_WEIGHTS, local_files_only=cached))
        except (ValueError, OSError, httpx.HTTPError, errors.RevisionResolutionError) as error:
            failures.append(error)
    offline = "HF_HUB_OFFLINE is set, so nothing is downloaded"
    reason = offline if constants.HF_HUB_OFFLINE else kind_and_line(failures[0])
    at = f" --revision {revision}" if revision else ""
    raise EmbedderError(
        f"embedder: {name!r} is not in the Hugging Face cache: {reason}. "
        f"Fetch it with `hf download {name}{at}` (and share HF_HOME), or name a folder"
    ) from failures[0]


def refuse_code(name: str, folder: Path) -> None:
    """Raise EmbedderError for a model in a folder that cannot do without code that neither library has."""
    if needed := _needed_classes(folder):
        code = needed[0].rsplit("--", 1)[-1]
        raise EmbedderError(
            f"embedder: {name!r} needs code of its publisher's ({code}), which is not run; read it, and name a function "
            "of your own that loads it: embedder: package.module.function"
        )


def _needed_classes(folder: Path) -> list[str]:
    """Return the classes that a model cannot do without, and that neither library has.

    The model type says nothing: jina-embeddings-v2 calls itself `bert`, and is silently loaded as a BERT with wrong
    layers where its code may not run.
    """
    import transformers

    maps = [_auto_map(path) for path in sorted(folder.rglob("config.json"))]
    named = [str(classes[key]) for classes in maps for key in ("AutoConfig", "AutoModel") if key in classes]
    modules = [str(module.get("type")) for module in _read_json(folder / "modules.json") or []]
    return [
        *(reference for reference in named if not hasattr(transformers, reference.rsplit(".", 1)[-1])),
        *(module for module in modules if not module.startswith("sentence_transformers.")),
    ]


def _auto_map(path: Path) -> Any:
    content = _read_json(path)
    return content.get("auto_map", {}) if isinstance(content, dict) else {}


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
