"""`dra eval report` and `dra eval compare`: what was evaluated, with error bars."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from dra_toolkit.cli.common import JSON, place_of, user_errors
from dra_toolkit.cli.printing import answer, console, print_json
from dra_toolkit.errors import EvaluationError
from dra_toolkit.safe_text import visible

if TYPE_CHECKING:
    from dra_toolkit.evaluation.report.answers import Measured
    from dra_toolkit.evaluation.report.gather import Report, Row

DETECT = typer.Option(None, "--detect", metavar="POINTS", min=0.1, help="How many samples show such a difference.")


@user_errors
def report(
    paths: list[Path] = typer.Argument(
        None, help="Runs, folders of evaluations, or lighteval's results, in one table; left out, the latest run."
    ),
    metric: str = typer.Option("avg", help="avg, judged, maj, pass@k such as pass@4; several by comma."),
    format: Literal["table", "markdown", "latex", "html", "csv"] = typer.Option(
        "table", help="How the table is printed."
    ),
    out: Path = typer.Option(None, help="A folder for tables and curves in every format."),
    published: bool = typer.Option(False, "--published", help="Show what others reported on the same benchmarks."),
    held_out: str = typer.Option(None, help="A benchmark that only chooses the step."),
    diversity: bool = typer.Option(False, "--diversity", help="Embed the samples and measure how alike they are."),
    detect: float = DETECT,
    as_json: bool = JSON,
) -> None:
    """Show steps and benchmarks as a table with error bars, and which step each rule chooses."""
    from dra_toolkit.embedding import EmbedderSettings, load_embedder
    from dra_toolkit.evaluation.report.answers import measure
    from dra_toolkit.evaluation.report.gather import gather
    from dra_toolkit.evaluation.report.texts import as_text
    from dra_toolkit.evaluation.report.view import as_plain, diversity_view, report_view

    metrics = metric.split(",")
    _check_options(metric, published, out)
    found = gather(*([place_of(path) for path in paths] if paths else [place_of(None)]), held_out=held_out)
    for each in metrics:
        found.require_metric(each)
    measured = measure(found, load_embedder(EmbedderSettings(name="hash"))) if diversity else {}
    plain = as_plain(found, metrics, detect, measured if diversity else None) if as_json or out is not None else {}
    if as_json:
        print_json(plain)
    elif format == "table":
        shown = console()
        shown.print(report_view(found, metrics=metrics, width=shown.width, published=published, detect=detect))
        if diversity:
            shown.print(diversity_view(found, measured, shown.width))
    else:
        print(visible(as_text(found, format, metrics=metrics, published=published, detect=detect)), end="")
    if out is not None:
        _write(found, out, measured, plain, metrics=metrics, published=published, detect=detect)
    if out is None and not as_json and format == "table":
        where = shlex.join(map(str, paths or [found.where]))
        typer.echo(f"\nNext:\n  dra eval report {visible(where, one_line=True)} --out report --published", err=True)


@user_errors
def compare(
    left: str = typer.Argument(..., help="A step or label within PATH, or a path of its own."),
    right: str = typer.Argument(..., help="Another."),
    path: Path = typer.Option(
        None, "--in", metavar="PATH", help="A run or folder of evaluations; else the latest run."
    ),
    seed: int = typer.Option(0, help="Of the random signs that p is found with."),
    flipped: int = typer.Option(
        0, "--flips", metavar="COUNT", help="So many problems that flipped, with both answers."
    ),
    detect: float = DETECT,
    as_json: bool = JSON,
) -> None:
    """Compare two steps or models on the problems that both answered, and say in words what that shows."""
    from dra_toolkit.evaluation.report.about import power_of
    from dra_toolkit.evaluation.report.flips import flips
    from dra_toolkit.evaluation.report.view import comparison_view, flips_view, plain_pair
    from dra_toolkit.evaluation.statistics.comparison import compare as ask

    rows, notes = (_row(left, path), _row(right, path)), list[str]()
    found = ask(*(list(row.cells.values()) for row in rows), seed=seed, notes=notes)
    labels = (rows[0].label, rows[1].label)
    told = power_of(rows, [pair.benchmark for pair in found if pair.benchmark in rows[0].cells], detect)
    count, both = flips(rows[0].cells, rows[1].cells, flipped)
    document = {"left": labels[0], "right": labels[1], "pairs": [plain_pair(pair) for pair in found], "notes": notes}
    document |= {"power": told, "flips": [asdict(flip) for flip in both]}
    more = [flips_view(count, both)] if flipped else []
    answer(as_json, document, lambda out: [comparison_view(found, *labels, notes, told, width=out.width), *more])


def _check_options(metric: str, published: bool, out: Path | None) -> None:
    """Raise EvaluationError for options that contradict each other, before anything is read."""
    problems = []
    if published and metric != "avg":
        problems.append(f"--published: the reported figures are accuracies, not {metric}; leave --metric {metric} out")
    if out is not None and out.exists() and not out.is_dir():
        problems.append(f"--out: {out} is a file, expected a folder")
    if problems:
        raise EvaluationError(*problems)


def _row(name: str, path: Path | None) -> Row:
    """Return a row by step or label within `path`; or that of a path, which must hold only one."""
    from dra_toolkit.evaluation.report.gather import gather, only_row

    if Path(name).exists() and not name.isdigit():
        return only_row(Path(name))
    return gather(place_of(path)).row(name)


def _write(report: Report, out: Path, diversity: Measured, plain: dict[str, Any], **asked: Any) -> None:
    """Write the tables and curves of a report."""
    from dra_toolkit.evaluation.report.figures import KINDS, drawn, figures
    from dra_toolkit.evaluation.report.texts import as_text
    from dra_toolkit.runs.files import publish_text

    out.mkdir(parents=True, exist_ok=True)
    made = {name: {kind: drawn(figure, kind) for kind in KINDS} for name, figure in figures(report, diversity).items()}
    for name, kinds in made.items():
        for kind, picture in kinds.items():
            (out / f"{name}.{kind}").write_bytes(picture)
    pages = {name: kinds["svg"].decode() for name, kinds in made.items()}
    for format, ending in (("markdown", "md"), ("latex", "tex"), ("csv", "csv"), ("html", "html")):
        publish_text(out / f"table.{ending}", as_text(report, format, figures=pages, **asked))
    publish_text(out / "table.json", json.dumps(plain, indent=1) + "\n")
    curves = f" and {', '.join(pages)}" if pages else "; curves need two steps or two samples"
    typer.echo(f"wrote table.md, .tex, .csv, .html, .json{curves} to {out}", err=True)
