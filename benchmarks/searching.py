"""Search over recorded texts with its index and without, and random patterns against a full scan.

`python benchmarks/searching.py --work FOLDER [--completions 100000] [--patterns 10000]` generates a run there unless it is,
builds the index, asks each question in a fresh process, and compares what the index lets through with what a scan finds.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
from common import write, write_markdown
from generate_run import generate
from run_store import REPEATS, peak_memory

from dra_toolkit.inspection import text_index
from dra_toolkit.inspection.selection import Selection
from dra_toolkit.inspection.text_search import Wanted, search
from dra_toolkit.runs import Run, segments

CHARACTERS = 3_800
ALPHABET = "abcde  \n-.,[]+*(é日İſ\u212aK"
PIECES = (
    ".",
    r"\d",
    "[ab]",
    "[^a]",
    r"\w+",
    "a|b",
    "x?",
    "(?:ab)+",
    "^",
    "$",
    r"\b",
    "(?i)ab",
    "a{2}",
    "[[:alpha:]]b",
    "c*",
)
Pattern = tuple[str, bool, bool]
"""Text, whether it is a regular expression, whether case is ignored."""


def random_texts(rng: random.Random, count: int) -> list[str]:
    """Return texts of few words and signs, some of which only look alike."""
    words = ["".join(rng.choices(ALPHABET, k=rng.randint(2, 9))) for _ in range(200)]
    return ["".join(rng.choices(words, k=rng.randint(1, 60))) for _ in range(count)]


def random_patterns(rng: random.Random, texts: list[str], count: int) -> Iterator[Pattern]:
    """Yield pieces of the texts, as they are, changed, in other case, and put together as expressions."""
    for _ in range(count):
        text = rng.choice(texts)
        start = rng.randrange(len(text))
        piece = text[start : start + rng.randint(1, 24)]
        piece = piece.swapcase() if rng.random() < 0.3 else piece
        if rng.random() < 0.3:
            piece = piece.replace(rng.choice(piece), rng.choice(ALPHABET))
        is_regex = rng.random() < 0.6
        if is_regex:
            middle = len(piece) // 2
            left, right, other = (duckdb_escaped(part) for part in (piece[:middle], piece[middle:], piece[::-1]))
            between = rng.choice(("", *PIECES, f"({left})+", f"({other}|{right})", f"(?i:{left})", f"({other})?"))
            piece = f"{left}{between}{right}" + (f"|{other}" if rng.random() < 0.15 else "")
        yield piece or "a", is_regex, rng.random() < 0.4


def duckdb_escaped(text: str) -> str:
    """Return a regular expression of the text itself."""
    return "".join(c if c.isalnum() or ord(c) > 127 or c in " \n,-" else f"\\{c}" for c in text)


def missed(run: Run, patterns: Iterator[Pattern]) -> dict[str, int]:
    """Return how many patterns were tried and narrowed, the completions they match, and those that the index left out."""
    texts = run.query("SELECT step, completion FROM texts").to_pydict()
    held = pa.table(texts)  # noqa: F841 - DuckDB finds it by its name
    connection, there = duckdb.connect(), len(run.steps())
    counts = dict.fromkeys(("patterns", "invalid", "narrowed", "steps left out", "hits", "missed"), 0)
    for text, is_regex, ignore_case in patterns:
        counts["patterns"] += 1
        match = "regexp_matches(completion, $1, 'i')" if ignore_case else "regexp_matches(completion, $1)"
        if not is_regex:
            match = "contains(lower(completion), lower($1))" if ignore_case else "contains(completion, $1)"
        try:
            found = connection.execute(f"SELECT step FROM held WHERE {match}", [text]).fetchall()
        except duckdb.Error:
            counts["invalid"] += 1
            continue
        needed, ignores = text_index.needed_by(text if is_regex else re.escape(text))
        steps = text_index.steps_that_may_hold(run.store, needed, ignore_case=ignores or ignore_case)
        counts["narrowed"] += steps is not None
        counts["steps left out"] += 0 if steps is None else there - sum(b - a + 1 for a, b in steps)
        counts["hits"] += len(found)
        if steps is not None:
            counts["missed"] += sum(not any(first <= step <= last for first, last in steps) for (step,) in found)
    return counts


def ask(folder: str, text: str) -> None:
    """Ask for a text in this process and print what it took."""
    run = Run.open(folder)
    seconds = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        found = search(run, Wanted(text=text), Selection())
        seconds.append(time.perf_counter() - started)
    again = statistics.median(seconds[1:])
    print(json.dumps({"first": seconds[0], "again": again, "MiB": peak_memory(), "hits": len(found.rows)}))


def _asked(run: Run, text: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--ask", str(run.directory.path), text]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--completions", type=int, default=100_000)
    parser.add_argument("--patterns", type=int, default=10_000)
    parser.add_argument("--ask", nargs=2)
    chosen = parser.parse_args()
    if chosen.ask:
        ask(*chosen.ask)
        return
    folder = chosen.work / f"searched-{chosen.completions}"
    run = Run(generate(folder, chosen.completions, CHARACTERS)) if not folder.exists() else Run.open(folder)
    size = run.query("SELECT sum(strlen(completion))::BIGINT AS n FROM texts").column(0)[0].as_py()
    index = folder / text_index.FOLDER
    shutil.rmtree(index, ignore_errors=True)
    rows = {}
    started = time.process_time()
    text_index.build_missing(run.directory.groups)
    building = time.process_time() - started
    of_index = sum(path.stat().st_size for path in index.iterdir())
    words = {
        "a rare word": _rare(run),
        "four letters that hardly occur": "qzjx",
        "nowhere": "hypotenuse",
        "common": " ",
    }
    for name, text in words.items():
        rows[name] = {"with": _asked(run, text)}
    groups = run.directory.groups
    index.rename(folder / "aside")
    index.write_text("")  # a file in its place: none can be made
    for name, text in words.items():
        rows[name]["without"] = _asked(run, text)
    index.unlink()
    (folder / "aside").rename(index)
    result = {
        "completions": chosen.completions,
        "characters": size,
        "index over texts": of_index / size,
        "seconds to build": building,
        "questions": rows,
        "random patterns": _random(chosen.work, chosen.patterns),
        "segments": len([*groups.iterdir()]),
    }
    write("searching", result)
    _table(result)


def _rare(run: Run) -> str:
    """Return a word of the run that is in the fewest of its completions, at least one, of some that are tried."""
    texts = run.query("SELECT completion FROM texts LIMIT 400").column(0).to_pylist()
    counts: dict[str, int] = {}
    for word in (word for text in texts for word in set(text.split()[1:-1])):
        counts[word] = counts.get(word, 0) + 1
    tried = [word for word, count in counts.items() if count == 1 and len(word) >= 7][:40]
    sql = ", ".join(f"count(*) FILTER (contains(completion, '{word}'))" for word in tried)
    found = run.query(f"SELECT {sql} FROM texts").to_pylist()[0].values()
    return min(zip(found, tried, strict=True))[1]


def _random(work: Path, count: int) -> dict[str, int]:
    rng = random.Random(0)
    texts = random_texts(rng, 4_000)
    return missed(indexed_run(work / "random", texts), random_patterns(rng, texts, count))


def indexed_run(folder: Path, texts: list[str], stretch: int = 4_000) -> Run:
    """Return a compacted run of these texts, 20 to a step, whose index has many small stretches."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from recorded import make_run, record, record_all

    from dra_toolkit.runs.compaction import compact

    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    directory = make_run(folder)
    batches = [[record(at // 20 + 1, 0, G=20, texts=texts[at : at + 20])] for at in range(0, len(texts), 20)]
    record_all(directory, *batches)
    before = text_index.STRETCH, segments.TEXT_BYTES, segments.FEWEST_TEXTS
    text_index.STRETCH, segments.TEXT_BYTES, segments.FEWEST_TEXTS = stretch, stretch // 4, 20
    try:
        compact(directory.groups, everything=True, grace=0)
        text_index.build_missing(directory.groups)
    finally:
        text_index.STRETCH, segments.TEXT_BYTES, segments.FEWEST_TEXTS = before
    return Run(directory)


def _table(result: dict[str, object]) -> None:
    questions: dict[str, dict[str, dict[str, float]]] = result["questions"]  # type: ignore[assignment]
    lines = [
        f"{result['completions']:,} completions of {CHARACTERS:,} characters on average; each question in a fresh process, "
        f"once and then {REPEATS} times more, of which the median.",
        "",
        "| looked for | first | again | MiB | without the index, first | again |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in questions.items():
        a, b = row["with"], row["without"]
        cells = [f"{1000 * value:,.0f} ms" for value in (a["first"], a["again"])]
        cells += [f"{a['MiB']:.0f}", f"{1000 * b['first']:,.0f} ms", f"{1000 * b['again']:,.0f} ms"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        f"The index is {result['index over texts']:.1%} of the texts, built in {result['seconds to build']:.1f} seconds of "
        "one processor.",
        f"Random patterns against a full scan: {json.dumps(result['random patterns'])}.",
    ]
    write_markdown("searching", "Search with its index", lines)


if __name__ == "__main__":
    main()
