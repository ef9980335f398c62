"""What the events of an evaluation look like."""

import time
from collections.abc import Iterator

from dra_toolkit.cli.progress import Event, Shown
from dra_toolkit.errors import counted


class EvaluationEvents:
    """A bar for all answers, and one for each slot with its checkpoint and benchmark; counts over all slots."""

    def __init__(self) -> None:
        self._checkpoints = self._of = self._answers = self._of_answers = 0
        self._done: dict[tuple[str, str], int] = {}
        self._started = 0.0

    def __call__(self, event: Event) -> Iterator[Shown]:
        """Yield what an event looks like."""
        kind, slot = event["event"], event.get("slot", "")
        said = f"{event['label']}: {event.get('text')}" if "label" in event else event.get("text", "")
        if kind == "plan":
            yield self._planned(event)
        elif kind == "phase":
            yield Shown(line=said, bar=slot, description=f"  {event['label']}  {event['text']}" if slot else said)
        elif kind == "notice":
            yield Shown(line=f"note: {said}", style="yellow")
        elif kind == "evaluated":
            seconds = sum(event["seconds"][part] for part in ("loading", "generation", "scoring", "other"))
            scored = f"{event['label']}  {event['benchmark']}  {100 * event['accuracy']:.1f}%"
            yield Shown(line=f"{scored}  ({seconds:.0f} s)", style="green")
        elif kind == "checkpoint" and event["state"] != "started":
            self._checkpoints += 1
            yield Shown(description=self._overall())
        elif kind == "progress":
            yield from self._progressed(event, slot)

    def _planned(self, event: Event) -> Shown:
        """Take a plan; a later one, of further checkpoints, is added."""
        self._of += event["checkpoints"]
        self._of_answers += event["answers"]
        kept = f", {counted(event['kept'], 'evaluation')} kept" if event["kept"] else ""
        answers = counted(event["answers"], "answer")
        text = f"{counted(event['checkpoints'], 'checkpoint')} to evaluate, {answers} to generate{kept}"
        return Shown(line=text if event["checkpoints"] else "", description=self._overall(), of=self._of_answers)

    def _progressed(self, event: Event, slot: str) -> Iterator[Shown]:
        """Count new answers; the first event of a benchmark says what was there before."""
        self._started = self._started or time.monotonic()
        cell = event["label"], event["benchmark"]
        self._answers += event["done"] - self._done.get(cell, event["done"])
        self._done[cell] = event["done"]
        where = f"{event['label']} {event['benchmark']} {event['done']}/{event['of']}"
        counts = f"{self._overall()[:-9]}  {self._answers}/{self._of_answers} answers"
        line = f"{counts}{self._time_left()}  {where}"
        yield Shown(bar=slot, description=f"  {'  '.join(cell)}", done=event["done"], of=event["of"])
        yield Shown(line=line, is_progress=True, description=self._overall(), done=self._answers, of=self._of_answers)

    def _overall(self) -> str:
        return f"checkpoint {min(self._checkpoints + 1, max(1, self._of))}/{self._of}  answers"

    def _time_left(self) -> str:
        """Return how long the rest will take at the speed so far, in words; empty before that is known."""
        if self._answers == 0 or self._answers >= self._of_answers:
            return ""
        seconds = (time.monotonic() - self._started) / self._answers * (self._of_answers - self._answers)
        return f"  about {seconds / 60:.0f} min left" if seconds >= 90 else f"  about {seconds:.0f} s left"
