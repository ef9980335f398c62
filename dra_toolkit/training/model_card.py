"""The model card of a run: what was trained, from what, on what, and how, ready for the Hub.

Everything that comes from a recipe is shown as literal text: it can neither end the code block that it stands in nor reach
the metadata header. Folders of this machine are named by their last component alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from dra_toolkit import __version__
from dra_toolkit.diversity import SETTING_KEYS
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe
from dra_toolkit.recipe.check_data import HUB_ID
from dra_toolkit.recipe.keys import flagged
from dra_toolkit.recipe.sections import Data, Embedding, Launch, Objective, Training
from dra_toolkit.safe_text import visible

HUB = "https://huggingface.co"
PAPER = "https://arxiv.org/abs/2505.09655"
TRL = "https://github.com/huggingface/trl"
TAGS = ("dra-toolkit", "dra-grpo", "grpo", "trl", "reinforcement-learning", "arxiv:2505.09655")
PACKAGES = ("trl", "transformers", "torch", "accelerate", "datasets", "vllm", "deepspeed", "peft")
LOSSES = {"grpo": "GRPO", "dr_grpo": "Dr. GRPO"}
DIVERSITY_KEYS = (
    *(each.key for each in SETTING_KEYS.values() if not each.borrowed),
    *flagged("on_card", Embedding),
)
TRAINING_KEYS = flagged("on_card", Objective, Training, Launch, Data)
_LOCAL_PATH = re.compile(r"(?<![\w.:/<~-])(?:~|\.{1,2})?/(?:[\w.+@=-]+/)+([\w.+@=-]*)")


def model_card(
    recipe: Recipe,
    *,
    text: str,
    step: int,
    repo: str | None = None,
    tags: Iterable[str] = (),
    links: Sequence[str] = (),
) -> str:
    """Return the card as Markdown with the Hub's metadata header.

    text: the recipe as it was written. step: optimizer steps behind the weights. repo: where the Hub has them.
    tags: further tags for the header. links: addresses of the run in its trackers.
    """
    sections = {
        "Diversity": _settings(recipe, DIVERSITY_KEYS),
        "Rewards": _rewards(recipe),
        "Training": _settings(recipe, TRAINING_KEYS),
        "Use": _use(recipe, repo),
        "Recipe": _recipe(recipe, text),
        "Versions": _versions(),
    }
    title = re.sub(r"([\\`*_\[\]<>#!|])", r"\\\1", visible(recipe.output_dir.name, one_line=True))
    lines = [_header(recipe, tags), f"# {title}\n", *_summary(recipe, step, links)]
    for heading, found in sections.items():
        lines += [f"\n## {heading}\n", *found]
    return "\n".join(lines) + "\n"


def method_name(recipe: Recipe) -> str:
    """Return what the training method is called: `DRA-GRPO`, `DRA-Dr. GRPO`, `GRPO`, `GRPO with the loss dapo`, ..."""
    loss = recipe.objective.loss_type
    name = LOSSES.get(loss) or f"GRPO with the loss {loss}"
    return name if recipe.diversity.measure == "none" else f"DRA-{name}"


def code(value: Any) -> str:
    """Return a value as a Markdown code span that its text cannot leave."""
    text = visible(str(value), one_line=True) or " "
    fence = _fence(text, 1)
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def block(text: str, language: str = "") -> str:
    """Return a text as a fenced code block that it cannot end."""
    fence = _fence(text, 3)
    return f"{fence}{language}\n{visible(text).rstrip()}\n{fence}"


def _fence(text: str, shortest: int) -> str:
    return "`" * max(shortest, 1 + max(map(len, re.findall("`+", text)), default=0))


def without_local_paths(text: str, recipe: Recipe) -> str:
    """Return a recipe's text with every path of this machine replaced by its last component."""
    paths = {value for setting in recipe.settings.values() for value in _local_paths(setting.value)}
    for path in sorted(paths, key=len, reverse=True):
        text = text.replace(path, Path(path).name)
    return _LOCAL_PATH.sub(lambda match: match[1] or "local", text)


def _local_paths(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        local = "/" in value and "\n" not in value and (value.startswith(("/", "~", ".")) or Path(value).exists())
        yield from [value] if local and len(value) > 1 else []
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _local_paths(inner)


def _on_hub(name: str) -> bool:
    return bool(HUB_ID.fullmatch(name)) and not Path(name).expanduser().exists()


def _named(name: str, kind: str = "") -> str:
    """Return a model or data set for the card: a link where the Hub has it, a local path by its last component alone."""
    if _on_hub(name):
        return f"[{name}]({HUB}/{kind}{name})"
    return code(name if name.startswith(BUILTIN_PREFIX) else Path(name).expanduser().name or "local")


def _header(recipe: Recipe, tags: Iterable[str]) -> str:
    from huggingface_hub import ModelCardData

    model = recipe.model.model_name_or_path
    facts = ModelCardData(
        base_model=model if _on_hub(model) else None,
        datasets=[name for name in recipe.data.names if _on_hub(name)] or None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=list(dict.fromkeys([*TAGS, *(visible(tag, one_line=True) for tag in tags)])),
    )
    return f"---\n{facts.to_yaml()}\n---\n"


def _summary(recipe: Recipe, step: int, links: Sequence[str]) -> Iterator[str]:
    data = recipe.data.names
    shares: Sequence[float | None] = recipe.data.dataset_weights or [None] * len(data)
    mixed = [
        _named(name, "datasets/") + (f" (share {share:g})" if share else "")
        for name, share in zip(data, shares, strict=False)
    ]
    yield f"- Method: {method_name(recipe)} ([paper]({PAPER})), with DRA Toolkit {__version__} on [TRL]({TRL})"
    yield f"- Base model: {_named(recipe.model.model_name_or_path)}, revision {code(recipe.model.model_revision)}"
    yield f"- Data: {', '.join(mixed)}, split {code(recipe.data.dataset_train_split)}"
    yield f"- Steps: {step}, with groups of {recipe.objective.num_generations} completions"
    yield from (f"- Curves: <{link}>" for link in links if re.fullmatch(r"https?://[\w.:/?&=%+-]+", link))
    yield ""


def _settings(recipe: Recipe, keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        value = recipe[key]
        shown = "null" if value is None else _plain_name(value) if key == "embedder" else value
        yield f"- {key}: {code(shown)}"


def _plain_name(name: str) -> str:
    return Path(name).name if "/" in name and not _on_hub(name) else name


def _rewards(recipe: Recipe) -> Iterator[str]:
    names = recipe.objective.reward_funcs
    for name, weight in zip(names, recipe.objective.reward_weights or [1.0] * len(names), strict=True):
        yield f"- {code(_plain_name(name))}, weight {weight:g}"
    given = ("recipe", "override")
    yield from _settings(recipe, [k for k in sorted(recipe.owned_by("reward")) if recipe.settings[k].origin in given])


def _use(recipe: Recipe, repo: str | None) -> Iterator[str]:
    where = repo if repo and HUB_ID.fullmatch(repo) else "FOLDER_OR_HUB_ID"
    yield block(
        "from transformers import pipeline\n\n"
        f'generate = pipeline("text-generation", model="{where}")\n'
        'messages = [{"role": "user", "content": "..."}]\n'
        'print(generate(messages, max_new_tokens=1024, return_full_text=False)[0]["generated_text"])',
        "python",
    )
    if recipe.data.system_prompt:
        yield "\nIt was trained with the system prompt that the recipe below states."
    yield "\nGo on training from these weights with the recipe below, or from a whole checkpoint in the run directory:\n"
    revision = " model_revision=step-00050" if recipe.hub.hub_revisions else ""
    yield block(f"dra train recipe.yaml model_name_or_path={where}{revision}\ndra train recipe.yaml --resume", "sh")


def _recipe(recipe: Recipe, text: str) -> Iterator[str]:
    yield "Paths of the machine that it ran on are cut to their last part.\n"
    yield block(without_local_paths(text, recipe) or " ", "yaml")
    changed = [
        f"{key}={without_local_paths(str(setting.value), recipe)}"
        for key, setting in sorted(recipe.settings.items())
        if setting.origin == "override"
    ]
    if changed:
        yield "\nWith these settings in place of the recipe's:\n"
        yield from (f"- {code(item)}" for item in changed)


def _versions() -> Iterator[str]:
    yield f"- dra-toolkit: {__version__}"
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            yield f"- {package}: {metadata.version(package)}"
