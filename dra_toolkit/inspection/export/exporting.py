"""Write an export whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.inspection.export.csv_file import write_csv
from dra_toolkit.inspection.export.html import write_html
from dra_toolkit.inspection.export.writers import CARD, export_schema, rows, write_dataset, write_jsonl, write_parquet
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
    schema = export_schema(run, selection)
    written = 0

    def counted(count: int) -> None:
        nonlocal written
        if not count:
            raise RunError(f"{run.name}: no recorded group is of these steps and measures")
        written = count

    def fill(folder: Path) -> None:
        counted(write_dataset(run, selection, folder))
        if out.exists():
            remove_folder(out)

    def write(file: BinaryIO) -> None:
        if format == "html":
            counted(write_html(run, selection, file, groups=groups))
        elif format == "parquet":
            counted(write_parquet(rows(run, selection, schema), file, schema))
        else:
            counted((write_csv if format == "csv" else write_jsonl)(rows(run, selection, schema), file))

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
        raise RunError(f"{out}: is no folder of an earlier export ({CARD} and Parquet files), so it is left alone")
    if format != "dataset" and out.is_dir():
        raise RunError(f"{out}: is a folder, expected the name of a file")
