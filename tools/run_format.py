"""The page on the run directory, from the schema and the layout."""

from __future__ import annotations

from collections.abc import Callable

Table = Callable[[list[str], list[list[object]]], str]

COMPACTION = """## Compaction

Many small files are slow to search, so beside the training every {files} batches are joined into a segment, and every {fan}
segments of one size into a larger one, up to {most} MiB: a folder `groups/MODE-FIRST-LAST-sNUMBER-TOKEN/` with the same rows
in three files.

```
{segment}
```

A segment is published whole, by renaming its folder. What it was made from stays for {grace:.0f} more seconds, so that
whoever listed the folder before, or sees an old listing over a network, still finds it. Until then, and after a crash in
between, a batch may be there twice. One rule says which version holds: **a batch's own file before any segment, a segment
with a higher NUMBER before one with a lower** (and by name, if two have the same). No lock is needed to read or to write.

`compact(folder, everything=True)` of `dra_toolkit.runs.compaction` joins everything that is there, for a run that has ended.
"""

TEXT_INDEX = """## Text index

`text_index/`, beside `groups/`, has a file for each segment: what makes the segment makes it, and a search makes
missing ones on a thread. It holds, for each stretch of 2 to 5 MB of text, whole steps where they are that long, a
Bloom filter of the sequences of four bytes of completions and turns (capitals of ASCII as small letters; 4 % of the
texts' size), and says which steps cannot hold what is searched. A file that is damaged, a link, or of other texts
than those of the segment (by size and checksums) is not used; all of them may be deleted.
"""

SQL = """## Tables

`Run.query` and `Run.connect` answer SQL (DuckDB's) over these tables, which hold each group once,
wherever its rows lie. Nothing else can be read and nothing can be written.
"""


def run_format(metrics: dict[str, str], table: Table) -> str:
    """Return the page; `metrics` are ours with their meaning, `table` writes a Markdown table."""
    from dra_toolkit.runs import layout
    from dra_toolkit.runs.schema import COLUMNS, METADATA_KEY, SCHEMA_VERSION, FileFacts

    folder = (layout.__doc__ or "").split("\n\n")[1].rstrip()
    columns: list[list[object]] = [
        [f"`{c.name}`", c.type.removesuffix(" or null"), c.meaning, f"`{c.field}`" if c.field else ""] for c in COLUMNS
    ]
    facts: list[list[object]] = [
        [f"`{name}`", str(field.type)] for name, field in FileFacts.__dataclass_fields__.items()
    ]
    said: list[list[object]] = [[f"`{name}`", meaning] for name, meaning in metrics.items()]
    return (
        f"# Run format (schema version {SCHEMA_VERSION})\n\n"
        "A run is a folder. Everything in it can be read at every moment, by any process, while a trainer writes.\n\n"
        f"```\n{folder}\n```\n\n"
        "## Recorded groups\n\n"
        "`groups/MODE-STEP-BATCH.parquet` holds one generation batch and is never changed: it is written beside its place, "
        "synced and renamed. MODE is `train`, `eval`, or `discarded` for groups that were sampled and not trained on. A "
        "batch that is sampled again after a resume replaces its own file, so a group (mode, step, batch, group_index) "
        "exists once. `attempt` says which start of the run it comes from: after a resume, steps beyond the checkpoint are "
        "of the earlier attempt until they are sampled again.\n\n"
        "Parquet with zstd and page checksums, one row for each completion, rows in group order. What describes the whole "
        "group stands in each of its rows:\n\n"
        f"{table(['column', 'Arrow type', 'meaning', 'in memory (GroupRecord)'], columns)}\n"
        "Types: `dictionary` is a dictionary-encoded string, `messages` a list of structs `role`, `content`, `rewards` a "
        "struct with one float64 field for each reward function. "
        f"{', '.join(f'`{c.name}`' for c in COLUMNS if c.optional)} are left out where they would hold nothing. "
        f"{', '.join(f'`{c.name}`' for c in COLUMNS if not (c.required or c.optional or c.part == 'group'))} and the "
        "numbers of the group are null where a file lacks them, as one written before they were does; a file that lacks "
        "any other column is damaged, named and skipped. A column that is not known here is ignored, and its file is not "
        "compacted, so that nothing of it is lost. Another column or number needs no new version.\n\n"
        f"The file's metadata has, under the key `{METADATA_KEY.decode()}`, a JSON object that lets the file be replayed "
        f"alone:\n\n{table(['field', 'type'], facts)}\n"
        "Files of version 1 are read as well; they had `group` for `group_index`, and no numbers of the group, answers or "
        f"checksums. The numbers that follow from a group's rows are computed from them: {_computed()}; the others and the "
        "answers are null. A file of a newer version is named and skipped.\n\n"
        "`turns` and `prompt_turns` are lists of structs `role`, `content`, `calls` (JSON: a list of `name` and "
        "`arguments`) and `images` (`sha256:HASH WIDTHxHEIGHT`). `completion` is then all that the policy wrote, its calls "
        "included, without what tools said; that is what is embedded.\n\n"
        "`estimator` says how another engine made its advantages, null for TRL's with `scale_rewards`: what is taken away "
        "(`baseline`, `centred_on`), what is divided by (`spread`, `scope`, `epsilon`), `clip`, and what a completion alone "
        "in its group gets (`alone`). `dra_toolkit.ESTIMATORS` has those of "
        f"{_engines()}.\n\n"
        f"{_seals()}"
        f"{_compaction()}\n{TEXT_INDEX}\n{_retention()}{_tables(table)}"
        "## metrics.jsonl\n\n"
        "One JSON object for each logged step: `step`, `attempt`, `time` (seconds since 1970) and what the trainer logged. "
        "`reward`, `reward_std` and `rewards/NAME/mean` are raw; `diversity/...` are ours:\n\n"
        f"{table(['metric', 'meaning'], said)}\n"
        "In evaluation every name has the prefix `eval_`. A number that is not finite is null. When a run is resumed, lines "
        "beyond its checkpoint move to `logs/attempt-N/superseded-metrics.jsonl`.\n"
    )


def _engines() -> str:
    from dra_toolkit.diversity import ESTIMATORS

    return ", ".join(f"`{name}`" for name in ESTIMATORS)


def _seals() -> str:
    from dra_toolkit.runs import parquet

    layout = (parquet.__doc__ or "").split("\n\n")[2].rstrip()
    return (
        "Between the data and the footer, where readers of Parquet do not look, every file has a seal: a CRC-32 of each "
        f"{parquet.BLOCK >> 10} KiB of the data, of these checksums and of the footer.\n\n```\n{layout}\n```\n\n"
        "It is checked before SQL reads a file, once by each process while size and time of the file stand, and by every "
        "other reader for what it decodes; a file that differs is named and skipped. A file without a seal, written before "
        "there were any or by another tool, is read; that its rows are whole groups in order is checked instead. "
        "A bit that flipped in one of its numbers is told where groups are read (`Run.group`, `Run.groups`, "
        "`dra inspect verify`), by the sum of its page; SQL need not see it.\n\n"
    )


def _retention() -> str:
    from dra_toolkit.runs.compaction import REASONS

    return (
        "## Texts of a share of the groups\n\n"
        "With `record_texts: 0.05` in the recipe 5 % of the groups keep their texts, `completion` and `turns`; all else, "
        "prompts, answers, similarity and embeddings too, is kept of every group. A generation batch is written with all "
        "its texts. The share is applied when files are joined into a segment, to the groups that are joined, and again "
        "when segments are joined; files larger than 256 MiB together are joined at once, and when the recording ends "
        "everything is. What is worth keeping fills the share in this order: groups with "
        f"{', '.join(REASONS)}, as far as it is recorded by then; groups that are none of these come last, drawn by a hash "
        "of their place. What is left out has null there and `texts_dropped` true, in the tables `groups` and "
        "`completions` too; how many groups worth keeping did not fit is told when the recording ends, and by "
        "`dra inspect summary`. Texts are gone for good when the files that were joined are removed. Nothing else is ever "
        "left out, whatever interrupts this.\n\n"
        "Whatever needs a text then says so: in memory and in every view a completion reads `(text of completion 0 not "
        "kept)` and `group.texts` raises; search and `inspect near` look at the texts that are there; exports have null; "
        "another embedder, labels by a function and the audit of texts refuse, or take the groups that have theirs.\n\n"
    )


def _computed() -> str:
    from dra_toolkit.group_measures import GROUP_MEASURES

    return ", ".join(f"`{name}`" for name, measure in GROUP_MEASURES.items() if measure.sql)


def _compaction() -> str:
    from dra_toolkit.runs import compaction, segments

    return COMPACTION.format(
        files=compaction.FILES,
        fan=compaction.FAN,
        most=compaction.MOST_BYTES >> 20,
        grace=compaction.GRACE,
        segment=(segments.__doc__ or "").split("\n\n")[1].rstrip(),
    )


def _tables(table: Table) -> str:
    from dra_toolkit.runs import database

    parts = [SQL, "```\n" + (database.__doc__ or "").split("\n\n")[1].rstrip() + "\n```\n"]
    for name in database.TABLES:
        rows: list[list[object]] = [[f"`{column}`", kind, said] for column, kind, said in database.table_columns(name)]
        parts.append(f"### {name}\n\n{table(['column', 'type', 'meaning'], rows)}")
    return "\n".join(parts) + "\n"
