"""The diversity adjustment in numpy: one implementation for training, terminal, dashboard and replay.

Read in order, the modules are the method (arXiv 2505.09655): `similarity` of a group's completions; the `measures`, one
family a module, of how much a completion adds to its group; `weights` on the `totals` of the reward functions; group
`advantages`. `settings` says which of it is wanted, `adjust` joins it, and `group_statistics` says how diverse a group is.
Every function works on one group or on many stacked on leading axes (...).
"""

from dra_toolkit.diversity.adjust import adjust, adjust_signals
from dra_toolkit.diversity.advantages import (
    ESTIMATORS,
    SCALINGS,
    Estimator,
    Scaling,
    adjusted_advantages,
    estimator_of,
    fitting_estimator,
    group_advantages,
    replaces_advantages,
    total_rewards,
)
from dra_toolkit.diversity.examples import idle_note
from dra_toolkit.diversity.group_statistics import (
    distinct_ratio,
    mean_similarity,
    reward_spread,
    vendi_score,
    zero_spread,
)
from dra_toolkit.diversity.labels import LABELS, Labeller, equal_labels, load_labeller, similar_labels
from dra_toolkit.diversity.measures import (
    MEASURES,
    Effect,
    Measure,
    Option,
    Signals,
    find_measure,
    load_measure,
    measure_options,
    replacement,
)
from dra_toolkit.diversity.measures.redundancy import graph_cut
from dra_toolkit.diversity.measures.signals import OF_POLICY, RECORDED
from dra_toolkit.diversity.prompt_history import PromptHistory
from dra_toolkit.diversity.rows import AdjustedRows, adjust_rows, padded_adjustment
from dra_toolkit.diversity.settings import PRESETS, SETTING_KEYS, DiversitySettings, discount_of, diversity_settings
from dra_toolkit.diversity.similarity import centred_similarity, cosine_similarity
from dra_toolkit.diversity.weights import NEGATIVE_TOTALS, WEIGHT_SCALES, ZERO_SPREAD_GROUPS, redundancy_weights
from dra_toolkit.dotted import is_dotted
