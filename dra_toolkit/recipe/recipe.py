"""The resolved recipe: a value for every key, and where each came from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from dra_toolkit.diversity import diversity_settings
from dra_toolkit.embedding import EmbedderSettings
from dra_toolkit.errors import RunError
from dra_toolkit.recipe.sections import Data, Embedding, Hub, Launch, Model, Objective, Output, Training, Vllm
from dra_toolkit.safe_text import kind_and_line

Origin = Literal["recipe", "override", "derived", "legacy default", "dra default", "TRL default"]

RESOLVED_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One key's value and where it came from."""

    value: Any
    origin: Origin

    @property
    def is_given(self) -> bool:
        """Whether the recipe or an override says it."""
        return self.origin in ("recipe", "override")


@dataclass(frozen=True, kw_only=True)
class Recipe(Mapping[str, Any]):
    """A checked recipe: `recipe.launch.num_processes` is a value with its type, and so on by section.

    `recipe["learning_rate"]` is any key's value; `recipe.settings` also knows its origin.
    """

    name: str
    """The file's name without its ending; names the run."""
    settings: Mapping[str, Setting]
    folder: Path | None = None
    """The folder of the file, where what it names is looked for first; not known of a recorded recipe."""
    text: str = ""
    """The YAML as it was read, kept in the run directory."""
    notes: tuple[str, ...] = field(default=())
    """One line each on something legal that may surprise."""

    def __getitem__(self, key: str) -> Any:
        return self.settings[key].value

    def __iter__(self) -> Iterator[str]:
        return iter(self.settings)

    def __len__(self) -> int:
        return len(self.settings)

    launch = cached_property(Launch.of)
    vllm = cached_property(Vllm.of)
    model = cached_property(Model.of)
    data = cached_property(Data.of)
    objective = cached_property(Objective.of)
    diversity = cached_property(diversity_settings)
    """How rewards are adjusted; raises SettingsError, its problems by recipe key."""
    training = cached_property(Training.of)
    output = cached_property(Output.of)
    hub = cached_property(Hub.of)

    @cached_property
    def embedder(self) -> EmbedderSettings:
        """What completions are compared by; the name `none` asks for nothing."""
        return Embedding.of(self).settings

    @property
    def output_dir(self) -> Path:
        """The run directory."""
        return Path(os.path.expanduser(self["output_dir"]))

    def chosen(self) -> dict[str, Setting]:
        """Return the settings that are not TRL's own defaults."""
        return {key: setting for key, setting in self.settings.items() if setting.origin != "TRL default"}

    def owned_by(self, owner: str) -> dict[str, Any]:
        """Return the chosen values of the keys that belong to one TRL class, to `dra`, or to the rewards."""
        from dra_toolkit.recipe.keys import known_keys

        owned = {name for name, key in known_keys().items() if key.owner == owner}
        return {key: setting.value for key, setting in self.chosen().items() if key in owned}

    def to_json(self) -> str:
        """Return the resolved recipe as it is written to resolved.json."""
        settings = {key: {"value": s.value, "origin": s.origin} for key, s in sorted(self.settings.items())}
        return json.dumps({"version": RESOLVED_VERSION, "name": self.name, "settings": settings}, indent=1) + "\n"

    @classmethod
    def from_json(cls, document: str, where: Path) -> Recipe:
        """Read resolved.json back; raises RunError naming `where` if it is not one of this version."""
        try:
            found = json.loads(document)
            version, name, settings = found["version"], found["name"], dict(found["settings"])
            if not isinstance(version, int) or not isinstance(name, str):
                raise TypeError("version is no number, or name no text")
            if version > RESOLVED_VERSION:
                raise RunError(
                    f"{where}: written by a newer dra-toolkit (version {version}, this one reads {RESOLVED_VERSION})"
                )
            read = {key: Setting(value=each["value"], origin=each["origin"]) for key, each in settings.items()}
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(f"{where}: not a resolved recipe ({kind_and_line(error)})") from None
        return cls(name=name, settings=read)
