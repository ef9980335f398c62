"""The diversity adjustment in numpy: one implementation for training, terminal, dashboard and replay.

Read in order, the modules are the method (arXiv 2505.09655): `similarity` of a group's completions, `redundancy` of each
with the rest, `weights` on the `totals` of the reward functions, group `advantages`; `adjust` joins the first four, and
`measures` says how diverse a group is. Every function works on one group or on many stacked on leading axes (...).
"""

from dra_toolkit.diversity.adjust import SCOPES, DiversitySettings, adjust, adjust_similarity
from dra_toolkit.diversity.advantages import SCALINGS, Scaling, group_advantages
from dra_toolkit.diversity.measures import distinct_ratio, mean_similarity, reward_spread, vendi_score, zero_spread
from dra_toolkit.diversity.redundancy import MEASURES, graph_cut
from dra_toolkit.diversity.similarity import cosine_similarity
from dra_toolkit.diversity.totals import total_rewards
from dra_toolkit.diversity.weights import NEGATIVE_TOTALS, WEIGHT_SCALES, ZERO_SPREAD_GROUPS, redundancy_weights

__all__ = [
    "MEASURES",
    "NEGATIVE_TOTALS",
    "SCALINGS",
    "SCOPES",
    "WEIGHT_SCALES",
    "ZERO_SPREAD_GROUPS",
    "DiversitySettings",
    "Scaling",
    "adjust",
    "adjust_similarity",
    "cosine_similarity",
    "distinct_ratio",
    "graph_cut",
    "group_advantages",
    "mean_similarity",
    "redundancy_weights",
    "reward_spread",
    "total_rewards",
    "vendi_score",
    "zero_spread",
]
