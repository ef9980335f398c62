"""Make the files of the quickstart once: data, tokenizer and base model.

They are written under another name, which is changed to the final one when everything is there (see `assets`).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dra_toolkit.errors import LaunchError
from dra_toolkit.quickstart.assets import QuickstartAssets, assets_in, cached_ways, place_of
from dra_toolkit.quickstart.base_model import WarmUp
from dra_toolkit.quickstart.task import TASK_VERSION, Problem, problems

Progress = Callable[[str, int, int], None]
"""Called with the stage (`warm-up`, `measure`), what is done of it, and how much it is in all."""

MEASURED_PROBLEMS, MEASURED_SAMPLES = 64, 4
ABANDONED_AFTER = 24 * 3600.0
"""Seconds after which a folder that a killed build left behind is removed by the next build."""


def ways(
    cache: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    settings: WarmUp | None = None,
    force: bool = False,
) -> QuickstartAssets:
    """Return the quickstart's files, and make them first where the cache lacks them: about a minute on one CPU core.

    Safe to call from several processes at once: each makes its own and the first to finish is kept.

    Args:
        cache: folder that holds the made folders; `cache_dir()` if None.
        seed: of problems, rows and weights.
        progress: see `Progress`.
        settings: size and training of the base model.
        force: make them even if they exist, and replace those.

    Raises:
        LaunchError: the cache cannot be written, or torch or transformers is not installed.
    """
    folder = place_of(cache, seed=seed, settings=settings)
    found = None if force else cached_ways(seed, cache=cache, settings=settings)
    if found:
        return found
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
        _write(unfinished, seed=seed, settings=settings or WarmUp(), progress=progress)
        _publish(unfinished, folder, force=force)
    except ImportError as error:
        raise LaunchError(
            f"quickstart model: found no module {error.name!r}, expected the training packages; "
            "install them with: pip install 'dra-toolkit[train]'"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return assets_in(folder)


def _write(folder: Path, *, seed: int, settings: WarmUp, progress: Progress | None) -> None:
    """Make every file of the folder; the card comes last."""
    from dra_toolkit.quickstart.base_model import warm_up
    from dra_toolkit.quickstart.measure import measure
    from dra_toolkit.quickstart.tokenizer import build_tokenizer

    report = progress or (lambda stage, done, total: None)
    report("warm-up", 0, settings.steps)
    started = time.perf_counter()
    drawn, tokenizer = problems(seed), build_tokenizer()
    model = warm_up(
        problems=drawn.train,
        tokenizer=tokenizer,
        settings=settings,
        seed=seed,
        progress=lambda done, total: report("warm-up", done, total),
    )
    seconds = time.perf_counter() - started
    _write_rows(folder / "train.jsonl", drawn.train)
    _write_rows(folder / "heldout.jsonl", drawn.held_out)
    tokenizer.save_pretrained(folder / "model")
    with _no_progress_bars():
        model.save_pretrained(folder / "model")
        model, tokenizer = _load(folder / "model")
    report("measure", 0, 1)
    measured = measure(model, tokenizer, drawn.held_out[:MEASURED_PROBLEMS], samples=MEASURED_SAMPLES, seed=seed)
    report("measure", 1, 1)
    card: dict[str, Any] = {
        "task": "ways",
        "task_version": TASK_VERSION,
        "seed": seed,
        "settings": asdict(settings),
        "warm_up_seconds": round(seconds, 1),
        "measured_on": {"problems": MEASURED_PROBLEMS, "samples": MEASURED_SAMPLES, "split": "heldout"},
        "measured": asdict(measured),
    }
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def _load(folder: Path) -> tuple[Any, Any]:
    """Load what was saved as a trainer would, so that what is measured is what is published."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Keep transformers from drawing a bar across ours."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _write_rows(path: Path, rows: Sequence[Problem]) -> None:
    lines = (json.dumps({"problem": row.prompt, "solution": row.solution}) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


def _publish(unfinished: Path, folder: Path, *, force: bool) -> None:
    """Give a complete folder its final name, unless another process was first and nothing is to be replaced."""
    for path in unfinished.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    unfinished.chmod(0o755)  # mkdtemp makes it private
    if force and folder.is_dir():
        replaced = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        with contextlib.suppress(FileNotFoundError):
            os.replace(folder, replaced / "replaced")
        shutil.rmtree(replaced, ignore_errors=True)
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
