"""Keys of what completions are compared by."""

from __future__ import annotations

from dataclasses import dataclass

from dra_toolkit.embedding import EMBEDDERS, PARTS, EmbedderSettings
from dra_toolkit.recipe.sections.declaring import Section, ours


@dataclass(frozen=True, kw_only=True)
class Embedding(Section):
    """What completions are compared by."""

    embedder: str = ours(
        EmbedderSettings().name,
        f"{', '.join(EMBEDDERS)}, a sentence-transformers id or folder, the dotted path of a function, or none.",
        on_card=True,
        in_summary=True,
    )
    embed_part: list[str] = ours(
        ["completion"],
        "What is embedded: completion, reasoning or answer; of a list the mean of the parts' similarities counts.",
        choices=PARTS,
    )
    embedder_revision: str | None = ours(None, "Commit of the embedder's weights.", on_card=True)
    embedder_max_length: int | None = ours(
        None, "Longest completion, in tokens, that is embedded whole.", low=1, on_card=True
    )
    embedder_batch_tokens: int = ours(16384, "Padded tokens per embedding batch; on a CPU at most 2048.", low=1)

    @property
    def settings(self) -> EmbedderSettings:
        """The embedder that the keys ask for; `none` asks for none."""
        return EmbedderSettings(
            name=self.embedder,
            revision=self.embedder_revision,
            max_length=self.embedder_max_length,
            batch_tokens=self.embedder_batch_tokens,
            parts=tuple(self.embed_part),
        )
