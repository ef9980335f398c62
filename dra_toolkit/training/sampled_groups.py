"""Groups after they were sampled: replaced where they teach nothing (dynamic sampling), and handed over as records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from trl import RLOOTrainer

from dra_toolkit.diversity import zero_spread
from dra_toolkit.errors import SettingsError
from dra_toolkit.groups import Array, GroupRecord, Mode
from dra_toolkit.training.batch import totals_of
from dra_toolkit.training.reward_checks import drop_infinities

if TYPE_CHECKING:
    from trl import GRPOTrainer as Trained
else:
    Trained = object

EVALUATED_TOGETHER = 4096
"""Completions of an evaluation that are handed over at once."""


class EvaluationStoppedError(Exception):
    """Somebody asked to stop while an evaluation was under way; raised by a callback on every process."""


class SampledGroups(Trained):
    """Mixin, to stand before one of TRL's trainers that sample as GRPOTrainer does; needs `GroupAdjustment` beside it.

    Groups of equal totals give way to others, the same in every process: all are scored right after sampling, and what stays
    keeps its rewards until TRL asks.
    """

    _rounds = 0
    _inputs: list[dict[str, Any]]
    _generated: Any = None
    _scored: torch.Tensor | None = None

    def _record_into(self, on_groups: Callable[[list[GroupRecord]], None] | None, attempt: int) -> None:
        self._on_groups, self._attempt = on_groups, attempt
        self._batches: dict[Mode, tuple[int, int]] = {}
        self._evaluated: list[GroupRecord] = []

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluate as TRL does; an evaluation that somebody stopped has no numbers."""
        try:
            return super().evaluate(*args, **kwargs)
        except EvaluationStoppedError:
            self._metrics["eval"].clear()
            self.control.should_evaluate = False  # what TRL's does when it ends by itself
            return {}
        finally:
            self._hand_over(self._evaluated)
            self._evaluated = []

    def _publish(self, measured: Sequence[GroupRecord], advantages: torch.Tensor) -> None:
        used = advantages.double().cpu().numpy().reshape(len(measured), -1)
        records = self._placed(measured, "train" if self.model.training else "eval", used)
        if self.model.training:
            self._hand_over(records)
            return
        self._evaluated += records  # TRL samples a few at a time, which would be a file each
        if sum(len(record.group) for record in self._evaluated) >= EVALUATED_TOGETHER:
            self._hand_over(self._evaluated)
            self._evaluated = []

    def _publish_discarded(self, measured: Sequence[GroupRecord], round_: int) -> list[GroupRecord]:
        """Record groups that nothing is trained on, and return their records on every process."""
        records = self._placed(measured, "discarded", np.zeros((len(measured), self.num_generations)))
        records = [replace(record, discard_reason=f"round {round_}: the totals have no spread") for record in records]
        self._hand_over(records)
        return records

    def _placed(self, measured: Sequence[GroupRecord], mode: Mode, used: Array) -> list[GroupRecord]:
        """Return groups with their place in the run and the advantages used, (P, G)."""
        step = self.state.global_step + (mode != "eval")
        place: dict[str, Any] = {"mode": mode, "step": step, "attempt": self._attempt}
        return [replace(record, **place, advantages=of) for record, of in zip(measured, used, strict=True)]

    def _hand_over(self, records: list[GroupRecord]) -> None:
        """Hand over groups as the next batch of their mode and step."""
        if records and self._on_groups is not None and self.accelerator.is_main_process:
            mode, step = records[0].mode, records[0].step
            last_step, batch = self._batches.get(mode, (-1, -1))
            batch = batch + 1 if last_step == step else 0
            self._batches[mode] = step, batch
            self._on_groups([replace(each, batch=batch, index=index) for index, each in enumerate(records)])

    def _check_sampling(self, rounds: int, given: Mapping[str, Any]) -> None:
        """Refuse, before a model is loaded, what prompts cannot be exchanged in."""
        data = given.get("train_dataset")
        columns = getattr(data, "column_names", None) or ()
        unable = [name for name in ("environment_factory", "rollout_func") if given.get(name) is not None]
        unable += [f"a column {name!r}" for name in ("image", "images") if name in columns]
        unable += [] if hasattr(data, "__len__") else ["data without a length"]
        unable += ["RLOO"] if isinstance(self, RLOOTrainer) else []
        if rounds and unable:
            problem = f"found {rounds} with {unable[0]}, for which no other prompt is drawn"
            raise SettingsError([("dynamic_sampling_rounds", problem)])

    def _generate(self, prompts: Any) -> Any:
        self._generated = generated = super()._generate(prompts)
        if not (self._rounds and self.model.training):
            return generated
        scored, discarded, sampled_tokens = self._score(prompts, generated), 0, 0
        for round_ in range(1, self._rounds + 1):
            measured = self._measure(self._inputs, prompts, generated[3], generated[1], scored, without_spread=True)
            equal = np.flatnonzero(zero_spread(totals_of(measured)))
            if not equal.size:
                break
            records = self._publish_discarded([measured[group] for group in equal], round_)
            discarded += len(records)
            sampled_tokens += sum(int(record.group.token_counts.sum()) for record in records)
            self._replace(prompts, generated, equal, round_)
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
        return (groups[:, None] * self.num_generations + np.arange(self.num_generations)).reshape(-1)

    def _replace(self, prompts: Any, generated: Any, groups: Any, round_: int) -> None:
        """Put completions of other prompts in the place of groups; `prompts` and the inputs follow."""
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
        for old, new in zip(generated, fresh, strict=True):
            for row, place in enumerate(mine if isinstance(old, list) and old else ()):
                old[place] = new[row]
