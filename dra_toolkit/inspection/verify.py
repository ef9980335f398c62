"""Whether a run is what it says: whole files, every group once, measures and advantages that follow from the rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from dra_toolkit.errors import DRAError, RunError
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Mode
from dra_toolkit.inspection.replay.run import TOLERANCE, replay_run
from dra_toolkit.runs import Run
from dra_toolkit.runs.importers.importing import read_provenance
from dra_toolkit.runs.names import MODES
from dra_toolkit.runs.rows import measures
from dra_toolkit.runs.schema import GROUP_PREFIX
from dra_toolkit.safe_text import first_line

STEPS_AT_ONCE = 500
"""Steps whose measures are compared by one question: what bounds the memory."""
NAMED = 5
"""Groups or steps named of each kind of problem; the others are counted."""
_MEND = "restore it from a copy, or delete it"
_KEY = "mode, step, batch, group_index"


@dataclass(kw_only=True)
class Verified:
    """What was checked, and what is wrong.

    files                 files and segments of recorded groups, each decoded with its checksums
    steps                 steps with recorded training groups
    largest_replay_error  largest difference of a recorded advantage from the replayed one
    problems              one line for each: where, what, and what to do
    notes                 what could not be checked, and why
    """

    run: str
    files: int = 0
    groups: int = 0
    completions: int = 0
    steps: int = 0
    largest_replay_error: float | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(run: Run, *, tell: Callable[[str], None] = lambda what: None) -> Verified:
    """Check a run; `tell` is called with what is checked next."""
    found = Verified(run=run.name)
    for what, check in (
        ("files and checksums", _files),
        ("every group once", _duplicates),
        ("steps", _gaps),
        ("measures", _measures),
        ("advantages", _advantages),
    ):
        tell(what)
        try:
            found.problems += list(check(run, found))
        except (RunError, NotImplementedError) as error:
            found.problems.append(f"{what}: cannot be checked ({first_line(error)})")
            found.notes.append(f"{what} and what follows: not checked, since files cannot be read")
            break
    return found


def _files(run: Run, found: Verified) -> Iterator[str]:
    """Decode every file; what is damaged is skipped by all that follows."""
    listing = run.store.listing()
    found.files = len(listing.batches) + len(listing.segments)
    run.store.damaged()
    run.store.snapshot()
    for name, why in sorted(run.problems.items()):
        if name in listing.foreign:
            yield f"groups/{name}: {why}; move it somewhere else"
        else:
            yield f"groups/{name}: {why}; it is skipped: {_MEND}"


def _duplicates(run: Run, found: Verified) -> Iterator[str]:
    counts = run.query("SELECT count(*) AS groups, sum(size)::BIGINT AS rows FROM groups").to_pylist()[0]
    found.groups, found.completions = counts["groups"], counts["rows"] or 0
    found.steps = len(run.steps())
    twice = run.query(f"SELECT {_KEY}, count(*) AS times FROM groups GROUP BY {_KEY} HAVING times > 1").to_pylist()
    how = "delete all but one of the files that hold it"
    lines = [f"{_group(row)}: recorded {row['times']} times; {how}" for row in twice]
    yield from _first(lines, "groups are recorded more than once")
    rows = run.query("SELECT count(*) AS n FROM completions").column(0)[0].as_py()
    if rows != found.completions:
        yield (
            f"completions: {rows} rows, but the groups' sizes add up to {found.completions}; "
            "a file was changed after it was written: restore it from a copy"
        )


def _gaps(run: Run, found: Verified) -> Iterator[str]:
    """Compare the recorded steps with those that the metrics tell of."""
    if read_provenance(run.directory.path) is not None:
        found.notes.append("steps: not compared, an imported run has no metrics")
        return
    steps = run.steps()
    logged = sorted({int(row["step"]) for row in run.metrics() if "reward" in row and "step" in row})
    if logged and not steps:
        yield f"steps: {len(logged)} steps are in metrics.jsonl and none has recorded groups; set record_groups: true"
    if not (logged and steps):
        return
    stride = min((b - a for a, b in pairwise(steps)), default=1)
    expected = range(steps[0], max(logged[-1], steps[-1]) + 1, stride)
    if missing := sorted(set(expected) & set(logged) - set(steps)):
        named = ", ".join(map(str, missing[:NAMED])) + (" and more" if len(missing) > NAMED else "")
        yield (
            f"steps: {len(missing)} steps are in metrics.jsonl without recorded groups ({named}); "
            "they were lost while the disk refused them, or deleted: only a copy brings them back"
        )


def _measures(run: Run, found: Verified) -> Iterator[str]:
    """Compare the measures that were stored with every group with its rows."""
    wrong = list[str]()
    written = frozenset.intersection(*(run.store.snapshot().columns.values() or [frozenset()]))
    known = [name for name, measure in GROUP_MEASURES.items() if measure.sql]
    differs = " OR ".join(_differs(name, may_lack=f"{GROUP_PREFIX}{name}" not in written) for name in known)
    steps = sorted({step for mode in MODES for step in run.steps(mode)})
    for start in range(0, len(steps), STEPS_AT_ONCE):
        part = steps[start : start + STEPS_AT_ONCE]
        sql = (
            f"WITH r AS (SELECT {_KEY}, {measures()} FROM completions WHERE step BETWEEN $1 AND $2 GROUP BY {_KEY}) "
            f"SELECT {', '.join(f'g.{key}' for key in _KEY.split(', '))} FROM groups g JOIN r USING ({_KEY}) "
            f"WHERE g.step BETWEEN $1 AND $2 AND ({differs})"
        )
        wrong += map(_group, run.query(sql, [part[0], part[-1]], steps=(part[0], part[-1])).to_pylist())
    lines = [f"{where}: its measures do not follow from its rows; restore its file from a copy" for where in wrong]
    yield from _first(lines, "groups have measures that do not follow from their rows")


def _first(lines: Sequence[str], what: str) -> Iterator[str]:
    """Yield the first lines, and how many more there are."""
    yield from lines[:NAMED]
    if len(lines) > NAMED:
        yield f"{len(lines) - NAMED} more {what}"


def _differs(name: str, *, may_lack: bool) -> str:
    """Return when a stored measure, g, is not that of the rows, r; one that an older file lacks is null."""
    stored, computed = f"g.{name}::DOUBLE", f"r.{name}::DOUBLE"
    lacks = (
        f"{stored} IS NOT NULL AND {computed} IS NULL" if may_lack else f"({stored} IS NULL) <> ({computed} IS NULL)"
    )
    return f"abs({stored} - {computed}) > 1e-6 * greatest(1, abs({computed})) OR ({lacks})"


def _advantages(run: Run, found: Verified) -> Iterator[str]:
    """Replay the recorded settings: the advantages must come out as they were recorded."""
    origin = read_provenance(run.directory.path)
    if origin is not None and origin.get("advantages") == "recorded":
        found.notes.append("advantages: those of another trainer, kept as it wrote them and not replayed")
        return
    for mode in MODES:
        if run.steps(mode):
            yield from _replayed(run, mode, found)


def _replayed(run: Run, mode: Mode, found: Verified) -> Iterator[str]:
    try:
        report = replay_run(run, mode=mode, top=0)
    except DRAError as error:
        found.notes += [f"advantages of {mode} groups: not replayed; {problem}" for problem in error.problems]
        return
    worst, wrong = report.differences.worst, report.differences.wrong
    if worst is None:
        return
    found.largest_replay_error = max(found.largest_replay_error or 0.0, worst.error)
    if wrong is not None:
        key = {"mode": mode, "step": wrong.step, "batch": wrong.batch, "group_index": wrong.group}
        yield (
            f"{_group(key)}, completion {wrong.completion}: its advantage is {wrong.recorded:.6g}, the recorded settings "
            f"give {wrong.replayed:.6g}; {report.differences.beyond_rounding} advantages differ by more "
            f"than {TOLERANCE:g}: `dra inspect replay {run.directory.path} --mode {mode}` shows where"
        )


def _group(row: Mapping[str, object]) -> str:
    batch = f" of batch {row['batch']}" if row["batch"] else ""
    return f"{row['mode']} step {row['step']}, group {row['group_index']}{batch}"
