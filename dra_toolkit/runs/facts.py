"""What holds for every group of a file: how its groups were made, kept in the file itself so that it can be read alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, cast

from dra_toolkit.diversity import DiversitySettings, Estimator, Scaling, estimator_of
from dra_toolkit.errors import RunError

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 2
METADATA_KEY = b"dra"


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """What holds for every group of a file, and lets it be replayed alone; stored as JSON in its metadata."""

    run: str
    reward_weights: dict[str, float]
    """Factor of each reward function in the total."""
    scale_rewards: str
    """How advantages were scaled: group, batch or none."""
    diversity: DiversitySettings
    """How rewards were adjusted."""
    embedder: str
    """What the similarity was measured with."""
    correct_by: str | None = None
    """The reward function that tells right from wrong: a completion is correct where it gives more than 0."""
    estimator: Estimator | None = None
    """How advantages were made of the totals, where `scale_rewards` does not say it: TRL's otherwise."""
    record_texts: float = 1.0
    """Share of the groups whose texts are kept when files are joined."""
    version: int = SCHEMA_VERSION

    @property
    def made(self) -> Estimator:
        """How advantages were made of the totals."""
        return self.estimator or estimator_of(cast(Scaling, self.scale_rewards))


def stored_facts(schema: pa.Schema, where: str) -> FileFacts:
    """Return the facts in the metadata of a file; raises RunError if it is not ours or of a newer version."""
    stored = (schema.metadata or {}).get(METADATA_KEY)
    if stored is None:
        raise RunError(f"{where}: not written by dra-toolkit")
    found = json.loads(stored)
    if found["version"] > SCHEMA_VERSION:
        raise RunError(
            f"{where}: schema version {found['version']}, this dra-toolkit reads up to {SCHEMA_VERSION}; update it"
        )
    known = {field.name for field in fields(FileFacts)}
    kept = {key: value for key, value in found.items() if key in known}
    made = found.get("estimator")
    try:  # a setting that an older file does not know of has its default, which changes nothing
        kept["diversity"] = DiversitySettings(**found["diversity"])
        kept["estimator"] = None if made is None else Estimator(**made)
    except (TypeError, ValueError) as error:
        raise RunError(f"{where}: has settings that this dra-toolkit does not know ({error}); update it") from None
    return FileFacts(**kept)
