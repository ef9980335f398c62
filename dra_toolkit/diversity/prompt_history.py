"""How often each prompt was answered right and wrong so far, what is longer ago counting less."""

from collections.abc import Iterable, Sequence

import numpy as np

from dra_toolkit.groups import Array


class PromptHistory:
    """Discounted numbers of right and wrong completions of each prompt, before the group that is looked at.

    discount    what earlier visits count for at each further one: 1 forgets nothing, 0 keeps the last visit alone
    """

    def __init__(self, discount: float, visits: Iterable[tuple[str, float, float]] = ()) -> None:
        """Start from visits, in the order in which they were made: prompt, right and wrong completions of its group."""
        self.discount = discount
        self._known: dict[str, tuple[float, float]] = {}
        for visit in visits:
            self.add(*visit)

    def before(self, prompts: Sequence[str]) -> Array:
        """Return right and wrong completions of each prompt so far, (P, 2); 0 and 0 of one that was never seen."""
        return np.array([self._known.get(prompt, (0.0, 0.0)) for prompt in prompts], dtype=np.float64).reshape(-1, 2)

    def add(self, prompt: str, right: float, wrong: float) -> None:
        """Add a group of a prompt."""
        before = self._known.get(prompt, (0.0, 0.0))
        self._known[prompt] = self.discount * before[0] + right, self.discount * before[1] + wrong
