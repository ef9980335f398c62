"""`dra eval report` and `dra eval compare`: what was evaluated, with error bars."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from dra_toolkit.cli.common import JSON, answer, console, print_json, print_problems, user_errors
from dra_toolkit.errors import DRAError, EvaluationError, RunError, did_you_mean
from dra_toolkit.safe_text import visible

if TYPE_CHECKING:
    from dra_toolkit.evaluation.report.gather import Report, Row
    from dra_toolkit.evaluation.statistics.scores import Score


@user_errors
def report(
    paths: list[Path] = typer.Argument(
        None, help="Runs, folders of evaluations, or lighteval's results, in one table; left out, the latest run."
    ),
    metric: str = typer.Option("avg", help="avg, judged, maj, or pass@k such as pass@4."),
    format: Literal["table", "markdown", "latex", "csv"] = typer.Option("table", help="How the table is printed."),
    out: Path = typer.Option(None, help="A folder for tables and curves: Markdown, LaTeX, CSV, HTML and PNG."),
    published: bool = typer.Option(False, "--published", help="Show what others reported on the same benchmarks."),
    held_out: str = typer.Option(None, help="A benchmark that only chooses the step."),
    diversity: bool = typer.Option(False, "--diversity", help="Embed the samples and measure how alike they are."),
    push: str = typer.Option(None, metavar="ORG/NAME", help="Upload the --out folder as a Hub data set."),
    as_json: bool = JSON,
) -> None:
    """Show steps and benchmarks as a table with error bars, and which step each rule chooses."""
    from dra_toolkit.evaluation.report.gather import gather
    from dra_toolkit.evaluation.report.push import push_folder
    from dra_toolkit.evaluation.report.texts import as_text
    from dra_toolkit.evaluation.report.view import as_plain, diversity_view, plain_score, report_view

    _check_options(metric, published, out, push)
    found = gather(*([_place(path) for path in paths] if paths else [_place(None)]), held_out=held_out)
    _check_metric(found, metric)
    measured = _diversity(found) if diversity else {}
    if as_json:
        plain = as_plain(found, metric)
        if diversity:
            plain["diversity"] = {k: {m: plain_score(s) for m, s in v.items()} for k, v in measured.items()}
        print_json(plain)
    elif format == "table":
        shown = console()
        shown.print(report_view(found, metric=metric, width=shown.width, published=published))
        if diversity:
            shown.print(diversity_view(found, measured))
    else:
        print(as_text(found, format, metric=metric, published=published), end="")
    if out is not None:
        _write(found, out, metric, published, measured)
    if push:
        typer.echo(f"uploaded to {push_folder(out, push)}", err=True)
    if out is None and not as_json and format == "table":
        where = " ".join(map(str, paths)) if paths else found.where
        typer.echo(f"\nNext:\n  dra eval report {visible(where, one_line=True)} --out report --published", err=True)


@user_errors
def compare(
    left: str = typer.Argument(..., help="A step or label within PATH, or a path of its own."),
    right: str = typer.Argument(..., help="Another."),
    path: Path = typer.Option(
        None, "--in", metavar="PATH", help="A run or folder of evaluations; else the latest run."
    ),
    seed: int = typer.Option(0, help="Of the random signs that p is found with."),
    as_json: bool = JSON,
) -> None:
    """Compare two steps or models on the problems that both answered, and say in words what that shows."""
    from dra_toolkit.evaluation.report.view import comparison_view, plain_pair
    from dra_toolkit.evaluation.statistics.comparison import compare as ask

    rows = _row(left, path), _row(right, path)
    notes: list[str] = []
    found = ask(*(list(row.cells.values()) for row in rows), seed=seed, notes=notes)
    labels = rows[0].label, rows[1].label
    document = {"left": labels[0], "right": labels[1], "pairs": [plain_pair(pair) for pair in found], "notes": notes}
    answer(as_json, document, lambda out: [comparison_view(found, *labels, notes, width=out.width)])


def _check_options(metric: str, published: bool, out: Path | None, push: str | None) -> None:
    """Raise EvaluationError for options that contradict each other, before anything is read; asks the Hub for --push."""
    from dra_toolkit.evaluation.report.push import check_push

    problems = []
    if push and out is None:
        problems.append("--push: expected --out FOLDER too, which is what is uploaded")
    if published and metric != "avg":
        problems.append(f"--published: the reported figures are accuracies, not {metric}; leave --metric {metric} out")
    if out is not None and out.exists() and not out.is_dir():
        problems.append(f"--out: {out} is a file, expected a folder")
    if problems:
        raise EvaluationError(*problems)
    if push:
        check_push(push)


def _place(path: Path | None) -> Path:
    """Return a path as given, the run of that name, or the latest run."""
    from dra_toolkit.runs import latest_run
    from dra_toolkit.runs.layout import named_run

    if path is None:
        return latest_run().path
    with suppress(RunError):
        return path if path.exists() else named_run(str(path)).path
    return path


def _check_metric(report: Report, metric: str) -> None:
    known = list(dict.fromkeys(m for row in report.rows for cell in row.cells.values() for m in cell.scores))
    if metric in known:
        return
    if metric.startswith("pass@"):
        most = max((max(cell.ks, default=0) for row in report.rows for cell in row.cells.values()), default=0)
        sampled = f"each problem has {most} samples" if most else "the samples of these results are not known"
        raise EvaluationError(f"--metric {metric}: {sampled}; evaluate with --n {metric.removeprefix('pass@')} or more")
    raise EvaluationError(f"--metric: found {metric!r}{did_you_mean(metric, known)}; there are {', '.join(known)}")


def _row(name: str, path: Path | None) -> Row:
    """Return a row by step or label within `path`; or that of a path, which must hold only one."""
    from dra_toolkit.evaluation.report.gather import gather

    if Path(name).exists() and not name.isdigit():
        rows = gather(Path(name)).rows
        if len(rows) != 1:
            some = ", ".join(row.label for row in rows[:5])
            raise EvaluationError(f"{name}: holds {len(rows)} models ({some}); name one, with --in {name}")
        return rows[0]
    report = gather(_place(path))
    found = report.named(name)
    if len(found) == 1:
        return found[0]
    if found:
        some = ", ".join(row.label for row in found)
        raise EvaluationError(f"compare: {name!r} is a step of {len(found)} experiments; name one in full: {some}")
    labels = [row.label for row in report.rows]
    nearest = did_you_mean(name, labels)
    raise EvaluationError(f"compare: no {name!r} was evaluated{nearest}; there are {', '.join(labels)}")


def _diversity(report: Report) -> dict[str, dict[str, Score]]:
    """Return the diversity of the samples by label, averaged over the benchmarks, with a progress bar."""
    from rich.progress import track

    from dra_toolkit.embedding import EmbedderSettings, load_embedder
    from dra_toolkit.evaluation.report.diversity import measure

    shown = console(stderr=True)
    return measure(
        report,
        load_embedder(EmbedderSettings(name="hash")),
        lambda found: track(found, "embedding samples", console=shown, disable=not shown.is_terminal, transient=True),
    )


def _write(report: Report, out: Path, metric: str, published: bool, diversity: dict[str, dict[str, Score]]) -> None:
    """Write the tables and curves of a report; without a browser the pictures are left out, and that is said."""
    from dra_toolkit.evaluation.report.figures import figures
    from dra_toolkit.evaluation.report.pictures import write_html, write_png
    from dra_toolkit.evaluation.report.texts import as_text
    from dra_toolkit.runs.files import publish_text

    out.mkdir(parents=True, exist_ok=True)
    for format, ending in (("markdown", "md"), ("latex", "tex"), ("csv", "csv")):
        publish_text(out / f"table.{ending}", as_text(report, format, metric=metric, published=published))
    drawn = figures(report, diversity)
    for name, figure in drawn.items():
        write_html(figure, out / f"{name}.html")
    try:
        for name, figure in drawn.items():
            write_png(figure, out / f"{name}.png")
    except DRAError as error:  # each further one would wait for the same browser
        print_problems([f"{problem}; no further picture was tried" for problem in error.problems])
    curves = f" and {', '.join(drawn)}" if drawn else "; curves need two steps or two samples"
    typer.echo(f"wrote table.md, table.tex, table.csv{curves} to {out}", err=True)
