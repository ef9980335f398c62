"""The keys of a recipe in sections, as values with types: `recipe.launch.num_processes`, `recipe.hub.push_to_hub`."""

from __future__ import annotations

from dra_toolkit.recipe.sections.declaring import Key, Section
from dra_toolkit.recipe.sections.embedding import Embedding
from dra_toolkit.recipe.sections.inputs import Data, Model
from dra_toolkit.recipe.sections.launching import Launch, Vllm
from dra_toolkit.recipe.sections.method import DIVERSITY_PRESETS, PRESET, SCALING, Objective
from dra_toolkit.recipe.sections.training import Hub, Output, Training

SECTIONS: tuple[type[Section], ...] = (Output, Launch, Vllm, Model, Data, Objective, Embedding, Training, Hub)

__all__ = ["DIVERSITY_PRESETS", "PRESET", "SCALING", "SECTIONS", "Data", "Embedding", "Hub", "Key", "Launch", "Model"]
__all__ += ["Objective", "Output", "Section", "Training", "Vllm"]
