"""Dynamic sampling: groups whose totals are all equal teach nothing, and give way to groups of other prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from trl import RLOOTrainer

from dra_toolkit.diversity import zero_spread
from dra_toolkit.training.group_recording import GroupRecording
from dra_toolkit.training.reward_checks import drop_infinities


class DynamicSampling(GroupRecording):
    """Mixin for trainers that sample as GRPOTrainer does, before `GroupRecording`; needs `GroupAdjustment` beside it.

    TRL scores once what it sampled: here that is scored, and sampled anew where it must be, right after sampling; the
    rewards of what stays are handed to TRL when it asks. Every process draws the same prompts.
    """

    _rounds = 0
    _inputs: list[dict[str, Any]]
    _generated: Any = None
    _scored: torch.Tensor | None = None

    def _check_sampling(self, rounds: int, given: Mapping[str, Any]) -> None:
        """Refuse, before a model is loaded, what prompts cannot be exchanged in."""
        data = given.get("train_dataset")
        columns = getattr(data, "column_names", None) or ()
        unable = [name for name in ("environment_factory", "rollout_func") if given.get(name) is not None]
        unable += [f"a column {name!r}" for name in ("image", "images") if name in columns]
        unable += [] if hasattr(data, "__len__") else ["data without a length"]
        unable += ["RLOO"] if isinstance(self, RLOOTrainer) else []
        if rounds and unable:
            raise ValueError(
                f"dynamic_sampling_rounds: found {rounds} with {unable[0]}, for which no other prompt is drawn"
            )

    def _generate(self, prompts: Any) -> Any:
        self._generated = generated = super()._generate(prompts)
        if not (self._rounds and self.model.training):
            return generated
        scored, discarded, sampled_tokens = self._score(prompts, generated), 0, 0
        for round_ in range(1, self._rounds + 1):
            measured = self._measure(self._inputs, prompts, generated[3], generated[1], scored, without_spread=True)
            equal = np.flatnonzero(zero_spread(measured.adjustment.totals))
            if not equal.size:
                break
            records = self._publish_discarded(measured, equal, round_)
            discarded += len(records)
            sampled_tokens += sum(int(record.group.token_counts.sum()) for record in records)
            self._generated = generated = self._replaced(prompts, generated, equal, round_)
            again, stays = self._score(prompts, generated), np.ones(len(scored), dtype=bool)
            stays[self._rows(equal)] = False
            scored = torch.where(torch.from_numpy(stays).to(scored.device)[:, None], scored, again)
        self._scored = scored
        self._log_metric("diversity/discarded_groups", discarded)
        self._log_metric("diversity/discarded_tokens", sampled_tokens)
        return generated

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> torch.Tensor:
        scored, self._scored = self._scored, None
        return (
            super()._calculate_rewards(inputs, prompts, completions, completion_ids_list) if scored is None else scored
        )

    def _score(self, prompts: Any, generated: Any) -> torch.Tensor:
        self._pending_extra_logs.clear()  # of what was discarded; the table has a row for each that stays
        scored = super()._calculate_rewards(self._inputs, prompts, generated[3], generated[1])
        return drop_infinities(scored, self.reward_func_names, self._tell_once)

    def _rows(self, groups: Any) -> Any:
        """Return the rows of groups among those of all processes."""
        return (groups[:, None] * self.num_generations + np.arange(self.num_generations)).reshape(-1)

    def _replaced(self, prompts: Any, generated: Any, groups: Any, round_: int) -> tuple[Any, ...]:
        """Return all completions with those of other prompts in the place of groups; `prompts` and the inputs follow."""
        count = len(prompts)
        random = np.random.default_rng([self.args.seed, self.state.global_step, round_])
        drawn = random.choice(len(self.train_dataset), len(groups), replace=len(groups) > len(self.train_dataset))
        of_group = dict(zip(groups.tolist(), drawn.tolist(), strict=True))
        rows = self._rows(groups)
        mine = [int(row) % count for row in rows if row // count == self.accelerator.process_index]
        for place in mine:
            group = (place + self.accelerator.process_index * count) // self.num_generations
            row = self.train_dataset[of_group[group]]
            self._inputs[place] = {name: row[name] for name in self._inputs[place]}
            prompts[place] = self._inputs[place]["prompt"]
        most = int(np.bincount(rows // count).max())  # each process samples as many: it is done by all together
        fresh = super()._generate([prompts[place] for place in mine] + prompts[: most - len(mine)])
        return tuple(_with(old, new, mine) for old, new in zip(generated, fresh, strict=True))


def _with(old: Any, new: Any, places: Sequence[int]) -> Any:
    """Return a list of what is known of each row with some rows replaced by the first of a new one."""
    if not isinstance(old, list) or not old:
        return old
    changed = list(old)
    for row, place in enumerate(places):
        changed[place] = new[row]
    return changed
