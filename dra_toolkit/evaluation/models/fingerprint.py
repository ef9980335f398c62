"""Hashes of what answers depend on; those of large files are remembered as long as the file is untouched."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dra_toolkit.evaluation.models.folders import ModelFolder
from dra_toolkit.runs.files import json_object, publish_text

KEY_LENGTH = 16
MEMORY = ".hashes.json"
WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
CONFIGURATION = ("config.json", "generation_config.json", "adapter_config.json", "*.py")
TOKENIZER = ("tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt", "*.model")
TEMPLATES = ("chat_template.*", "additional_chat_templates/*.jinja")


class Fingerprints:
    """Content hashes of files, remembered by size, times and inode in one file of a folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / MEMORY
        self._known = json_object(self._path)

    def file(self, path: Path) -> str:
        """Return the SHA-256 of a file's content."""
        real = path.resolve()
        facts = real.stat()
        mark = [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]
        remembered = self._known.get(str(real))
        if isinstance(remembered, list) and remembered[:-1] == mark:
            return str(remembered[-1])
        with open(real, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._known[str(real)] = [*mark, digest]
        return digest

    def files(self, folder: Path, patterns: Iterable[str]) -> dict[str, str]:
        """Return the hashes of a folder's files that match, by name."""
        found = sorted({p for pattern in patterns for p in folder.glob(pattern) if p.is_file()})
        return {str(path.relative_to(folder)): self.file(path) for path in found}

    def model(self, model: ModelFolder) -> dict[str, Any]:
        """Return the hashes of everything of a model that its answers depend on."""
        facts = {"weights": self.files(model.path, (*WEIGHTS, *CONFIGURATION))}
        facts["tokenizer"] = self.files(model.tokenizer, (*TOKENIZER, *TEMPLATES))
        if model.base:
            facts["base"] = self.files(model.base, (*WEIGHTS, *CONFIGURATION))
        return facts

    def replaced(self, folder: Path, weights: Mapping[str, str]) -> bool:
        """Return whether a folder's files are no longer those with these hashes; untouched ones cost no time."""
        return any((folder / name).is_file() and self.file(folder / name) != was for name, was in weights.items())

    def remember(self) -> None:
        """Keep the hashes for the next time; a folder that cannot be written only costs time."""
        with contextlib.suppress(OSError):
            publish_text(self._path, json.dumps(self._known, indent=0) + "\n")


def key_of(facts: Any) -> str:
    """Return the hash of facts or rows, whatever their order."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
