"""Mutated inputs of every kind that is read, thousands of them, each through the real commands in bounds.

    python benchmarks/fuzzing.py --inputs 10000 [--first 0] [--workers 2] [--keep FILE.json]

Input number N of a kind is always the same. It is made in a process of its own from a sound copy: a recipe with
overrides, a file of a run directory, a file of a compacted run, rollouts of other trainers, results of evaluations. What
counts: an exception that is no told mistake, more than 10 seconds of processor time, more than 1 GiB, and a number that
is not the sound copy's where no problem was told.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "recipe"), str(TESTS / "evaluation")]

SECONDS, MEMORY, WALL = 10.0, 1 << 30, 300.0
SHARES = {"recipe": 50, "run": 16, "segments": 10, "imports": 10, "evaluations": 14}
NUMBERS = (
    "SELECT step, group_index, completion_index, tokens, total, adjusted, weight, advantage, similarity FROM "
    "(SELECT step, group_index, completion_index, tokens, total, adjusted, weight, advantage, NULL AS similarity "
    "FROM completions) ORDER BY ALL"
)
ODD_JSON: list[Any] = [
    *(
        None,
        True,
        0,
        -1,
        1e308,
        10**400,
        "",
        "x" * 50_000,
        "\x1b[31m",
        "../../etc",
        [],
        {},
        [None],
        [[[]]],
        {"a": {"b": []}},
    ),
    *(
        float("nan"),
        float("inf"),
        "NaN",
        "1",
        1.5,
        -(2**63),
        2**70,
        {"": 0},
        ["1", 2, None],
        "\ud800",
        "\u202e",
        {"version": 99},
    ),
]
ODD_BYTES = [
    *(
        b"",
        b"\x00" * 100,
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"null",
        b"[]",
        b"{}",
        b"1e999",
        b'"',
        b"\n\n\n",
    ),
    *(
        b"PAR1",
        b"\x80\x04K\x01.",
        b'{"step": "x"}\n',
        b'{"step": 1e99}\n',
        b"NaN",
        b"- " * 2000,
        b"&a [*a]",
        b"\r\n",
        b"9" * 5000,
    ),
]


class SlowError(BaseException):
    """An input has used up its processor time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many seconds")
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = tried(
            range(given.first, given.first + given.inputs), Path(folder), workers=given.workers, seconds=given.seconds
        )
    told = summary(found)
    print(json.dumps(told, indent=1))
    if given.keep:
        given.keep.write_text(
            json.dumps(told | {"command": " ".join(["python", "benchmarks/fuzzing.py", *sys.argv[1:]])}, indent=1)
            + "\n"
        )
    sys.exit(bool(told["findings"]))


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return outcomes by kind, and what must not be."""
    kinds = {kind: Counter(row["outcome"] for row in found if row["kind"] == kind) for kind in SHARES}
    bad = [row for row in found if row["outcome"] not in ("read", "told")]
    return {
        "inputs": len(found),
        "outcomes": {kind: dict(sorted(counts.items())) for kind, counts in kinds.items()},
        "largest MiB": max((row["MiB"] for row in found), default=0),
        "slowest seconds": max((row["seconds"] for row in found), default=0),
        "findings": bad,
    }


def tried(numbers: range, folder: Path, *, workers: int, seconds: float = float("inf")) -> list[dict[str, Any]]:
    """Try inputs in processes forked from this one; a process that dies or hangs is one finding and is replaced."""
    import dra_toolkit.cli.main  # noqa: F401 - before the forks

    bases = make_bases(folder)
    waiting, found, ends = iter(numbers), [], time.monotonic() + seconds
    running: dict[int, dict[str, Any]] = {}

    def again(left: list[int]) -> None:
        running.update(_start(left, bases, folder))

    while True:
        while len(running) < workers and time.monotonic() < ends:
            batch = [number for number, _ in zip(waiting, range(25), strict=False)]
            if not batch:
                break
            running |= _start(batch, bases, folder)
        if not running:
            return found
        for read in select.select(list(running), [], [], 1.0)[0]:
            worker = running[read]
            data = os.read(read, 1 << 20)
            worker["text"] += data
            worker["heard"] = time.monotonic()
            if not data:
                found += _finished(running.pop(read), read, again)
        for worker in running.values():
            if time.monotonic() - worker["heard"] > WALL:
                os.kill(worker["pid"], signal.SIGKILL)


def _start(batch: list[int], bases: Path, folder: Path) -> dict[int, dict[str, Any]]:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read)
            _limit()
            for number in batch:
                os.write(write, (json.dumps(one(number, bases, folder / f"work-{os.getpid()}")) + "\n").encode())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    return {read: {"pid": pid, "batch": batch, "text": b"", "heard": time.monotonic()}}


def _finished(worker: dict[str, Any], read: int, again: Callable[[list[int]], None]) -> list[dict[str, Any]]:
    os.close(read)
    status = os.waitpid(worker["pid"], 0)[1]
    rows = [json.loads(line) for line in worker["text"].decode().splitlines()]
    left = worker["batch"][len(rows) :]
    if left:
        rows.append(
            {
                "number": left[0],
                "kind": kind_of(left[0]),
                "outcome": "died",
                "what": f"status {status}",
                "MiB": 0,
                "seconds": 0,
            }
        )
        if left[1:]:
            again(left[1:])
    return rows


def _limit() -> None:
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    data = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (int(data.split()[1]) * 1024 + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ["PATH"] = ""  # reports draw their pictures in a browser where one is found: not what is tried here
    signal.signal(signal.SIGPROF, _too_slow)


def _too_slow(*_: object) -> None:
    raise SlowError


def kind_of(number: int) -> str:
    """Return what kind of input has this number."""
    return random.Random(number).choices(list(SHARES), list(SHARES.values()))[0]


def one(number: int, bases: Path, work: Path) -> dict[str, Any]:
    """Make an input, have it read, and return what became of it."""
    kind = kind_of(number)
    rng = random.Random(f"{number}/{kind}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    os.chdir(work)
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    what = ""
    try:
        outcome, what = TRIES[kind](rng, bases, work)
    except SlowError:
        outcome, what = "slow", _place()
    except MemoryError:
        outcome, what = "memory", _place()
    except BaseException:
        outcome, what = "traceback", _place()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    seconds = round(time.process_time() - began, 2)
    return {"number": number, "kind": kind, "outcome": outcome, "what": what, "MiB": used, "seconds": seconds}


def _place() -> str:
    _, error, trace = sys.exc_info()
    frames = [f for f in traceback.extract_tb(trace) if "dra_toolkit" in f.filename] or traceback.extract_tb(trace)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__} {where}: {str(error)[:120]}"


# ---- what is read, and how it is changed


def make_bases(folder: Path) -> Path:
    """Make sound copies of everything; return their folder."""
    from evaluated import evaluate
    from recorded import make_run, record, record_all

    from dra_toolkit.runs.compaction import compact
    from dra_toolkit.runs.metrics import append_metrics

    bases = folder / "bases"
    for name in ("run", "segments"):
        run = make_run(_made(bases / name) / "run")
        record_all(run, *[[record(step, i, G=3, keep=i == 0) for i in range(2)] for step in (1, 2, 3)])
        for step in (1, 2, 3):
            append_metrics(run.metrics, step=step, attempt=1, values={"reward": step / 4, "loss": 0.1})
        run.write_status("finished", step=3)
    compact(bases / "segments" / "run" / "groups", everything=True, grace=-1)
    evals = _made(bases / "evaluations" / "evals")
    for step in (0, 50):
        evaluate(evals, step, "aime24", [[1, 0], [0, 1 if step else 0]], judged=[[1, 1], [0, 1]])
    for name, rows in ROLLOUTS.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (_made(bases / "imports" / name) / "1.jsonl").write_text(lines)
    results = {"results": {"lighteval|aime24|0": {"math_pass@1:1_samples": 0.4, "math_pass@1:1_samples_stderr": 0.09}}}
    general = {"config_general": {"model_name": "m/step-7", "lighteval_sha": "?"}, "versions": {}}
    other = _made(bases / "evaluations" / "other" / "m")
    (other / "results_2025-03-15T04-13-19.506547.json").write_text(json.dumps(general | results))
    return bases


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


ROLLOUTS: dict[str, list[dict[str, Any]]] = {
    "plain": [
        {"prompt": f"q{i // 4}", "completion": f"c {i} {i}", "reward": i % 2, "step": 1 + i // 8} for i in range(16)
    ],
    "verl": [
        {"input": f"q{i // 4}", "output": f"c {i}", "gts": "1", "score": i % 2, "step": 1, "uid": f"u{i // 4}"}
        for i in range(16)
    ],
    "messages": [
        {"prompt": [{"role": "user", "content": f"q{i // 4}"}], "completion": [{"role": "assistant", "content": f"c {i}"}],
         "rewards": {"a": i % 2, "b": 0.5}, "step": 1}
        for i in range(8)
    ],
}  # fmt: skip


def dra(*arguments: object) -> Any:
    """Run a command here; raises what it did not tell."""
    from typer.testing import CliRunner

    from dra_toolkit.cli.main import app

    ran = CliRunner().invoke(app, [*map(str, arguments)])
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception.with_traceback(ran.exc_info[2])
    if "Traceback (most recent" in ran.output:
        raise AssertionError(f"a traceback was printed by {arguments[:2]}")
    return ran


def try_recipe(rng: random.Random, bases: Path, work: Path) -> tuple[str, str]:
    """A recipe and overrides."""
    from test_fuzz import an_input

    from dra_toolkit.cli.overrides import read_overrides
    from dra_toolkit.errors import LONGEST, DRAError
    from dra_toolkit.inspection.replay.settings import read_changes
    from dra_toolkit.recipe import load_recipe
    from dra_toolkit.recipe.load import examine_recipe

    text, overrides = an_input(rng)
    path = Path("r.yaml")
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    told = []
    for call in (
        lambda: load_recipe(path, read_overrides(overrides)),
        lambda: examine_recipe(path, overrides),
        lambda: read_changes(overrides),
    ):
        try:
            call()
        except DRAError as error:
            told += error.problems
    assert all(len(line) <= LONGEST and "\n" not in line for line in told)
    return ("told" if told else "read"), ""


def try_run(rng: random.Random, bases: Path, work: Path, base: str = "run") -> tuple[str, str]:
    """A file of a run directory, or of its segments: what SQL says of the numbers is compared with the sound copy."""
    run = Path(shutil.copytree(bases / base / "run", work / "run"))
    path = mutate_one(rng, run)
    runs = dra("inspect", "runs", work)
    numbers = dra("inspect", "sql", run, NUMBERS, "--json")
    commands = [("summary", run, "--json"), ("verify", run), ("groups", run), ("group", run, "2", "0"), ("replay", run)]
    commands += [
        ("compare", run, bases / base / "run"),
        ("search", run, "text"),
        ("export", run, "-o", work / "out.html"),
    ]
    others = [dra("inspect", *command) for command in rng.sample(commands, 2)]
    told = any(ran.exit_code or ran.stderr for ran in (runs, numbers, *others))
    if numbers.exit_code == 0:
        seen, sound = _rows(numbers), sound_rows(bases / base / "run")
        known = Counter(map(repr, sound))
        extra = Counter(map(repr, seen)) - known
        if extra:
            return "wrong", f"{path}: {next(iter(extra))[:150]}"
        if len(seen) < len(sound) and not numbers.stderr and path.endswith(".parquet") and (run / path).exists():
            return "wrong", f"{path}: {len(sound) - len(seen)} rows are gone without a word"
    return ("told" if told else "read"), ""


def _rows(ran: Any) -> list[Any]:
    return json.loads(ran.stdout)["rows"] if ran.stdout.strip() else []


@functools.cache
def sound_rows(run: Path) -> list[Any]:
    """Return what SQL says of a sound copy."""
    return _rows(dra("inspect", "sql", run, NUMBERS, "--json"))


@functools.cache
def sound_report(folder: Path) -> dict[str, Any]:
    """Return the report of sound evaluations."""
    found: dict[str, Any] = json.loads(dra("eval", "report", folder, "--json").stdout)
    return found


def try_imports(rng: random.Random, bases: Path, work: Path) -> tuple[str, str]:
    """Rollouts of other trainers, imported and checked."""
    source = Path(shutil.copytree(bases / "imports" / rng.choice(list(ROLLOUTS)), work / "rollouts"))
    mutate_one(rng, source)
    made = dra("inspect", "import", source, "-o", work / "run", "--embedder", "hash")
    if made.exit_code == 0:
        checked = dra("inspect", "verify", work / "run")
        assert checked.exit_code == 0, f"an imported run does not verify: {checked.output[-200:]}"
        return "read", ""
    return "told", ""


def try_evaluations(rng: random.Random, bases: Path, work: Path) -> tuple[str, str]:
    """Results of evaluations, ours and lighteval's: scores are compared with the sound copy."""
    base = rng.choice(("evals", "evals", "other"))
    folder = Path(shutil.copytree(bases / "evaluations" / base, work / "evals"))
    path = mutate_one(rng, folder)
    report = dra("eval", "report", folder, "--json")
    dra("eval", "report", folder, *rng.choice([(), ("--metric", "maj"), ("--out", work / "out")]))
    if report.exit_code:
        return "told", ""
    found = json.loads(report.stdout)
    other = found["rows"] != sound_report(bases / "evaluations" / base)["rows"]
    if other and not found["problems"] and path.endswith(".parquet") and (folder / path).is_file():
        return "wrong", f"{path}: other scores, and nothing told"
    return ("told" if found["problems"] else "read"), ""


TRIES: dict[str, Callable[..., tuple[str, str]]] = {
    "recipe": try_recipe,
    "run": try_run,
    "segments": lambda rng, bases, work: try_run(rng, bases, work, "segments"),
    "imports": try_imports,
    "evaluations": try_evaluations,
}


def mutate_one(rng: random.Random, folder: Path) -> str:
    """Change one file of a folder; return its path within."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = rng.choice(files)
    name = str(path.relative_to(folder))
    if path.suffix in (".json", ".jsonl", ".yaml") and rng.random() < 0.6:
        path.write_text(_odd_json(rng, path.read_text()), encoding="utf-8", errors="surrogatepass")
    elif path.suffix == ".parquet" and rng.random() < 0.25:
        _other_rows(rng, path)
    else:
        path.write_bytes(_other_bytes(rng, path.read_bytes()))
    if rng.random() < 0.03:
        _no_file(rng, path)
    return name


def _no_file(rng: random.Random, path: Path) -> None:
    path.unlink()
    rng.choice((lambda: os.mkfifo(path), lambda: path.mkdir(), lambda: path.symlink_to("/dev/zero"), lambda: None))()


def _odd_json(rng: random.Random, text: str) -> str:
    """Put something odd at a random place of a JSON document, or of one line of JSON lines."""
    lines = text.splitlines() or [""]
    at = rng.randrange(len(lines))
    try:
        document, rest = json.loads(text), None
    except ValueError:
        try:
            document, rest = json.loads(lines[at]), at
        except ValueError:
            return text.replace(rng.choice(text.split() or ["x"]), str(rng.choice(ODD_JSON))[:1000], 1)
    places = list(_places(document))
    if not places:
        return json.dumps(rng.choice(ODD_JSON))
    holder, key = rng.choice(places)
    change = rng.randrange(3)
    if change == 0 and isinstance(holder, dict):
        holder[str(rng.choice(ODD_JSON))[:50]] = holder.pop(key)
    elif change == 1:
        del holder[key]
    else:
        holder[key] = rng.choice(ODD_JSON)
    changed = json.dumps(document)
    return changed if rest is None else "\n".join([*lines[:rest], changed, *lines[rest + 1 :]]) + "\n"


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(document, dict | list):
        for key in list(document) if isinstance(document, dict) else range(len(document)):
            yield document, key
            yield from _places(document[key])


def _other_bytes(rng: random.Random, data: bytes) -> bytes:
    """Flip bits, cut, lengthen, empty, or write over a part."""
    changed = bytearray(data)
    at = rng.randrange(len(data)) if data else 0
    change = rng.randrange(6)
    if change == 0:
        for _ in range(rng.randrange(1, 4)):
            if changed:
                changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif change == 1:
        del changed[at:]
    elif change == 2:
        changed[at:at] = rng.choice(ODD_BYTES)
    elif change == 3:
        changed[at : at + 40] = bytes(min(40, len(data) - at))
    elif change == 4:
        changed = bytearray(rng.choice(ODD_BYTES))
    else:
        changed[at : at + 8] = rng.randbytes(8)
    return bytes(changed)


def _other_rows(rng: random.Random, path: Path) -> None:
    """Write a Parquet file anew, with sound checksums: rows doubled, gone or in another order, columns gone or renamed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    column = rng.choice(table.column_names)
    n = table.num_rows
    changes: list[Callable[[], pa.Table]] = [
        lambda: table.drop_columns([column]),
        lambda: table.rename_columns([f"{c}x" if c == column else c for c in table.column_names]),
        lambda: pa.concat_tables([table, table.slice(0, 1)]),
        lambda: table.slice(0, n - 1),
        lambda: table.slice(0, 0),
        lambda: table.take(list(reversed(range(n)))),
        lambda: table.set_column(table.column_names.index(column), column, pa.nulls(n)),
        lambda: table.set_column(table.column_names.index(column), column, pa.array(["x"] * n)),
        lambda: table.replace_schema_metadata({k: v[: len(v) // 2] for k, v in (table.schema.metadata or {}).items()}),
        lambda: table.replace_schema_metadata(None),
    ]
    pq.write_table(rng.choice(changes)(), path, write_page_checksum=True)


if __name__ == "__main__":
    main()
