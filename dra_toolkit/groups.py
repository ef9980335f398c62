"""The values that travel from sampling to the dashboard: a group, its adjustment, its record.

Letters used for array shapes throughout the package:

    P   prompts in one generation batch
    G   completions sampled for one prompt; together they are a *group*
    N   completions in one generation batch, N = P * G, always in group order
    K   reward functions
    d   length of an embedding
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.errors import RunError

Array = NDArray[np.floating[Any]]
Mode = Literal["train", "eval", "discarded"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One turn of a prompt or a completion; plain-text prompts are a single message with the role `text`."""

    role: str
    content: str
    calls: str = ""
    """The tools that it calls, as JSON: a list of objects with `name` and `arguments`; empty if none."""
    images: tuple[str, ...] = ()
    """Each image that it shows, in order, by hash and size: `sha256:0123456789abcdef 640x480`."""

    @property
    def is_plain(self) -> bool:
        """Whether it is text and nothing else."""
        return not self.calls and not self.images

    def __str__(self) -> str:
        return "\n".join(filter(None, (self.content, self.calls, *(f"[image {image}]" for image in self.images))))


Prompt = tuple[Message, ...]
Turns = tuple[Message, ...]
"""What was said after the prompt: by the policy, by tools, by the policy again."""


def mean_of_known(values: Any) -> float:
    """Return the mean of the values that are neither None nor NaN; NaN if there are none.

    >>> mean_of_known([1.0, None, 3.0])
    2.0
    """
    numbers = np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype=np.float64)
    known = numbers[~np.isnan(numbers)]
    return float(known.mean()) if known.size else float("nan")


def prompt_hash(prompt: Prompt) -> str:
    """Identify a prompt by its content: 16 hexadecimal digits, equal for equal messages in every run."""
    digest = hashlib.blake2b(digest_size=8)
    for message in prompt:
        for part in (message.role, message.content, *filter(None, (message.calls, *message.images))):
            encoded = part.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class CompletionGroup:
    """The G completions sampled for one prompt, each scored by K reward functions; nothing derived."""

    prompt: Prompt
    """The messages that the completions answer."""
    completions: tuple[str, ...]
    """G texts, as decoded, without special tokens: all that the policy wrote, its calls included, no output of tools."""
    token_counts: NDArray[np.int32]
    """(G,) tokens of each completion."""
    finish_reasons: tuple[str, ...]
    """G times `stop` (ended by itself) or `length` (cut at the longest length allowed)."""
    rewards: Mapping[str, Array]
    """For each of K reward functions its raw values, (G,); NaN where the function abstained."""
    reward_weights: Mapping[str, float]
    """The factor of each reward function in the total."""
    turns: tuple[Turns | None, ...] | None = None
    """Of each completion what was said in turn, where it is more than one text; None where none is."""
    policy_tokens: NDArray[np.int32] | None = None
    """(G,) how many of the tokens the policy wrote, where tools wrote others."""
    gold: str | None = None
    """The reference answer that the reward functions saw."""
    verdicts: tuple[str | None, ...] | None = None
    """What a judge said of each completion given the gold: `right`, `wrong`, or why it said neither."""
    texts_dropped: bool | None = None
    """Whether the record did not keep the texts (`record_texts`); `completions` then say so instead."""

    def __len__(self) -> int:
        return len(self.completions)

    @property
    def texts(self) -> tuple[str, ...]:
        """The completions, for what is computed from them; raises RunError where the record did not keep them."""
        if self.texts_dropped:
            raise RunError("texts of this group were not kept (record_texts); its numbers and similarity are there")
        return self.completions

    def shown(self, i: int) -> str:
        """Return completion i as it is read: its text, or its turns, each after the role that said it."""
        turns = self.turns[i] if self.turns else None
        return self.completions[i] if turns is None else "\n".join(f"[{turn.role}] {turn}" for turn in turns)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Adjustment:
    """What the diversity adjustment made of one group, or of many stacked on leading axes (...)."""

    similarity: Array
    """(..., G, G) cosine similarity of the completions, as measured: not clamped; diagonal 1."""
    redundancy: Array
    """(..., G) how much of a completion the rest of its group already says, from the clamped similarity."""
    weights: Array
    """(..., G) factor on the total reward, or on the advantage for a measure that acts on advantages."""
    totals: Array
    """(..., G) total reward before the adjustment; NaN where every function abstained."""
    adjusted: Array
    """(..., G) total reward after it: weights * totals + bonus; the totals where the measure acts on advantages."""
    bonus: Array | None = None
    """(..., G) what the measure adds after the factor; None where it only multiplies."""

    def __getitem__(self, index: Any) -> Adjustment:
        """Select along the leading axes: `adjustment[p]` is the adjustment of group p."""
        found = ((field.name, getattr(self, field.name)) for field in fields(self))
        chosen: dict[str, Any] = {name: None if value is None else value[index] for name, value in found}
        return Adjustment(**chosen)

    def __iter__(self) -> Iterator[Adjustment]:
        return (self[p] for p in range(len(self.totals)))


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class GroupRecord:
    """One group as it was recorded: who it is, what was sampled, what was made of it, what the trainer used."""

    mode: Mode
    """Whether the group was sampled to train on, to evaluate, or sampled and then discarded before training."""
    step: int
    """Optimizer step that first uses the group, counted from 1 as in the metrics; in evaluation, the step reached."""
    batch: int
    """Which generation batch of that step, from 0; above 0 only where one step needs several batches."""
    index: int
    """Position of the group within its batch, from 0."""
    attempt: int
    """Which start of the run recorded it: 1, and one more with every resume."""
    group: CompletionGroup
    """The completions and their raw rewards."""
    adjustment: Adjustment
    """Similarity, redundancy, weights and totals, all of this one group: (G, G) and (G,)."""
    plain_advantages: Array
    """(G,) advantages that the unadjusted totals would have given."""
    advantages: Array
    """(G,) advantages that the trainer used."""
    embeddings: Array | None = None
    """(G, d) unit vectors, where the recipe asked to keep them."""
    labels: NDArray[np.integer[Any]] | None = None
    """(G,) which cluster each completion belongs to, where the measure reads clusters."""
    log_probs: Array | None = None
    """(G,) mean log-probability of each completion's tokens when sampled, where the measure reads it."""
    discard_reason: str | None = None
    """Why the group was not trained on; only with the mode `discarded`."""

    def __repr__(self) -> str:
        where = f"{self.mode} step {self.step}, batch {self.batch}, group {self.index}"
        return f"<GroupRecord {where}: {len(self.group)} completions, prompt {self.prompt_hash}>"

    @property
    def prompt_hash(self) -> str:
        """Identity of the prompt across steps and runs."""
        return prompt_hash(self.group.prompt)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: numbers, similarity and texts, harmless whatever the texts are."""
        from dra_toolkit.inspection.group_html import group_html  # shown only where inspection is wanted

        return group_html(self)
