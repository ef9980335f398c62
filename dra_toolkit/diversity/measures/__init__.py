"""Diversity measures by name, one module for each: from what is known of a group to factors and bonuses.

A measure maps `Signals` to an `Effect`: value -> weights * value + bonus. The value is the total reward, or, where the
paper has it so, the plain advantage; `replacement(values)` takes its place. A user's own is a dotted path to a function of
`Signals` that returns weights (..., G) or an `Effect`, or to a `Measure`.
"""

from __future__ import annotations

from dra_toolkit.diversity.measures import (
    cluster_size,
    darling,
    differential_smoothing,
    dqo,
    evol,
    facility_location,
    graph_cut,
    history,
    leave_one_out,
    log_det,
    maxrl,
    mmr,
    pass_at_k,
    pkpo,
    poly_epo,
    set_utility,
    ucpo,
    uniqueness,
    unlikeliness,
    w_reinforce,
)
from dra_toolkit.diversity.measures.custom import load_measure, loaded_measure
from dra_toolkit.diversity.measures.interface import (
    NEEDS,
    ActsBy,
    ActsOn,
    Effect,
    Measure,
    Need,
    Option,
    Signals,
    replacement,
)

MEASURES: dict[str, Measure] = {
    "graph_cut": graph_cut.MEASURE,
    "log_det": log_det.MEASURE,
    "facility_location": facility_location.MEASURE,
    "mmr": mmr.MEASURE,
    "set_utility": set_utility.MEASURE,
    "dqo": dqo.MEASURE,
    "evol": evol.MEASURE,
    "darling": darling.MEASURE,
    "cluster_size": cluster_size.MEASURE,
    "uniqueness": uniqueness.MEASURE,
    "unlikeliness": unlikeliness.MEASURE,
    "ucpo": ucpo.MEASURE,
    "maxrl": maxrl.MEASURE,
    "maxrl_graph_cut": maxrl.GRAPH_CUT,
    "maxrl_labels": maxrl.LABELS,
    "maxrl_log_probs": maxrl.LOG_PROBS,
    "pass_at_k": pass_at_k.MEASURE,
    "pkpo": pkpo.MEASURE,
    "poly_epo": poly_epo.MEASURE,
    "w_reinforce": w_reinforce.MEASURE,
    "leave_one_out": leave_one_out.MEASURE,
    "differential_smoothing": differential_smoothing.MEASURE,
    "history_gate": history.GATE,
    "history_baseline": history.BASELINE,
}
"""The toolkit's own measures by their name in a recipe."""

__all__ = [
    "MEASURES",
    "NEEDS",
    "ActsBy",
    "ActsOn",
    "Effect",
    "Measure",
    "Need",
    "Option",
    "Signals",
    "find_measure",
    "load_measure",
    "measure_options",
    "replacement",
]


def find_measure(name: str) -> Measure:
    """Return the measure of a name, or one of the user's that `load_measure` has loaded before.

    Nothing is imported here: to read a recorded run must not run code that the run names. Raises MeasureError.
    """
    return MEASURES[name] if name in MEASURES else loaded_measure(name)


def measure_options() -> dict[str, Option]:
    """Return the options of all measures by recipe key, `<measure>_<option>`."""
    return {f"{name}_{option.name}": option for name, measure in MEASURES.items() for option in measure.options}
