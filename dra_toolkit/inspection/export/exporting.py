"""Write an export whole or not at all; the report is one HTML file without script, in which model text is only ever text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dra_toolkit.drawing.curves import Line, curves
from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.group_measures import shown_in
from dra_toolkit.inspection.export import writers
from dra_toolkit.inspection.group_html import group_html, safe_html
from dra_toolkit.inspection.replay.settings import recipe_lines
from dra_toolkit.inspection.selection import Selection
from dra_toolkit.runs import Run
from dra_toolkit.runs.files import publish, publish_folder, remove_folder

FORMATS = ("jsonl", "csv", "parquet", "dataset", "html")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export wrote."""

    out: str
    format: str
    completions: int


def export(
    run: Run, out: Path, format: str, selection: Selection | None = None, *, groups: int = 20, overwrite: bool = False
) -> Exported:
    """Write the chosen groups of a run to `out`, a file, or a folder for `dataset`.

    groups: how many groups an HTML report shows in full. Raises RunError if nothing is recorded or chosen, if something
    lies in the way and `overwrite` was not asked for, or if the place cannot be written.
    """
    selection = selection or Selection()
    if format not in FORMATS:
        raise RunError(f"--to: found {format!r}, expected one of {', '.join(FORMATS)}{did_you_mean(format, FORMATS)}")
    _check_place(out, format, overwrite)
    if not any(run.facts(mode) for mode in selection.modes):
        raise RunError(f"{run.name}: no {' or '.join(selection.modes)} groups are recorded")
    try:
        count = _write(run, out, format, selection, groups)
    except OSError as error:
        raise RunError(f"{out}: cannot be written ({error.strerror or error})") from None
    return Exported(out=str(out), format=format, completions=count)


def _write(run: Run, out: Path, format: str, selection: Selection, groups: int) -> int:
    schema = writers.export_schema(run, selection)
    rows, written = writers.rows(run, selection, schema), 0

    def counted(count: int) -> None:
        nonlocal written
        if not count:
            raise RunError(f"{run.name}: no recorded group is of these steps and measures")
        written = count

    def fill(folder: Path) -> None:
        counted(writers.write_dataset(run, selection, folder))
        if out.exists():
            remove_folder(out)

    def write(file: BinaryIO) -> None:
        if format == "html":
            counted(write_html(run, selection, file, groups=groups))
        elif format == "parquet":
            counted(writers.write_parquet(rows, file, schema))
        else:
            counted(writers.write_csv(rows, file) if format == "csv" else writers.write_jsonl(rows, file))

    if format == "dataset":
        publish_folder(out, fill)
    else:
        publish(out, write)
    return written


def _check_place(out: Path, format: str, overwrite: bool) -> None:
    if not out.parent.is_dir():
        raise RunError(f"{out}: there is no folder {out.parent}")
    if not out.exists():
        return
    if not overwrite:
        raise RunError(f"{out}: is there already; --overwrite replaces it")
    if format == "dataset" and not (out.is_dir() and all(p.suffix in (".parquet", ".md") for p in out.iterdir())):
        raise RunError(
            f"{out}: is no folder of an earlier export ({writers.CARD} and Parquet files), so it is left alone"
        )
    if format != "dataset" and out.is_dir():
        raise RunError(f"{out}: is a folder, expected the name of a file")


def write_html(run: Run, selection: Selection, file: BinaryIO, *, groups: int) -> int:
    """Write the report, the groups with most flips and then the most similar ones in full; return their completions."""
    shown = 0
    for part in _parts(run, selection, groups):
        if isinstance(part, int):
            shown += part
        else:
            file.write(part.encode("utf-8", "replace"))
    return shown


def _parts(run: Run, selection: Selection, groups: int) -> Iterator[str | int]:
    condition, parameters = selection.sql()
    head = resources.files("dra_toolkit.inspection.export").joinpath("report_head.html").read_text(encoding="utf-8")
    yield head.replace("$name", safe_html(run.name))
    facts = next(one for mode in selection.modes for one in run.facts(mode))
    settings = "\n".join(recipe_lines(facts.diversity, facts.made, facts.embedder))
    yield f"<details><summary>Settings</summary><pre>{safe_html(settings)}</pre></details>\n"
    yield from _curves(run, condition, parameters)
    order = "flips DESC, similarity DESC NULLS LAST, mode, step, batch, group_index"
    sql = (
        f"SELECT mode, step, batch, group_index, count(*) OVER () AS of FROM groups WHERE {condition} ORDER BY {order}"
    )
    chosen = run.query(f"{sql} LIMIT {int(groups)}", parameters, steps=selection.steps).to_pylist()
    total = chosen[0]["of"] if chosen else 0
    yield (
        f'<h2>Groups</h2><p class="note">{len(chosen)} of {total}: those with most flips first, then the most similar. '
        "A flip is a completion whose advantage has the other sign than without the adjustment.</p>\n"
    )
    for row in chosen:
        record = run.group(row["step"], row["group_index"], mode=row["mode"], batch=row["batch"])
        yield group_html(record)
        yield len(record.group)
    yield "</body></html>\n"


def _curves(run: Run, condition: str, parameters: list[object]) -> Iterator[str]:
    measures = shown_in("steps")
    means = ", ".join(f"{'sum' if m.summed else 'avg'}({m.name}::DOUBLE) AS {m.name}" for m in measures)
    found = run.query(f"SELECT step, {means} FROM groups WHERE {condition} GROUP BY step ORDER BY step", parameters)
    steps = found["step"].to_numpy()
    yield '<h2>Curves</h2><div class="curves">\n'
    for measure in measures:
        values = found[measure.name].to_numpy(zero_copy_only=False).astype(np.float64)
        line = Line(name=measure.label, steps=steps, values=values, colour="#3465a4")
        if drawn := curves([line], y_title=measure.unit, percent=measure.percent, zero=measure.from_zero):
            yield f"<figure><figcaption>{measure.label}</figcaption>{drawn}</figure>\n"
    yield "</div>\n"
