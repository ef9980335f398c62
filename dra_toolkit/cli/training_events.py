"""What the events of a training look like."""

from collections.abc import Iterator

from dra_toolkit.cli.progress import Event, Shown

LONGEST_PHASE = 32
"""Characters of a phase that stand beside a bar; a longer one is a line of its own, so that nothing of it is cut."""


def training_events(event: Event) -> Iterator[Shown]:
    """Yield what an event of training looks like."""
    kind = event["event"]
    if kind == "phase" and len(event["text"]) > LONGEST_PHASE:
        yield Shown(line=event["text"], style="bold")
    elif kind == "phase":
        yield Shown(line=event["text"], description=event["text"], done=event.get("step"), of=event.get("of"))
    elif kind == "notice":
        yield Shown(line=f"note: {event['text']}", style="yellow")
    elif kind == "step":
        step, of, figures = event["step"], event["of"], _step_figures(event)
        line = f"step {step}/{of}  {figures}"
        yield Shown(line=line, is_progress=True, description="training", done=step, of=of, figures=figures)
    elif kind == "evaluation":
        line = f"evaluating, batch {event['done']}/{event['of']}"
        yield Shown(line=line, is_progress=True, description=line)


def _step_figures(event: Event) -> str:
    """Return a step's figures: `reward 0.53  adjusted 0.21  similarity 0.48`."""
    named = (("reward", "reward"), ("adjusted", "adjusted_reward"), ("similarity", "similarity"))
    figures = [f"{label} {event[key]:.2f}" for label, key in named if event.get(key) is not None]
    figures += [f"golds not read {event['unread_golds']:.0%}"] if event.get("unread_golds") else []
    return "  ".join(figures)
