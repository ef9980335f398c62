"""The quickstart: a tiny task that can be solved in several ways, its data, reward and base model.

`task` draws the problems, `derivations` writes them out in five styles, `checker` reads what a model wrote, `reward` is
what a recipe names; `tokenizer`, `base_model` and `measure` make the model, and `make` puts all of it into the cache,
where `assets` finds it.
Nothing here imports torch until a model is made.
"""

from dra_toolkit.quickstart.assets import QuickstartAssets, cache_dir, cached_ways
from dra_toolkit.quickstart.checker import (
    Analysis,
    analyse,
    distinct_correct_styles,
    effective_styles,
    equations,
    style_of,
    well_formed_answer,
)
from dra_toolkit.quickstart.derivations import KEY_PHRASES, STYLES, render
from dra_toolkit.quickstart.make import ways
from dra_toolkit.quickstart.task import Problem, Problems, accepts, problems

__all__ = [
    "KEY_PHRASES",
    "STYLES",
    "Analysis",
    "Problem",
    "Problems",
    "QuickstartAssets",
    "accepts",
    "analyse",
    "cache_dir",
    "cached_ways",
    "distinct_correct_styles",
    "effective_styles",
    "equations",
    "problems",
    "render",
    "style_of",
    "ways",
    "well_formed_answer",
]
