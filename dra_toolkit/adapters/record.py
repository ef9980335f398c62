"""The record of a run that another engine trains: a run directory that every command and the dashboard can open."""

import atexit
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from dra_toolkit.adapters.rows import EngineBatch
from dra_toolkit.adapters.settings import EngineSettings
from dra_toolkit.diversity import RECORDED, Estimator
from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Array, GroupRecord, mean_of_known
from dra_toolkit.recipe import recipe_of
from dra_toolkit.runs import FileFacts, Recorder, RunDirectory
from dra_toolkit.runs.metrics import append_metrics


class EngineRecord:
    """A run directory that is held while the engine trains, and written in the background."""

    def __init__(
        self,
        settings: EngineSettings,
        engine: str,
        reward_weights: Mapping[str, float],
        estimator: Estimator,
        tell: Callable[[str], None],
    ) -> None:
        known = {"model_name_or_path": f"trained by {engine}", "reward_funcs": [*reward_weights]}
        self._keeps_embeddings = settings.recipe.output.record_embeddings
        self._estimator, self._weights = estimator, dict(reward_weights)
        self.directory = RunDirectory(settings.recipe.output_dir)
        self._is_old = self.directory.exists()
        self._last = (-1, -1)
        if not self._is_old:
            self.directory.create(recipe_of(self.directory.name, {**settings.recipe, **known}, settings.recipe.text))
        self._held = ExitStack()
        self._held.enter_context(self.directory.held())
        self._attempt = self.directory.start_attempt()
        self.directory.write_status("running")
        facts = FileFacts(
            run=self.directory.name,
            reward_weights=self._weights,
            scale_rewards=estimator.scaling,
            estimator=estimator,
            diversity=settings.diversity,
            embedder=settings.recipe.embedder.name,
            record_texts=settings.recipe.output.record_texts,
        )
        self._recorder = Recorder(self.directory.groups, facts, tell=tell)
        atexit.register(self.close)

    def write(self, batch: EngineBatch, advantages: Array) -> dict[str, float]:
        """Hand a batch over for writing, with the advantages, (N,), that were used; return its metrics."""
        step = batch.step
        if self._is_old and self._last[0] < 0 and step == 1:
            raise RunError(
                f"output_dir: {self.directory.path} holds a run already, and this one begins at step 1; name another folder"
            )
        self._last = (step, self._last[1] + 1 if self._last[0] == step else 0)
        records = self._records(batch, advantages)
        self._recorder.submit(records)
        logged = (measure for measure in GROUP_MEASURES.values() if measure.logged)
        metrics = {str(each.logged): mean_of_known([each(record) for record in records]) for each in logged}
        append_metrics(self.directory.metrics, step=step, attempt=self._attempt, values=metrics)
        return metrics

    def close(self) -> None:
        """Write what is left; the run is finished as far as the record goes."""
        atexit.unregister(self.close)
        self._recorder.close()
        self.directory.write_status("finished", step=max(self._last[0], 0))
        self._held.close()

    def _records(self, batch: EngineBatch, advantages: Array) -> list[GroupRecord]:
        rows, found = batch.rows, batch.found
        kept = [name for name in RECORDED if name in batch.known and (name != "embeddings" or self._keeps_embeddings)]
        plain = found.plain_advantages(self._estimator)
        step, number = self._last
        return [
            GroupRecord(
                mode="train",
                step=step,
                batch=number,
                index=index,
                attempt=self._attempt,
                group=rows.group(members, self._weights),
                adjustment=adjustment,
                plain_advantages=plain[members],
                advantages=advantages[members],
                **{name: batch.known[name][members] for name in kept},
            )
            for index, (members, adjustment) in enumerate(zip(found.groups, found.adjustments, strict=True))
        ]
