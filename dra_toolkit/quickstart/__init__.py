"""The quickstart: a tiny task that can be solved in several ways, its data, reward and base model.

`task` draws the problems, `derivations` writes them out in five styles, `checker` reads what a model wrote, `reward` is
what a recipe names; `tokenizer` and `base_model` make the model, and `assets` puts all of it into the cache.
Nothing here imports torch until a model is made.
"""

from dra_toolkit.quickstart.addition_ways import KEY_PHRASES, STYLES
from dra_toolkit.quickstart.assets import QuickstartAssets, cache_dir, cached_ways, ways
from dra_toolkit.quickstart.checker import distinct_correct_styles, effective_styles, style_of, well_formed_answer
from dra_toolkit.quickstart.derivations import render
from dra_toolkit.quickstart.task import Problem, Problems, accepts, problems

__all__ = ["KEY_PHRASES", "STYLES", "Problem", "Problems", "QuickstartAssets", "accepts", "cache_dir", "cached_ways"]
__all__ += [
    "distinct_correct_styles",
    "effective_styles",
    "problems",
    "render",
    "style_of",
    "ways",
    "well_formed_answer",
]
