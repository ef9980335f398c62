"""How much right and wrong completions weigh against the group's success rate: one view of all group objectives.

Any shaping of rewards 0 and 1 is a reweighting: the gradient is the mean score of the right completions times one weight,
less the mean score of the wrong ones times another, and both depend on the share of right ones alone (arXiv 2510.23049).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.text import Text

from dra_toolkit.diversity import MEASURES, DiversitySettings, Signals, adjust_signals, adjusted_advantages
from dra_toolkit.diversity.measures import NEEDS
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Array, Mode
from dra_toolkit.inspection.replay.run import advantages_of, of_steps, pieces_of
from dra_toolkit.inspection.replay.settings import Changes
from dra_toolkit.inspection.terminal import number, sparkline, table
from dra_toolkit.runs import Run


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """Effective weights of the two sides, (G + 1,), for each share of right completions 0, 1/G, ... 1.

    right   sum of the advantages of the right completions over G, mean over groups; NaN where no group was
    wrong   the same of the wrong ones, with its sign turned: what pushes them down is positive
    groups  how many it is a mean of; 1 for a formula
    """

    name: str
    right: Array
    wrong: Array
    groups: NDArray[np.intp]


def by_formula(name: str, G: int = 8) -> Weights:
    """Return what a measure's formula gives groups of G completions that are all unlike each other and equally likely."""
    settings = DiversitySettings(measure=name)
    right = np.arange(G) < np.arange(G + 1)[:, None]
    equal: dict[str, Any] = dict.fromkeys(NEEDS, np.full((G + 1, G), -1.0))  # of log-probabilities: all alike
    equal |= {
        "similarity": np.broadcast_to(np.eye(G), (G + 1, G, G)),
        "labels": np.broadcast_to(np.arange(G), (G + 1, G)),
        "lengths": np.ones((G + 1, G)),
        "history": np.zeros((G + 1, G, 2)),
        "embeddings": np.broadcast_to(np.eye(G), (G + 1, G, G)),
    }
    signals = Signals(totals=right.astype(np.float64), **equal)
    advantages = adjusted_advantages(adjust_signals(signals, settings), "group", settings)
    return _sums(name, right, advantages, G)


def every_formula(G: int = 8) -> list[Weights]:
    """Return the formula's weights of plain GRPO and of every measure."""
    return [by_formula(name, G) for name in ("none", *MEASURES)]


def of_run(
    run: Run, changes: Changes | None = None, *, mode: Mode = "train", steps: tuple[int, int] | None = None
) -> list[Weights]:
    """Return the weights that recorded advantages had, and with changes those that the replayed ones would have had.

    Groups of another size than the commonest count at the nearest share. Raises RunError if nothing is recorded.
    """
    changes = changes or Changes()
    right: list[NDArray[np.bool_]] = []
    found: list[list[Array]] = []
    for facts, piece in pieces_of(run, changes, mode, steps, correct=True):
        values = [piece.known_advantages]
        if changes:
            values.append(advantages_of(piece, changes.settings(facts, mode), changes.estimator(facts))[1])
        for block in piece.blocks:
            signals = piece.signals(block)
            right += list(signals.correct & ~np.isnan(signals.totals))
            found += list(zip(*(block.of(each) for each in values), strict=True))  # type: ignore[arg-type]
    if not right:
        raise RunError(f"{run.name}: no {mode} groups are recorded{of_steps(steps)}")
    G = int(np.bincount([len(each) for each in right]).argmax())
    names = ["recorded", *([", ".join(changes.written())] if changes else [])]
    return [_sums(name, right, [each[place] for each in found], G) for place, name in enumerate(names)]


def _sums(
    name: str, right: Sequence[NDArray[np.bool_]] | NDArray[np.bool_], advantages: Sequence[Array] | Array, G: int
) -> Weights:
    places = np.array([round(float(r.mean()) * G) for r in right])
    sides = [
        np.array([float(A[side(r)].sum()) / len(r) for r, A in zip(right, advantages, strict=True)])
        for side in (lambda r: r, lambda r: ~r)
    ]
    groups = np.bincount(places, minlength=G + 1)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(places, weights=values, minlength=G + 1) / groups for values in sides]
    return Weights(name=name, right=means[0], wrong=-means[1] + 0.0, groups=groups)


def weights_view(found: Sequence[Weights]) -> RenderableType:
    """Return a table for each side: a row for each measure or record, a column for each of at most nine shares."""
    parts: list[RenderableType] = []
    for title, side in (("right completions, pushed up", "right"), ("wrong completions, pushed down", "wrong")):
        G = len(found[0].groups) - 1
        shown = np.unique(np.linspace(0, G, min(G + 1, 9)).round().astype(int)).tolist()
        heads = ["share right", *(f">{place}/{G}" for place in shown), "curve"]
        rows = []
        for each in found:
            name, y = {"none": "GRPO (none)"}.get(each.name, each.name), getattr(each, side)
            rows.append([name, *(number(y[place], 2) for place in shown), sparkline(y.tolist(), 17)])
        parts += [table(heads, rows, title=title, title_justify="left", pad_edge=False), Text()]
    return Group(*parts)
