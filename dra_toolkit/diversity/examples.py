"""What settings make of example groups, to tell those that do nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dra_toolkit.diversity.adjust import adjust_signals
from dra_toolkit.diversity.advantages import Scaling, adjusted_advantages, estimator_of
from dra_toolkit.diversity.measures import Signals
from dra_toolkit.diversity.settings import DiversitySettings

NO_OFFSET = 1e-9
"""Added to a standard deviation: so little that equal advantages of small and of large rewards are equal here too."""


def idle_note(settings: DiversitySettings, scale_rewards: Scaling, G: int) -> str | None:
    """Return in words that groups of G get no advantage with these settings, or the one of another measure; else None."""
    given = ", ".join(f"{settings.measure}_{name}: {value:g}" for name, value in settings.option_values().items())
    for is_graded, where in ((True, ""), (False, ", where rewards are 0 and 1")):
        if (found := same_as(settings, scale_rewards, G, graded=is_graded)) is not None:
            gives = f"the advantages of diversity: {found}" if found else "no advantage"
            return f"{settings.measure}{given and ' with '}{given} gives groups of {G} {gives}{where}"
    return None


def same_as(settings: DiversitySettings, scale_rewards: Scaling, G: int, *, graded: bool) -> str | None:
    """Return the measure, none or maxrl, whose advantages example groups get with these settings too; else None.

    An empty string says that they get no advantage at all. The groups have G completions that differ in all that a measure
    may read, from none to all of them right: of rewards 0 and 1, or graded, of any number.
    """
    rng = np.random.default_rng(0)
    count = np.repeat(np.unique(np.linspace(0, G, 9).round()), max(1, 64 // G))[:, None]
    right = np.arange(G) < count
    one_answer = np.where(right, 0, np.arange(1, G + 1))
    signals = Signals(
        totals=right + (rng.standard_normal(right.shape) if graded else 0.0),
        correct=right,
        embeddings=rng.standard_normal((*right.shape, 4)),
        labels=one_answer if settings.labels == "answer" else rng.integers(0, 3, right.shape),
        log_probs=-rng.random(right.shape),
        lengths=rng.integers(1, 9, right.shape).astype(np.float64),
        history=np.repeat(rng.integers(1, 9, (len(count), 1, 2)).astype(np.float64), G, axis=1),
    )
    made = replace(estimator_of(scale_rewards), epsilon=NO_OFFSET)
    here = replace(settings, scope="group", slice_rows=None)
    plain = [DiversitySettings(measure=name) for name in ("none", "maxrl") if name != settings.measure]
    found, *others = (adjusted_advantages(adjust_signals(signals, each), made, each) for each in (here, *plain))
    if np.allclose(found, 0.0, atol=1e-6):
        return ""
    return next((each.measure for each, A in zip(plain, others, strict=True) if np.allclose(found, A, atol=1e-6)), None)
