"""From a name to a folder of weights, and to the code that may run: only what the settings pin."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dra_toolkit.embedding.protocol import EmbedderSettings
from dra_toolkit.errors import EmbedderError
from dra_toolkit.safe_text import kind_and_line

_COMMIT = re.compile(r"[0-9a-f]{40}")
_WEIGHTS = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.py"]
_CODE = ["*.py"]
_HOME = re.compile(r'"([^"\s]+)--(?=\w+\.\w+")')
"""The repository before a class in another one: `"owner/name--module.Class"`."""


def fetch(name: str, revision: str | None, *, files: list[str] = _WEIGHTS) -> Path:
    """Return the folder of an id's files at a revision, downloaded where it is not in the cache yet.

    A folder is returned as it is. Weights are only taken as safetensors: other formats can run code when read. Raises
    EmbedderError with the reason, and how to fetch beforehand, where neither the cache nor the Hub has them.
    """
    folder = Path(name).expanduser()
    if os.path.isdir(folder):
        return folder.resolve()
    from huggingface_hub import constants, errors, snapshot_download

    # The bases are OSError and the HTTP library's own error, which a refused connection raises.
    failures: tuple[type[Exception], ...] = (
        ValueError,
        errors.RevisionResolutionError,
        *errors.HfHubHTTPError.__bases__,
    )
    failed: Exception | None = None
    for cached in (False, True):  # a commit that is in the cache without its list of files is only found at the second
        try:
            return Path(snapshot_download(name, revision=revision, allow_patterns=files, local_files_only=cached))
        except failures as error:
            failed = failed or error
    assert failed is not None
    offline = "HF_HUB_OFFLINE is set, so nothing is downloaded"
    reason = offline if constants.HF_HUB_OFFLINE else kind_and_line(failed)
    at = f" --revision {revision}" if revision else ""
    raise EmbedderError(
        f"embedder: {name!r} is not in the Hugging Face cache: {reason}. "
        f"Fetch it with `hf download {name}{at}` (and share HF_HOME), or name a folder"
    ) from failed


@contextmanager
def runnable(folder: Path, settings: EmbedderSettings) -> Iterator[tuple[Path, bool]]:
    """Yield the folder to load from, and whether code beside the weights may run.

    Code runs only if the model needs it (transformers does not have its class) and the settings pin it: `revision`
    for the weights and code beside them, `code_revision` for code in another repository. That repository's files are
    put into the folder, so nothing else can be executed: the libraries' own `code_revision` is lost on the way to the
    model class (sentence-transformers 6.2), which then runs the newest code.
    """
    needed = _needed_classes(folder)
    homes = _homes(folder) if needed else []
    elsewhere = [home for home in homes if home != settings.name]
    if problem := _refusal(settings, needed, elsewhere):
        raise EmbedderError(f"embedder: {problem}")
    if not homes:
        yield folder, bool(needed)
        return
    code = fetch(elsewhere[0], settings.code_revision, files=_CODE) if elsewhere else folder
    with tempfile.TemporaryDirectory() as parent:
        whole = Path(parent) / re.sub(r"\W", "_", settings.name.strip("/").rsplit("/", 1)[-1])
        _put_together(whole, folder, code)
        yield whole, True


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


def _homes(folder: Path) -> list[str]:
    """Return the repositories that any file of a model, its tokenizer's included, names as the home of its code."""
    text = " ".join(json.dumps(_auto_map(path)) for path in sorted(folder.rglob("*.json")))
    return sorted(set(_HOME.findall(text)))


def _auto_map(path: Path) -> Any:
    content = _read_json(path)
    return content.get("auto_map", {}) if isinstance(content, dict) else {}


def _refusal(settings: EmbedderSettings, needed: list[str], elsewhere: list[str]) -> str | None:
    name, code = settings.name, ", ".join(elsewhere)
    if settings.code_revision is not None and not elsewhere:
        return f"embedder_code_revision has no effect: {name!r} runs no code from another repository; leave it out"
    if not needed and settings.revision is not None and Path(name).expanduser().is_dir():
        return f"embedder_revision has no effect: {name!r} is a folder; leave it out"
    if not needed:
        return None
    if len(elsewhere) > 1:
        return f"{name!r} needs code from several repositories ({code}), which one commit cannot pin"
    keys = {"embedder_revision": settings.revision}
    if elsewhere:
        keys["embedder_code_revision"] = settings.code_revision
    missing = [key for key, commit in keys.items() if commit is None or not _COMMIT.fullmatch(commit)]
    if not missing:
        return None
    where = f"the repository {code}" if elsewhere else "its own repository"
    return (
        f"{name!r} needs code from {where} ({needed[0].rsplit('--', 1)[-1]}), which runs only at a named commit: "
        f"read that code, then set {' and '.join(missing)} to the commit (40 hexadecimal digits) that was read"
    )


def _put_together(whole: Path, weights: Path, code: Path) -> None:
    """Make the folder `whole`: links to the weights' files and the code's, and class names without a repository."""
    for source in sorted(weights.rglob("*")):
        target = whole / source.relative_to(weights)
        replaced = source.suffix == ".py" and (code / source.relative_to(weights)).is_file()
        if source.is_file() and not replaced:
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix == ".json" and _auto_map(source):
                target.write_text(_HOME.sub('"', source.read_text(encoding="utf-8")), encoding="utf-8")
            else:
                os.symlink(source.resolve(), target)
    for source in sorted(code.glob("*.py")):
        os.symlink(source.resolve(), whole / source.name)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
