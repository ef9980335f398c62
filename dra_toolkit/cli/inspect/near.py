"""`dra inspect near`: completions that are like another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from dra_toolkit.cli.common import JSON, user_errors
from dra_toolkit.cli.inspect import common
from dra_toolkit.cli.inspect.common import MODE, ONE_RUN, Mode, app, open_run, place_options
from dra_toolkit.cli.printing import answer
from dra_toolkit.errors import RunError

if TYPE_CHECKING:
    from dra_toolkit.groups import Array, GroupRecord
    from dra_toolkit.inspection.vectors import VectorsOf
    from dra_toolkit.runs import Run


@app.command()
@user_errors
def near(
    run: str = ONE_RUN,
    step: int = typer.Argument(None, help="Step of the completion."),
    group: int = typer.Argument(None, help="Its group."),
    completion: int = typer.Argument(None, help="Its place in the group."),
    text: str = typer.Option(None, help="Compare with this text instead."),
    containing: str = typer.Option(None, help="Only completions that contain this text; the index of texts is used."),
    embedder: str = typer.Option(
        None,
        help="What the similarity is measured with; left out, the recorded embeddings, the run's own embedder, "
        "or hash where that one cannot embed here.",
    ),
    steps: str = common.STEPS,
    mode: Mode = MODE,
    batch: int = typer.Option(0, help="Generation batch of the completion."),
    limit: int = typer.Option(10, min=1, help="Completions shown."),
    as_json: bool = JSON,
) -> None:
    """Find the completions most similar to one of the run, or to a text, by embedding those of the steps asked for."""
    from dra_toolkit.cli.bars import counting
    from dra_toolkit.inspection.near import nearest
    from dra_toolkit.inspection.selection import read_steps, require_recorded, require_unicode
    from dra_toolkit.inspection.views import neighbours_view

    opened, wanted = open_run(run), read_steps(steps)
    if (text is None) == (step is None or group is None or completion is None):
        raise RunError("near: expected STEP GROUP COMPLETION, or --text TEXT")
    record = None
    if text is None:
        record = opened.group(step, group, mode=mode, batch=batch)
        if not 0 <= completion < len(record.group):
            raise RunError(f"near: the group has completions 0 to {len(record.group) - 1}, found {completion}")
        text = record.group.texts[completion]
    require_unicode(text + (containing or ""), "--text or --containing")
    vector, vectors_of, source = _source(opened, embedder, text, record, completion)
    with counting("comparing", common.completions_of(opened, mode, wanted)) as done:
        found = nearest(
            opened, vector, vectors_of, mode=mode, steps=wanted, containing=containing, limit=limit, done=done
        )
    if not found:
        require_recorded(opened, wanted, mode)
    document = {"run": opened.name, "text": text, "embedder": source, "nearest": found}
    following = [
        f"dra inspect group {opened.directory.path} {other.step} {other.group}{place_options(mode, other.batch)}"
        for other in found[:2][-1:]
    ]
    shown = [neighbours_view(found), f"similarity by {source}"] if found else []
    lacks = "contains that" if containing else "has a recorded embedding; --embedder hash embeds them anew"
    answer(as_json, document, lambda out: shown or [f"No completion of these steps {lacks}."], following)


def _source(
    run: Run, name: str | None, text: str, record: GroupRecord | None, completion: int
) -> tuple[Array, VectorsOf, str]:
    """Return the vector wanted, what gives those of the run, and what both are called."""
    from dra_toolkit.embedding import EmbedderSettings, load_embedder
    from dra_toolkit.inspection.vectors import embedder_of, recorded_vectors, vectors_by

    if name is None and record is not None and record.embeddings is not None:
        return record.embeddings[completion], recorded_vectors, "the recorded embeddings"
    settings = EmbedderSettings(name=name) if name is not None else embedder_of(run)
    said = settings.name if settings else f"hash; {run.recipe.embedder.name}, the run's own, is not used here"
    embedder = load_embedder(settings or EmbedderSettings(name="hash"))
    return embedder.embed([text]).vectors[0], vectors_by(embedder), said
