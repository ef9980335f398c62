"""Diversity measures by name, one module for each family: from what is known of a group to factors and bonuses.

A measure maps `Signals` to an `Effect`: value -> weights * value + bonus. The value is the total reward, or, where the
paper has it so, the plain advantage; `replacement(values)` takes its place. A user's own is a dotted path to a function of
`Signals` that returns weights (..., G) or an `Effect`, or to a `Measure`.
"""

from dra_toolkit.diversity.measures import (
    clusters,
    evol,
    history,
    likelihood,
    maxrl,
    mmr,
    objectives,
    redundancy,
    sets_of_k,
)
from dra_toolkit.diversity.measures.custom import load_measure, loaded_measure
from dra_toolkit.diversity.measures.interface import ActsOn, Effect, Measure, Option
from dra_toolkit.diversity.measures.shared import replacement
from dra_toolkit.diversity.measures.signals import NEEDS, Need, Signals

MEASURES: dict[str, Measure] = {
    name: measure
    for room in (redundancy, mmr, evol, clusters, likelihood, maxrl, objectives, sets_of_k, history)
    for name, measure in room.MEASURES.items()
}
"""The toolkit's own measures by their name in a recipe."""


def find_measure(name: str) -> Measure:
    """Return the measure of a name, or one of the user's that `load_measure` has loaded before.

    Nothing is imported here: to read a recorded run must not run code that the run names. Raises MeasureError.
    """
    return MEASURES[name] if name in MEASURES else loaded_measure(name)


def measure_options() -> dict[str, Option]:
    """Return the options of all measures by recipe key, `<measure>_<option>`."""
    return {f"{name}_{option.name}": option for name, measure in MEASURES.items() for option in measure.options}
