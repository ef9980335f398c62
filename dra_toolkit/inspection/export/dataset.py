"""A folder that Hugging Face's `datasets.load_dataset` reads, and the Hub shows: a Parquet file for each mode and a card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dra_toolkit.inspection.export.parquet_file import write_parquet
from dra_toolkit.inspection.export.tables import export_schema, rows
from dra_toolkit.inspection.selection import Selection
from dra_toolkit.runs import Run
from dra_toolkit.runs.schema import COLUMNS

CARD = "README.md"


def write_dataset(run: Run, selection: Selection, folder: Path) -> int:
    """Write the files into a folder; return how many rows."""
    schema, counts = export_schema(run, selection), dict[str, int]()
    for mode in selection.modes:
        of_mode = replace(selection, modes=(mode,))
        path = folder / f"{mode}.parquet"
        with open(path, "wb") as file:
            counts[mode] = write_parquet(rows(run, of_mode, schema), file, schema)
        if not counts[mode]:
            path.unlink()
    counts = {mode: count for mode, count in counts.items() if count}
    (folder / CARD).write_text(_card(run, counts), encoding="utf-8")
    return sum(counts.values())


def _card(run: Run, counts: dict[str, int]) -> str:
    splits = "".join(f"  - split: {mode}\n    path: {mode}.parquet\n" for mode in counts)
    files = f"  data_files:\n{splits}" if splits else ""
    columns = "\n".join(f"| `{column.name}` | {column.meaning} |" for column in COLUMNS)
    held = ", ".join(f"{count} of `{mode}`" for mode, count in counts.items()) or "none"
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in run.name)
    return (
        f"---\nconfigs:\n- config_name: default\n{files}tags:\n- grpo\n- rollouts\n---\n\n"
        f"# Recorded groups of {name}\n\n"
        f"Completions of a GRPO run with rewards, similarity, weights and advantages, exported by the DRA Toolkit: {held}. "
        "The texts were written by a model; treat them as untrusted.\n\n"
        f"| column | meaning |\n| --- | --- |\n{columns}\n"
    )
