"""`dra inspect near`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from dra_toolkit.cli.errors import user_errors
from dra_toolkit.cli.inspect.common import (
    JSON,
    MODE,
    ONE_RUN,
    STEPS,
    ModeName,
    console,
    open_run,
    place_options,
    print_json,
    print_next,
)
from dra_toolkit.cli.inspect.progress import comparing

if TYPE_CHECKING:
    from dra_toolkit.groups import Array, GroupRecord
    from dra_toolkit.inspection.near import VectorsOf
    from dra_toolkit.runs import Run


def register(app: typer.Typer) -> None:
    """Add the command to `dra inspect`."""
    app.command()(near)


@user_errors
def near(
    run: str = ONE_RUN,
    step: int = typer.Argument(None, help="Step of the completion."),
    group: int = typer.Argument(None, help="Its group."),
    completion: int = typer.Argument(None, help="Its place in the group."),
    text: str = typer.Option(None, "--text", help="Compare with this text instead."),
    embedder: str = typer.Option(
        None,
        "--embedder",
        help="What the similarity is measured with; left out, the recorded embeddings, the run's own embedder, "
        "or hash where that one cannot embed here.",
    ),
    steps: str = STEPS,
    mode: ModeName = MODE,
    batch: int = typer.Option(0, "--batch", help="Generation batch of the completion."),
    limit: int = typer.Option(10, "--limit", min=1, help="Completions shown."),
    as_json: bool = JSON,
) -> None:
    """Find the completions most similar to one of the run, or to a text, by embedding those of the steps asked for."""
    from dra_toolkit.errors import RunError
    from dra_toolkit.inspection.list_views import neighbours_view
    from dra_toolkit.inspection.near import nearest
    from dra_toolkit.inspection.selection import read_steps, require_recorded, require_unicode

    opened, wanted = open_run(run), read_steps(steps)
    if (text is None) == (step is None or group is None or completion is None):
        raise RunError("near: expected STEP GROUP COMPLETION, or --text TEXT")
    record = None
    if text is None:
        record = opened.group(step, group, mode=mode.value, batch=batch)
        if not 0 <= completion < len(record.group):
            raise RunError(f"near: the group has completions 0 to {len(record.group) - 1}, found {completion}")
        text = record.group.completions[completion]
    require_unicode(text, "--text")
    vector, vectors_of, source = _source(opened, embedder, text, record, completion)
    with comparing(opened, mode.value, wanted) as done:
        found = nearest(opened, vector, vectors_of, mode=mode.value, steps=wanted, limit=limit, done=done)
    if not found:
        require_recorded(opened, wanted, mode.value)
    if as_json:
        print_json({"run": opened.name, "text": text, "embedder": source, "nearest": found})
        return
    out = console()
    if not found:
        out.print("No completion of these steps has a recorded embedding; --embedder hash embeds them anew.")
        return
    out.print(neighbours_view(found))
    out.print(f"similarity by {source}", style="dim")
    other = found[min(1, len(found) - 1)]
    of = place_options(mode.value, other.batch)
    print_next(out, [f"dra inspect group {opened.directory.path} {other.step} {other.group}{of}"])


def _source(
    run: Run, name: str | None, text: str, record: GroupRecord | None, completion: int
) -> tuple[Array, VectorsOf, str]:
    """Return the vector wanted, what gives those of the run, and what both are called."""
    from dra_toolkit.embedding import EmbedderSettings, load_embedder
    from dra_toolkit.inspection.near import embedder_of, recorded_vectors, vectors_by

    if name is None and record is not None and record.embeddings is not None:
        return record.embeddings[completion], recorded_vectors, "the recorded embeddings"
    own = embedder_of(run)
    if name is not None:
        settings, said = EmbedderSettings(name=name), name
    elif own is not None:
        settings, said = own, own.name
    else:
        settings, said = (
            EmbedderSettings(name="hash"),
            f"hash; {run.recipe.embedder.name}, the run's own, is not used here",
        )
    embedder = load_embedder(settings)
    return embedder.embed([text]).vectors[0], vectors_by(embedder), said
