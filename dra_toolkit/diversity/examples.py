"""What settings make of example groups, to tell those that do nothing."""

from dataclasses import replace

import numpy as np

from dra_toolkit.diversity.adjust import adjust_signals
from dra_toolkit.diversity.advantages import Scaling, adjusted_advantages, estimator_of
from dra_toolkit.diversity.measures import Signals
from dra_toolkit.diversity.settings import DiversitySettings


def idle_note(settings: DiversitySettings, scale_rewards: Scaling, G: int) -> str | None:
    """Return in words that groups of G get no advantage with these settings, or only none's or MaxRL's; else None."""
    made = replace(estimator_of(scale_rewards), epsilon=1e-9)  # small rewards then have the advantages of large ones
    tried = [replace(settings, scope="group", slice_rows=None)]
    tried += [DiversitySettings(measure=name) for name in ("none", "maxrl") if name != settings.measure]
    given = ", ".join(f"{settings.measure}_{name}: {value:g}" for name, value in settings.option_values().items())
    gives = f"{settings.measure}{given and ' with '}{given} gives groups of {G}"
    for is_graded, where in ((True, ""), (False, ", where rewards are 0 and 1")):
        signals = _examples(G, is_graded, settings.labels)
        found, *others = (adjusted_advantages(adjust_signals(signals, each), made, each) for each in tried)
        if np.allclose(found, 0.0, atol=1e-6):
            return f"{gives} no advantage{where}"
        for other, advantages in zip(tried[1:], others, strict=True):
            if np.allclose(found, advantages, atol=1e-6):
                return f"{gives} the advantages of diversity: {other.measure}{where}"
    return None


def _examples(G: int, is_graded: bool, labels: str) -> Signals:
    """Return groups that differ in all that a measure may read, from none to all right: of rewards 0 and 1, or any."""
    rng = np.random.default_rng(0)
    count = np.repeat(np.unique(np.linspace(0, G, 9 if G <= 64 else 3).round()), max(1, 64 // G))[:, None]
    right = np.arange(G) < count
    return Signals(
        totals=right + (rng.standard_normal(right.shape) if is_graded else 0.0),
        correct=right,
        embeddings=rng.standard_normal((*right.shape, 4)),
        labels=np.where(right, 0, np.arange(1, G + 1)) if labels == "answer" else rng.integers(0, 3, right.shape),
        log_probs=-rng.random(right.shape),
        lengths=rng.integers(1, 9, right.shape).astype(np.float64),
        history=np.repeat(rng.integers(1, 9, (len(count), 1, 2)).astype(np.float64), G, axis=1),
    )
