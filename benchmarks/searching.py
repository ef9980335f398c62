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
from collections.abc import Iterable, Iterator
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
NEEDLES = {"schattenriss": 1, "quittenmarmelade": 20, "zwischenbemerkung": 200, "ofenkartoffel": 20_000}
"""Words that stand in so many completions of a generated run of a million, in proportion of others, at least in one."""
WORDS = {
    "a word of 1 completion": "schattenriss",
    "a word of 20 in a million": "quittenmarmelade",
    "a word of 200 in a million": "zwischenbemerkung",
    "a word of every fiftieth": "ofenkartoffel",
    "four letters that hardly occur": "qzjx",
    "nowhere": "hypotenuse",
    "common": " ",
}
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
AT_ONCE = 25
"""Steps that are scanned at once."""
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
    held = run.query("SELECT step, completion FROM texts")
    return _missed(run, held, patterns, run.steps())


def _missed(run: Run, held: pa.Table, patterns: Iterable[Pattern], of_steps: list[int]) -> dict[str, int]:
    """Return the same, where `held` are the texts of some steps."""
    connection, there = duckdb.connect(), len(of_steps)
    connection.register("held", held)
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
        opened = there if steps is None else sum(any(a <= step <= b for a, b in steps) for step in of_steps)
        counts["steps left out"] += there - opened
        counts["hits"] += len(found)
        if steps is not None:
            counts["missed"] += sum(not any(first <= step <= last for first, last in steps) for (step,) in found)
    return counts


def ask(folder: str, text: str, repeats: int) -> None:
    """Ask for a text in this process and print what it took, in wall and in processor seconds of all its threads."""
    run = Run.open(folder)
    seconds, processor = [], []
    for _ in range(repeats + 1):
        started, spent = time.perf_counter(), time.process_time()
        found = search(run, Wanted(text=text), Selection())
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - spent)
    again, work = (statistics.median(each[1:]) for each in (seconds, processor))
    told = {"first": seconds[0], "again": again, "work": work, "MiB": peak_memory(), "hits": len(found.rows)}
    print(json.dumps(told))


def _asked(run: Run, text: str, repeats: int = REPEATS) -> dict[str, float]:
    command = [sys.executable, __file__, "--ask", str(run.directory.path), text, str(repeats)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--completions", type=int, default=100_000)
    parser.add_argument("--patterns", type=int, default=10_000)
    parser.add_argument("--sampled", type=int, default=20, help="patterns of which all of the run is scanned")
    parser.add_argument("--ask", nargs=3)
    chosen = parser.parse_args()
    if chosen.ask:
        ask(chosen.ask[0], chosen.ask[1], int(chosen.ask[2]))
        return
    folder = chosen.work / f"searched-{chosen.completions}"
    if not folder.exists():
        needles = {word: max(1, count * chosen.completions // 1_000_000) for word, count in NEEDLES.items()}
        generate(folder, chosen.completions, CHARACTERS, needles=needles)
    run = Run.open(folder)
    size = run.query("SELECT sum(strlen(completion))::BIGINT AS n FROM texts").column(0)[0].as_py()
    index = folder / text_index.FOLDER
    shutil.rmtree(index, ignore_errors=True)
    rows = {}
    started = time.process_time()
    text_index.build_missing(run.directory.groups)
    building = time.process_time() - started
    of_index = sum(path.stat().st_size for path in index.iterdir())
    for name, text in WORDS.items():
        rows[name] = {"with": _asked(run, text)}
    groups = run.directory.groups
    index.rename(folder / "aside")
    index.write_text("")  # a file in its place: none can be made
    for name, text in WORDS.items():
        rows[name]["without"] = _asked(run, text, repeats=1)
    index.unlink()
    (folder / "aside").rename(index)
    result = {
        "completions": chosen.completions,
        "characters": size,
        "index over texts": of_index / size,
        "seconds to build": building,
        "questions": rows,
        "random patterns": _random(chosen.work, chosen.patterns),
        "sampled patterns": _sampled(run, chosen.sampled),
        "segments": len([*groups.iterdir()]),
    }
    write("searching", result)
    _table(result)


def _sampled(run: Run, count: int) -> dict[str, int]:
    """Return what of random patterns a scan of the whole run finds and the index leaves out."""
    rng = random.Random(0)
    texts = run.query("SELECT completion FROM texts LIMIT 400").column(0).to_pylist()
    patterns = [pattern for pattern in random_patterns(rng, texts, 6 * count) if len(pattern[0]) > 7][:count]
    steps = run.steps()
    counts = dict.fromkeys(("patterns", "invalid", "narrowed", "steps left out", "hits", "missed"), 0)
    for start in range(0, len(steps), AT_ONCE):
        part = steps[start : start + AT_ONCE]
        held = run.query("SELECT step, completion FROM texts WHERE step BETWEEN $1 AND $2", [part[0], part[-1]])
        found = _missed(run, held, patterns, part)
        counts = {name: counts[name] + found[name] for name in counts}
    for name in ("patterns", "invalid", "narrowed"):  # the same in every part
        counts[name] //= -(-len(steps) // AT_ONCE)
    return counts


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
        f"once and then {REPEATS} times more (without the index once), of which the median.",
        "",
        "| looked for | hits shown | first | again | processor seconds, again | MiB | without the index, first | again "
        "| processor seconds, again |",
        "| --- | " + " | ".join(["---:"] * 8) + " |",
    ]
    for name, row in questions.items():
        a, b = row["with"], row["without"]
        cells = [str(a["hits"]), *(f"{1000 * value:,.0f} ms" for value in (a["first"], a["again"]))]
        cells += [f"{a['work']:.2f}", f"{a['MiB']:.0f}", *(f"{1000 * b[way]:,.0f} ms" for way in ("first", "again"))]
        lines.append(f"| {name} | {' | '.join([*cells, format(b['work'], '.2f')])} |")
    lines += [
        "",
        f"The index is {result['index over texts']:.1%} of the texts, built in {result['seconds to build']:.1f} seconds of "
        "one processor.",
        f"Random patterns against a full scan of 4,000 texts: {json.dumps(result['random patterns'])}.",
        f"Random patterns against a scan of all of this run: {json.dumps(result['sampled patterns'])}.",
    ]
    write_markdown("searching", "Search with its index", lines)


if __name__ == "__main__":
    main()
