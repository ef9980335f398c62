"""The model card of a run: what was trained, from what, on what, and how, ready for the Hub.

What comes from a recipe can neither end its code block nor reach the header; local folders are named by their last part.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2
from huggingface_hub import ModelCardData

from dra_toolkit import __version__
from dra_toolkit.diversity import SETTING_KEYS
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe
from dra_toolkit.recipe.check_data import HUB_ID
from dra_toolkit.recipe.keys import flagged
from dra_toolkit.recipe.sections import Data, Embedding, Launch, Objective, Training
from dra_toolkit.safe_text import visible

HUB = "https://huggingface.co"
TEMPLATE = Path(__file__).with_name("model_card.md.jinja")
TAGS = ("dra-toolkit", "dra-grpo", "grpo", "trl", "reinforcement-learning", "arxiv:2505.09655")
PACKAGES = ("trl", "transformers", "torch", "accelerate", "datasets", "vllm", "deepspeed", "peft")
DIVERSITY_KEYS = (*(each.key for each in SETTING_KEYS.values() if not each.borrowed), *flagged("on_card", Embedding))
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

    text: the recipe as written. step: of the weights. repo: their place on the Hub. links: addresses of the run in trackers.
    """
    chosen = [key for key in sorted(recipe.owned_by("reward")) if recipe.settings[key].origin in ("recipe", "override")]
    installed = {name: next((d.version for d in metadata.distributions(name=name)), None) for name in PACKAGES}
    paths = {value for setting in recipe.settings.values() for value in _local_paths(setting.value)}
    template = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    template.filters |= {"code": code, "block": block, "named": _named}
    template.filters["plain"] = lambda name: name if _on_hub(name) else Path(name).name or name
    template.filters["cut"] = partial(without_local_paths, paths=sorted(paths, key=len, reverse=True))
    return template.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        recipe=recipe,
        step=step,
        header=_header(recipe, tags),
        title=re.sub(r"([\\`*_\[\]<>#!|])", r"\\\1", visible(recipe.output_dir.name, one_line=True)),
        links=[link for link in links if re.fullmatch(r"https?://[\w.:/?&=%+-]+", link)],
        keys={"diversity": DIVERSITY_KEYS, "training": TRAINING_KEYS, "rewards": chosen},
        where=repo if repo and HUB_ID.fullmatch(repo) else "FOLDER_OR_HUB_ID",
        text=text,
        versions={"dra-toolkit": __version__} | {name: found for name, found in installed.items() if found},
    )


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


def without_local_paths(text: Any, paths: Iterable[str]) -> str:
    """Return a text with `paths`, longest first, and whatever looks like a path replaced by its last component."""
    text = str(text)
    for path in paths:
        text = text.replace(path, Path(path).name)
    return _LOCAL_PATH.sub(lambda match: match[1] or "local", text) or " "


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
    model = recipe.model.model_name_or_path
    facts = ModelCardData(
        base_model=model if _on_hub(model) else None,
        datasets=[name for name in recipe.data.names if _on_hub(name)] or None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=list(dict.fromkeys([*TAGS, *(visible(tag, one_line=True) for tag in tags)])),
    )
    return f"---\n{facts.to_yaml()}\n---\n"
