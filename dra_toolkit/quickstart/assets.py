"""Where the quickstart's files are kept, and how they are found again without importing torch.

Everything lies in one folder of the cache, named by a key over the seed, every setting and the code that makes it, so
that nothing stale is ever used. Where the folder exists, it is finished.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from dra_toolkit.quickstart.base_model import WarmUp
from dra_toolkit.quickstart.task import TASK_VERSION

_MADE_BY = ("task", "derivations", "checker", "tokenizer", "base_model", "measure", "make")


@dataclass(frozen=True, kw_only=True, slots=True)
class QuickstartAssets:
    """A finished folder and what lies in it."""

    folder: Path
    """The folder itself."""
    model: Path
    """Folder of the base model and its tokenizer, for `from_pretrained`."""
    train: Path
    """JSONL, 4,250 rows with the columns `problem` and `solution`."""
    heldout: Path
    """JSONL, 750 rows with the same columns."""
    card: Path
    """JSON: settings, what was measured of the base model, and how long it took."""
    seed: int
    """The seed it was made from."""
    pass_at_1: float
    """Share of held-out problems that the base model solves with one sample, as measured when it was made."""
    effective_styles: float
    """Effective number of styles of the base model, likewise."""


def cache_dir() -> Path:
    """Return where made files are kept: `$DRA_CACHE`, or `~/.cache/dra-toolkit`."""
    chosen = os.environ.get("DRA_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "dra-toolkit"


def folder_name(*, seed: int, settings: WarmUp) -> str:
    """Name the folder `ways-<task version>-<key>`; the key covers seed, settings and the source of `_MADE_BY`."""
    digest = hashlib.blake2b(digest_size=6)
    digest.update(json.dumps([seed, asdict(settings)]).encode())
    for module in _MADE_BY:
        digest.update(b"\0" + (Path(__file__).parent / f"{module}.py").read_bytes())
    return f"ways-{TASK_VERSION}-{digest.hexdigest()}"


def cached_ways(seed: int = 0, *, cache: Path | None = None, settings: WarmUp | None = None) -> QuickstartAssets | None:
    """Find what `ways` made with the same arguments, or None; imports no torch."""
    folder = place_of(cache, seed=seed, settings=settings)
    return assets_in(folder) if folder.is_dir() else None


def place_of(cache: Path | None, *, seed: int, settings: WarmUp | None) -> Path:
    """Return the folder that belongs to these arguments, whether it exists or not."""
    return (cache or cache_dir()).absolute() / folder_name(seed=seed, settings=settings or WarmUp())


def assets_in(folder: Path) -> QuickstartAssets:
    """Describe a finished folder from its card."""
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return QuickstartAssets(
        folder=folder,
        model=folder / "model",
        train=folder / "train.jsonl",
        heldout=folder / "heldout.jsonl",
        card=folder / "card.json",
        seed=card["seed"],
        pass_at_1=card["measured"]["pass_at_1"],
        effective_styles=card["measured"]["effective_styles"],
    )
