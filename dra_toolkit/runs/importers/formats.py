"""The formats that can be imported: what each declares, in which order they are tried, and how one is recognised.

What each holds, and which file of whose source describes it: docs/import-export.md.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.judge.golds import gold_text
from dra_toolkit.recipe.yaml_text import read_yaml
from dra_toolkit.runs.importers.lines import columns_in, content_of, jsonl_files, objects
from dra_toolkit.runs.importers.prime_rl import PrimeRL
from dra_toolkit.runs.importers.rollout import (
    BadRowError,
    Options,
    Problems,
    Rollout,
    as_number,
    as_step,
    shared_prompts,
    spoken,
)
from dra_toolkit.safe_text import first_line

Row = Mapping[str, Any]
Block = list[tuple[str, Row]]
"""Rows that were written together, each with where it stands."""
_made = partial(tuple.__new__, Rollout)  # half of what a call by name costs


def rows_of(path: Path, problems: Problems) -> Iterator[Block]:
    """Yield each line of a file of JSON lines or CSV, or the rows of a Parquet file all at once."""
    if path.suffix != ".parquet":
        for where, line in objects(path, problems):
            yield [(where, line)]
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.ParquetFile(path).read(use_threads=False).to_pylist()
        yield [(f"{path}: row {number}", row) for number, row in enumerate(rows)]
    except (OSError, pa.ArrowException) as error:
        problems.add(str(path), f"torn or not Parquet ({first_line(error)})")


@dataclass(frozen=True, kw_only=True)
class Table:
    """One format; what the caller says in `Options` goes before what is declared here."""

    name: str
    meaning: str
    files: Sequence[str]
    """Patterns of its files' names; those of the first pattern that has any are read."""
    shown_by: Sequence[str]
    """Columns that show the format."""
    rewards: str
    """Which of the columns are rewards: one of `_REWARDS`."""
    blocks: str = "rows"
    """How a file is read: one of `_BLOCKS`."""
    consecutive: bool = False
    """Whether completions of one group follow each other, so that the same prompt may come twice in a step."""
    repeats: bool = False
    """Whether a block may be written again, and counts once."""
    named: bool = False
    """Whether the caller names prompt and completion; a row without a step is then of the first."""
    prompt: str = "prompt"
    completion: str = "completion"
    steps: Sequence[str] = ("step",)
    group: str | None = None
    trajectory: str | None = None
    """Rows of one value are turns of one completion, of which the last is kept."""
    advantage: str = "advantage"
    gold: Sequence[str] = ()
    tokens: Sequence[str] = ()

    def recognise(self, source: Path) -> str | None:
        """Return what in a file or folder shows that it is of this format, or None."""
        for path in self._files(source):
            columns = columns_in(path)
            has_step = columns is not None and (len(self.steps) == 1 or any(name in columns for name in self.steps))
            if has_step and set(self.shown_by) <= set(columns or ()):
                return f"{path.name} has the columns {', '.join(self.shown_by)} of {self.meaning}"
        return None

    def reward_names(self, source: Path, options: Options) -> list[str]:
        """Return the rewards that the rollouts have; raises RunError for a source that is not of this format."""
        path, columns = self.first_file(source)
        named = [*options.reward_columns]
        if self.named:
            others = (options.step_column, options.group_column, options.advantage_column, options.trajectory_column)
            named += [options.prompt_column, options.completion_column, *filter(None, others)]
        missing = [name for name in named if name not in columns]
        if missing:
            has = ", ".join(columns)
            raise RunError(*(f"{path}: no column {n!r}{did_you_mean(n, columns)}; has {has}" for n in missing))
        found = options.reward_columns or _REWARDS[self.rewards](columns)
        if not found:
            raise RunError(f"{path}: name the rewards with --reward-column; has {', '.join(columns)}")
        return list(found)

    def read(self, source: Path, options: Options, problems: Problems) -> Iterator[Rollout]:
        """Yield the rollouts, file by file and a block of rows at a time."""
        rewards = self.reward_names(source, options)
        before: list[tuple[Any, Any]] = []
        for path in self._files(source):
            rollout = self._reader(path, rewards, options)
            for block in self._blocks(path, options, problems):
                if self.repeats and len(block) > 1:
                    texts = [(row.get(self.completion), row.get(self.prompt)) for _, row in block]
                    if texts == before:
                        continue
                    before = texts
                for where, row in block:
                    try:
                        yield rollout(row)
                    except BadRowError as error:
                        problems.add(where, str(error))

    def _files(self, source: Path) -> list[Path]:
        if source.is_file():
            return [source] if self.named or (source.suffix == ".parquet") == self.files[0].endswith(".parquet") else []
        for pattern in self.files:
            if found := jsonl_files(source, pattern):
                return found
        return []

    def first_file(self, source: Path) -> tuple[Path, dict[str, Any]]:
        """Return the first file that can be read, and its columns with a value of each; of Parquet those of all files."""
        read = ((path, found) for path in self._files(source) if (found := columns_in(path)) is not None)
        path, columns = next(read, (None, {}))
        if path is None:
            raise RunError(f"{source}: no rows of {self.meaning} in {' or '.join(self.files)}")
        if path.suffix == ".parquet":
            columns = columns | {name: value for _, of_file in read for name, value in of_file.items()}
        return path, columns

    def _blocks(self, path: Path, options: Options, problems: Problems) -> Iterator[Block]:
        trajectory = options.trajectory_column or self.trajectory
        if trajectory is None:
            yield from _BLOCKS[self.blocks](path, problems)
            return
        names = (*self.steps, options.step_column, self.group, options.group_column, trajectory)
        blocks = _BLOCKS[self.blocks](path, problems)
        if options.trajectory_column is not None:
            blocks = iter([[row for block in blocks for row in block]])
        yield from (_last_turns(block, names) for block in blocks)

    def _reader(self, path: Path, rewards: list[str], options: Options) -> Callable[[Row], Rollout]:
        """Return what makes a rollout of a row of a file; neighbours of one prompt share it."""
        prompt, completion, steps, advantage = self.prompt, self.completion, self.steps, self.advantage
        if self.named:
            prompt, completion = options.prompt_column, options.completion_column
            advantage = options.advantage_column or advantage
            steps = (options.step_column or steps[0], *steps)
        of_file = int(path.stem) if path.stem.isdecimal() else 1 if self.named else None
        prompts, counts, mode, first = shared_prompts(), self.tokens, options.mode, steps[0]
        gold_column = next((name for name in self.gold if name in (columns_in(path) or ())), "")
        columns = completion, options.group_column or self.group or "", gold_column, advantage, first

        def rollout(row: Row) -> Rollout:
            said, group, gold, made, step = map(row.get, columns)
            text, turns = (said, None) if type(said) is str else spoken(said)
            if step is None:
                others = [row[name] for name in steps if name in row]
                step = next((other for other in others if other is not None), None) if others else of_file
            return _made((
                mode, step if type(step) is int and step >= 0 else as_step(step, first),
                None if group is None else str(group),
                prompts(row.get(prompt)),
                text,
                {name: v if type(v := row.get(name)) is float and v - v == 0 else as_number(v, name) for name in rewards},
                made if made is None or (type(made) is float and made - made == 0) else as_number(made, advantage),
                next((row[name] for name in counts if isinstance(row.get(name), int)), None) if counts else None,
                None, None, turns, gold if gold is None or type(gold) is str else _gold(gold),
            ))  # fmt: skip

        return rollout


def _gold(found: Any) -> str | None:
    """Return a gold as text, also the one in a list or in verl's `reward_model`; anything else as it stands there."""
    found = found.get("ground_truth", found) if isinstance(found, dict) else found
    with suppress(ValueError):
        return gold_text(found)
    return str(found)


def _last_turns(block: Block, names: tuple[str | None, ...]) -> Block:
    """Return the last row of each trajectory, which columns of these names tell apart, where the first stood."""
    last: dict[object, tuple[str, Row]] = {}
    if not any(names[-1] in row for _, row in block):
        return block
    for where, row in block:
        is_known = row.get(names[-1] or "") is not None
        last[tuple(str(row.get(name or "")) for name in names) if is_known else where] = where, row
    return list(last.values())


_NO_REWARDS = ("step", "prompt", "completion", "advantage", "diversity")
"""Numbers of TRL that are no rewards; `diversity` is what an adjustment added to the total, which is measured anew here."""
_UID = re.compile(r"(?P<group>.+)_(?P<session>\d+)_(?P<output>\d+)")
_SESSION = "session of the uid"


def _numbers_of(columns: Row) -> list[str]:
    is_own = (*_NO_REWARDS, *(name for name in columns if name.startswith("__index")))
    return [name for name, value in columns.items() if isinstance(value, float) and name not in is_own]


def _before_advantages(columns: Row) -> list[str]:
    names = list(columns)
    is_table = {"completion", "advantages"} <= columns.keys()
    return names[names.index("completion") + 1 : names.index("advantages")] if is_table else []


def _tables_by_column(path: Path, problems: Problems) -> Iterator[Block]:
    for where, line in objects(path, problems):
        columns = {name: values for name, values in line.items() if isinstance(values, list)}
        if "prompt" not in columns or not {"step", "gen_step"} & set(columns):
            yield [(where, line)]
            continue
        rows = itertools.zip_longest(*columns.values())
        yield [(f"{where} row {i}", dict(zip(columns, cells, strict=True))) for i, cells in enumerate(rows)]


def _sessions(path: Path, problems: Problems) -> Iterator[Block]:
    """Yield the rows of a file, which are one step; where `uid` has sessions, by output and with the session apart."""
    rows = objects(path, problems)
    first = next(rows, None)
    if first is None or not _UID.fullmatch(str(first[1].get("uid"))):
        for row in itertools.chain([first] if first else [], rows):
            yield [row]
        return
    block: Block = [first, *rows]
    names = (_UID.fullmatch(str(row.get("uid"))) for _, row in block)
    known = [name for name in itertools.takewhile(bool, names) if name]
    if len(known) == len(block) == len({row["uid"] for _, row in block}):
        placed = sorted(zip(known, block, strict=True), key=lambda item: int(item[0]["output"]))
        yield [(at, {**row, "uid": name["group"], _SESSION: name["session"]}) for name, (at, row) in placed]
        return
    yield block


_REWARDS: dict[str, Callable[[Row], list[str]]] = {
    "numbers": _numbers_of,
    "before advantages": _before_advantages,
    "score": lambda columns: ["score"],
    "so called": lambda columns: [n for n in columns if n in ("reward", "score", "total") or n.endswith("_reward")],
}
"""Which of the columns are rewards, given the first row."""
_BLOCKS = {"rows": rows_of, "table in a line": _tables_by_column, "sessions": _sessions}

Format = Table | PrimeRL
_DECLARED = resources.files("dra_toolkit.runs.importers").joinpath("formats.yaml").read_text(encoding="utf-8")
_TABLES: tuple[Format, ...] = tuple(Table(name=name, **said) for name, said in read_yaml(_DECLARED).items())
PICKLED = "a pickle, which may run code and is not opened; write JSON lines where slime runs (docs/import-export.md)"
FORMATS = {format.name: format for format in (_TABLES[0], PrimeRL(), *_TABLES[1:])}
"""Formats by name; the first that recognises a source is taken."""


def find_format(name: str | None, source: Path, options: Options | None = None) -> tuple[Format, str]:
    """Return the format of a source and what shows it; raises RunError if there is none, or the source is not there."""
    if not source.exists():
        raise RunError(f"{source}: there is no such file or folder")
    if name is not None:
        if name not in FORMATS:
            raise RunError(
                f"--format: found {name!r}, expected one of {', '.join(FORMATS)}{did_you_mean(name, FORMATS)}"
            )
        return FORMATS[name], "as asked"
    for format in FORMATS.values():
        if seen := format.recognise(source):
            return format, seen
    files = [source] if source.is_file() else source.glob("*.pt")
    if pickled := [path.name for path in files if path.suffix == ".pt"]:
        raise RunError(f"{source}: holds {pickled[0]}, {PICKLED}")
    if options is not None and options != Options(mode=options.mode):
        return FORMATS["jsonl"], "its columns are named"
    raise RunError(
        f"{source}: holds {content_of(source)}, which no format recognises; say --format "
        f"({', '.join(FORMATS)}; docs/import-export.md)"
    )
