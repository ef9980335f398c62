"""The settings of a what-if: which can be changed for a run, what was recorded, what is asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dra_app.params import Params
from dra_toolkit.diversity import MEASURES, SETTING_KEYS, DiversitySettings, is_dotted, measure_options
from dra_toolkit.diversity.measures.signals import RECORDED
from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import is_measured
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.inspection.replay.settings import Changes, read_changes, recorded_settings, scaling_of
from dra_toolkit.recipe import Key, known_keys
from dra_toolkit.runs import FileFacts, Run

DECLARED = {each.key: each for each in SETTING_KEYS.values()}
SHARED = ("diversity", "scale_rewards", *(key for key, each in DECLARED.items() if each.field != "measure"))
"""Keys of a recipe that can be changed whatever the measure, in the order of the form."""
SCALING_HELP = "What advantages are divided by: the standard deviation of the group, of the batch, or nothing."
LONGEST = 1_000
"""Characters of the changes in the address."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One setting in the form."""

    known: Key
    help: str
    recorded: Any
    value: Any
    disabled: Mapping[str, str] = field(default_factory=dict)
    """Choice -> why it cannot be taken with what was recorded."""

    @property
    def key(self) -> str:
        """The recipe's key."""
        return self.known.name

    @property
    def choices(self) -> tuple[str, ...]:
        """Values to choose from, a measure of the user's own among them where it was recorded; none for a number."""
        own = (self.recorded,) if self.known.choices and self.recorded not in self.known.choices else ()
        return (*own, *self.known.choices)

    @property
    def is_changed(self) -> bool:
        """Whether another value than the recorded one is asked for."""
        return bool(self.value != self.recorded)

    @staticmethod
    def written(value: Any) -> str:
        """Return a value as a recipe writes it."""
        return value if isinstance(value, str) else json.dumps(value)


def facts_of(run: Run, step: int, mode: Mode) -> FileFacts:
    """Return how the groups of a step were recorded."""
    found = list(run.store.snapshot(mode=mode, steps=(step, step)).facts.values())
    if not found:
        run.require_step(step, mode)
        raise RunError(f"{run.name}: no {mode} groups of step {step}")
    return found[-1]


def changes_from(params: Params) -> Changes:
    """Return the changes that a request asks for, `key=value` with commas between; raises DRAError for what cannot be.

    What would import or download something is refused: an address must not make the server run code.
    """
    asked = str(params.get("set") or "")
    if len(asked) > LONGEST:
        raise RunError(f"set: found {len(asked)} characters, expected at most {LONGEST}")
    items = [item for item in asked.split(",") if item.strip()]
    allowed = (*SHARED, *measure_options(), "diversity_preset")
    for item in items:
        key, _, value = item.partition("=")
        if key not in allowed:
            raise RunError(f"set: found {key[:60]!r}, expected one of {', '.join(allowed)}")
        if key in ("diversity", "diversity_labels") and (is_dotted(value) or value not in known_keys()[key].choices):
            raise RunError(f"set: {key}: found {value[:60]!r}, expected one of {', '.join(known_keys()[key].choices)}")
    return read_changes(items)


def written(changes: Changes) -> str:
    """Return changes as the address has them."""
    return ",".join(changes.written())


def fields_of(facts: FileFacts, mode: Mode, changes: Changes, record: GroupRecord) -> list[Field]:
    """Return the form: shared settings, and the options of the measure that is asked for."""
    recorded = _flat(recorded_settings(facts, mode), scaling_of(facts.made))
    values = _flat(changes.settings(facts, mode), scaling_of(changes.estimator(facts)))
    measure = MEASURES.get(values["diversity"])
    options = [f"{values['diversity']}_{option.name}" for option in measure.options] if measure else []
    defaults = {key: option.default for key, option in measure_options().items()}
    return [
        _field(key, recorded.get(key, defaults.get(key)), values.get(key, defaults.get(key)), record)
        for key in (SHARED[0], *options, *SHARED[1:])
        if key != "per_device_train_batch_size" or values["diversity_scope"] == "rank_slice"
    ]


def missing_inputs(record: GroupRecord) -> dict[str, str]:
    """Return for each measure that cannot be computed from what was recorded why not."""
    there = {"labels", "lengths", "history", *(name for name in RECORDED if getattr(record, name) is not None)}
    there |= {"similarity"} if is_measured(record) else set()
    absent = ((name, [need for need in measure.needs if need not in there]) for name, measure in MEASURES.items())
    return {
        name: f"{needs[0].replace('log_probs', 'log-probabilities')} not recorded" for name, needs in absent if needs
    }


def _field(key: str, recorded: Any, value: Any, record: GroupRecord) -> Field:
    known, declared = known_keys()[key], DECLARED.get(key)
    disabled: dict[str, str] = {}
    if key == "diversity":
        own = {} if recorded in known.choices else {recorded: "your own measure is not imported here"}
        disabled = missing_inputs(record) | own
    elif key == "diversity_scope" and record.embeddings is None:
        disabled = {"rank_slice": "embeddings not recorded"}
    said = declared.help if declared else known.help or SCALING_HELP
    return Field(known=known, help=said, recorded=recorded, value=value, disabled=disabled)


def _flat(settings: DiversitySettings, scaling: str | None) -> dict[str, Any]:
    """Return settings by recipe key; a dotted measure's options are not known, and so not there."""
    return {**settings.as_recipe(), "scale_rewards": scaling}
