"""Sound copies of everything that is read, and what is changed in them at random: bytes, JSON, rows; alike for a number."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "recipe"), str(TESTS / "evaluation")]

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
