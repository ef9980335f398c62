"""Parts of completions, and an embedder that reads them with another one."""

from collections.abc import Sequence

import numpy as np

from dra_toolkit.embedding.protocol import Embedder, Embeddings

PARTS = ("completion", "reasoning", "answer")
_THINK, _ANSWER, _BOX = "</think>", "<answer>", "\\boxed{"


def split(text: str) -> tuple[str, str]:
    r"""Return the reasoning and the answer of a completion.

    The answer begins after the last `</think>`; without one, at the last `<answer>`; without that, at the last `\boxed{`;
    and a completion without any of them is all reasoning.

    >>> split(r"<think>7 and 8</think> It is \boxed{15}.")
    ('<think>7 and 8</think>', ' It is \\boxed{15}.')
    >>> split("I do not know")
    ('I do not know', '')
    """
    at = text.rfind(_THINK)
    if at >= 0:
        return text[: at + len(_THINK)], text[at + len(_THINK) :]
    at = text.rfind(_ANSWER)
    if at < 0:
        at = text.rfind(_BOX)
    return (text[:at], text[at:]) if at >= 0 else (text, "")


def part_of(text: str, part: str) -> str:
    """Return one of `PARTS` of a completion."""
    reasoning, answer = split(text)
    return {"completion": text, "reasoning": reasoning, "answer": answer}[part]


class PartsEmbedder:
    """Embeds parts of completions with another embedder.

    The unit vectors of several parts are concatenated, which makes the similarity of two completions the mean of their
    parts' similarities. A completion without a part is embedded as the empty text there: two of them are duplicates in it.
    """

    def __init__(self, embedder: Embedder, parts: Sequence[str]) -> None:
        self.name, self.max_length = embedder.name, embedder.max_length
        self._embedder, self._parts = embedder, tuple(parts)

    def embed(self, texts: Sequence[str], token_ids: Sequence[Sequence[int]] | None = None) -> Embeddings:
        """Embed N completions from their texts; `token_ids`, those of whole completions, are not read."""
        found = [self._embedder.embed([part_of(text, part) for text in texts]) for part in self._parts]
        vectors = np.concatenate([embedded.vectors for embedded in found], axis=1)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embeddings(
            vectors=np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0),
            truncated=max(embedded.truncated for embedded in found),
            invalid=max(embedded.invalid for embedded in found),
        )
