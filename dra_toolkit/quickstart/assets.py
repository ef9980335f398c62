"""The quickstart's files: data, tokenizer and base model, made once and found again without importing torch.

Everything lies in one folder of the cache, named by a key over the seed, every setting and the code that makes it, so that
nothing stale is ever used. It is written under another name, which is changed when everything is there: where the folder
exists, it is finished.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dra_toolkit.errors import LaunchError
from dra_toolkit.quickstart.base_model import WarmUp
from dra_toolkit.quickstart.task import TASK_VERSION, Problem, problems

Progress = Callable[[str, int, int], None]
"""Called with the stage (`warm-up`, `measure`), what is done of it, and how much it is in all."""

MEASURED_PROBLEMS, MEASURED_SAMPLES = 64, 4
ABANDONED_AFTER = 24 * 3600.0
"""Seconds after which a folder that a killed build left behind is removed by the next build."""
_MADE_BY = ("task", "addition_ways", "derivations", "checker", "tokenizer", "base_model", "assets")


@dataclass(frozen=True, kw_only=True, slots=True)
class QuickstartAssets:
    """A finished folder and what lies in it: model and tokenizer for `from_pretrained`, JSONL files, and a card of it all.

    `train` has 4,250 rows with the columns `problem` and `solution`, `heldout` 750. `pass_at_1` and `effective_styles` were
    measured of the base model when it was made: the share of held-out problems that it solves with one sample, and the
    effective number of styles.
    """

    folder: Path
    model: Path
    train: Path
    heldout: Path
    card: Path
    seed: int
    pass_at_1: float
    effective_styles: float


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
    folder = _place_of(cache, seed, settings)
    return _assets_in(folder) if folder.is_dir() else None


def ways(
    cache: Path | None = None, seed: int = 0, progress: Progress | None = None, *, settings: WarmUp | None = None
) -> QuickstartAssets:
    """Return the quickstart's files, and make them first where the cache lacks them: about a minute on one CPU core.

    Safe to call from several processes at once: each makes its own and the first to finish is kept. Raises LaunchError where
    the cache cannot be written, or torch or transformers is not installed.

    cache: folder that holds the made folders; `cache_dir()` if None
    """
    folder = _place_of(cache, seed, settings)
    if folder.is_dir():
        return _assets_in(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise LaunchError(
            f"quickstart cache {str(folder.parent)!r}: found {error.strerror or error}, "
            "expected a folder that can be written; set DRA_CACHE to one"
        ) from error
    try:
        _write(unfinished, seed, settings or WarmUp(), progress or (lambda stage, done, total: None))
        _publish(unfinished, folder)
    except ImportError as error:
        raise LaunchError(
            f"quickstart model: found no module {error.name!r}, expected the training packages; "
            "install them with: pip install 'dra-toolkit[train]'"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return _assets_in(folder)


def _place_of(cache: Path | None, seed: int, settings: WarmUp | None) -> Path:
    return (cache or cache_dir()).absolute() / folder_name(seed=seed, settings=settings or WarmUp())


def _assets_in(folder: Path) -> QuickstartAssets:
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


def _write(folder: Path, seed: int, settings: WarmUp, report: Progress) -> None:
    """Make every file of the folder; the card comes last."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from dra_toolkit.quickstart.base_model import measure, warm_up
    from dra_toolkit.quickstart.tokenizer import build_tokenizer

    report("warm-up", 0, settings.steps)
    started = time.perf_counter()
    drawn, tokenizer = problems(seed), build_tokenizer()
    told = {"progress": lambda done, total: report("warm-up", done, total)}
    model = warm_up(problems=drawn.train, tokenizer=tokenizer, settings=settings, seed=seed, **told)
    seconds = time.perf_counter() - started
    _write_rows(folder / "train.jsonl", drawn.train)
    _write_rows(folder / "heldout.jsonl", drawn.held_out)
    place = folder / "model"
    logging.disable_progress_bar()  # it would be drawn across ours
    tokenizer.save_pretrained(place)
    model.save_pretrained(place)
    # loaded as a trainer does it, so that what is measured is what is published
    model, tokenizer = AutoModelForCausalLM.from_pretrained(place).eval(), AutoTokenizer.from_pretrained(place)
    logging.enable_progress_bar()
    report("measure", 0, 1)
    measured = measure(model, tokenizer, drawn.held_out[:MEASURED_PROBLEMS], samples=MEASURED_SAMPLES, seed=seed)
    report("measure", 1, 1)
    card = {
        "task": "ways",
        "task_version": TASK_VERSION,
        "seed": seed,
        "settings": asdict(settings),
        "warm_up_seconds": round(seconds, 1),
        "measured_on": {"problems": MEASURED_PROBLEMS, "samples": MEASURED_SAMPLES, "split": "heldout"},
        "measured": asdict(measured),
    }
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def _write_rows(path: Path, rows: Sequence[Problem]) -> None:
    path.write_text("".join(f"{json.dumps({'problem': row.prompt, 'solution': row.solution})}\n" for row in rows))


def _publish(unfinished: Path, folder: Path) -> None:
    """Give a complete folder its final name, unless another process was first."""
    for path in unfinished.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    unfinished.chmod(0o755)  # mkdtemp makes it private
    try:
        os.replace(unfinished, folder)
    except OSError:
        if not folder.is_dir():
            raise


def _remove_abandoned(folder: Path) -> None:
    for path in folder.parent.glob(f".{folder.name}-*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED_AFTER:
                shutil.rmtree(path, ignore_errors=True)
