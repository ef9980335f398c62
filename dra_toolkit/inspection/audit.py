"""Does an embedder see what it is meant to see? Labelled groups, how well a similarity separates them, and how it shows."""

import json
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from dra_toolkit.diversity import cosine_similarity
from dra_toolkit.dotted import call_users, is_dotted, load_dotted
from dra_toolkit.embedding import Embedder
from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.groups import Array, GroupRecord, Mode, mean_of_known
from dra_toolkit.inspection.terminal import table
from dra_toolkit.judge.joining import joined
from dra_toolkit.rewards.answers import final_answer
from dra_toolkit.runs import Run
from dra_toolkit.runs.importers.formats import rows_of
from dra_toolkit.runs.importers.rollout import Problems
from dra_toolkit.safe_text import visible

GROUP_COLUMNS = ("group", "prompt")
"""Which column groups the texts of a file where none is named: the first of these that the first row has."""
LARGEST = 2_000
"""Texts in one group at most: every pair of them is compared."""
AT_ONCE = 16
"""Groups whose texts an embedder gets in one call: short texts fill its batches so."""
LABELS = ("recorded", "answer")
"""Where the labels of a run come from, besides a dotted path to a function of texts."""


@dataclass(frozen=True, kw_only=True)
class LabelledGroup:
    """Texts that answer one prompt."""

    texts: tuple[str, ...]
    labels: tuple[Hashable, ...]
    """What each text does, whatever its words; None where that is not known."""


def from_run(
    run: Run, *, labels: str = "answer", groups: int = 100, mode: Mode = "train", seed: int = 0
) -> list[LabelledGroup]:
    """Return up to `groups` recorded groups, chosen at random, with labels.

    labels: `recorded`, `answer` (equal final answers), or a dotted path to a function from the texts of a group to as many
    labels, None where there is none. Raises RunError if nothing is recorded, or labels are not.
    """
    if labels not in LABELS and not is_dotted(labels):
        raise RunError(
            f"--labels: found {labels!r}, expected one of {', '.join(LABELS)} or a dotted path package.module.function"
            f"{did_you_mean(labels, LABELS)}"
        )
    sql = "SELECT step, group_index, batch FROM groups WHERE mode = $1 AND texts_dropped IS NOT TRUE ORDER BY 1, 3, 2"
    keys = run.query(sql, [mode]).to_pylist()
    if not keys:
        raise RunError(f"{run.name}: no {mode} groups are recorded")
    label = (
        load_dotted("--labels", labels, expected="a function of texts", error=RunError) if is_dotted(labels) else None
    )
    places = (keys[i] for i in chosen(len(keys), groups, seed))
    records = (run.group(p["step"], p["group_index"], mode=mode, batch=p["batch"]) for p in places)
    return [
        LabelledGroup(texts=record.group.texts, labels=tuple(map(known, _labels(record, labels, label, run.name))))
        for record in records
    ]


def from_file(
    path: Path, *, text: str = "text", label: str = "label", group: str | None = None, groups: int = 100, seed: int = 0
) -> list[LabelledGroup]:
    """Return up to `groups` groups of a file with a row for each text, JSON lines, CSV or Parquet, chosen at random.

    text, label, group: names of the columns. Rows of equal `group` are compared with each other; None takes the first of
    `GROUP_COLUMNS` that is there, and all rows as one group if there is none. Raises RunError, naming file and row, for a
    file that cannot be read so.
    """
    by_group: dict[str, list[tuple[str, Any]]] = {}
    for number, row in enumerate(_rows(path), start=1):
        if not by_group and group is None:
            group = next((name for name in GROUP_COLUMNS if name in row), None)
        for name in (text, label) if group is None else (text, label, group):
            if name not in row:
                near = did_you_mean(name, row)
                raise RunError(f"{path}: row {number}: no column {name!r}{near}; has {', '.join(map(str, row))}")
        if not isinstance(row[text], str):
            raise RunError(f"{path}: row {number}: {text} is of type {type(row[text]).__name__}, expected a text")
        key = "" if group is None else json.dumps(row[group], sort_keys=True, default=str)
        by_group.setdefault(key, []).append((row[text], row[label]))
    largest = max(map(len, by_group.values()), default=0)
    if not largest:
        raise RunError(f"{path}: holds no row")
    if largest > LARGEST:
        how = f"of equal {group}" if group else "and no column that groups them; name it with --group-column"
        raise RunError(f"{path}: {largest:,} texts {how}: every pair of a group is compared, at most {LARGEST:,} texts")
    keys = list(by_group)
    picked = [by_group[keys[i]] for i in chosen(len(keys), groups, seed)]
    return [LabelledGroup(texts=tuple(t for t, _ in rows), labels=tuple(known(x) for _, x in rows)) for rows in picked]


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    problems = Problems()
    for block in rows_of(path, problems):
        yield from (row for _, row in block if not problems.lines)
    if problems.lines:
        raise RunError(problems.lines[0].removesuffix("; skipped"))


def chosen(there: int, wanted: int, seed: int) -> list[int]:
    """Return the positions of up to `wanted` of `there` groups, drawn at random, in order."""
    return sorted(np.random.default_rng(seed).choice(there, size=min(wanted, there), replace=False).tolist())


def known(label: Any) -> Hashable:
    """Return a label that can be compared; None, which says that it is not known, also for NaN."""
    try:
        hash(label)
        return label if label == label else None
    except (TypeError, ValueError):
        return json.dumps(label, sort_keys=True, default=str)


def _labels(
    record: GroupRecord, labels: str, label: Callable[[list[str]], Iterable[Any]] | None, name: str
) -> Sequence[Any]:
    texts = list(record.group.texts)
    if label is not None:
        returned = call_users("--labels", labels, lambda: list(label(texts)), error=RunError)
        if len(returned) != len(texts):
            raise RunError(f"--labels: {labels!r} returned {len(returned)} labels for {len(texts)} texts")
        return returned
    if labels == "answer":
        return joined(map(final_answer, texts))
    if record.labels is None:
        raise RunError(f"{name}: labels were not recorded, as no measure read them; use --labels answer or a function")
    return [int(each) for each in record.labels]


DECIMALS = 6
"""Values that agree so far are ties: embeddings are float32, and equal texts must not be ranked by rounding."""
RESAMPLES = 2_000
THERE, WEAK = 0.75, 0.6
"""Lower ends of the AUC's interval from which the signal counts as there, and as weak."""
ENOUGH = 10
"""Groups that tell something below which there is neither interval nor verdict: a bootstrap of few is too narrow."""


@dataclass(frozen=True, kw_only=True)
class Audited:
    """What one embedder makes of labelled groups. Pairs are of different texts in one group, both labelled.

    within, between   mean similarity of pairs with equal, with different labels: cosine, clamped at 0, as weights have it
    auc               chance that a pair with equal labels is more similar than one of the same group with different ones
    low, high         ends of the 95 % interval of the AUC, by bootstrap over groups; NaN for fewer than `ENOUGH`
    groups            those with pairs of both kinds: only they tell anything
    truncated         share of completions of which only the beginning was read
    seconds           to embed one completion
    """

    embedder: str
    within: float
    between: float
    auc: float
    low: float
    high: float
    within_pairs: int
    between_pairs: int
    groups: int
    truncated: float
    seconds: float


def audit(
    groups: Sequence[LabelledGroup],
    embedder: Embedder,
    *,
    tokens_of: Callable[[Sequence[str]], list[list[int]]] | None = None,
    embedded: Callable[[int], None] = lambda completions: None,
    seed: int = 0,
) -> Audited:
    """Embed labelled groups and measure what the similarity tells apart.

    tokens_of: for an embedder that reads token ids. embedded: called with the completions embedded since the last call.
    Raises RunError if no group has pairs of both kinds.
    """
    won, counts = list[float](), list[int]()
    within, between = list[Array](), list[Array]()
    truncated = total = 0
    seconds = 0.0
    first = list(groups[0].texts)
    embedder.embed(first, tokens_of(first) if tokens_of else None)  # loads what is loaded late
    for several in (groups[start : start + AT_ONCE] for start in range(0, len(groups), AT_ONCE)):
        texts = [text for group in several for text in group.texts]
        ids = tokens_of(texts) if tokens_of else None
        started = time.perf_counter()
        found = embedder.embed(texts, ids)
        seconds += time.perf_counter() - started
        truncated, total = truncated + found.truncated, total + len(texts)
        ends = np.cumsum([len(group.texts) for group in several])
        for group, vectors in zip(several, np.split(found.vectors, ends[:-1]), strict=True):
            equal, other = _pairs(group, cosine_similarity(vectors))
            within.append(equal)
            between.append(other)
            if len(equal) and len(other):
                won.append(wins(equal, other))
                counts.append(len(equal) * len(other))
        embedded(len(texts))
    if not counts:
        raise RunError(
            "audit: no group has two texts with equal labels and two with different ones, so nothing can be told apart; "
            "use other labels, or groups of a step at which the model still varies"
        )
    low = high = float("nan")
    if len(won) >= ENOUGH:
        drawn = np.random.default_rng(seed).integers(0, len(won), size=(RESAMPLES, len(won)))
        shares = np.array(won)[drawn].sum(axis=1) / np.array(counts)[drawn].sum(axis=1)
        low, high = np.quantile(shares, [0.025, 0.975]).tolist()
    return Audited(
        embedder=embedder.name,
        within=mean_of_known(np.concatenate(within)),
        between=mean_of_known(np.concatenate(between)),
        auc=sum(won) / sum(counts),
        low=low,
        high=high,
        within_pairs=sum(map(len, within)),
        between_pairs=sum(map(len, between)),
        groups=len(counts),
        truncated=truncated / total,
        seconds=seconds / total,
    )


def verdict(found: Audited) -> str:
    """Return in words whether the signal is there, by the interval of the AUC."""
    if found.groups < ENOUGH:
        return f"too few groups to say: {found.groups}, at least {ENOUGH} are needed"
    if found.low >= THERE:
        return "the signal is there"
    if found.low >= WEAK:
        return "the signal is weak"
    if found.high < 0.5:
        return "upside down: what differs looks more alike than what is the same"
    return "no signal shown"


def _pairs(group: LabelledGroup, similarity: Array) -> tuple[Array, Array]:
    """Return the similarities of pairs with equal and with different labels; equal texts are no pair."""
    texts, labels = (np.array([values.index(value) for value in values]) for values in (group.texts, group.labels))
    labelled = np.array([label is not None for label in group.labels])
    i, j = np.tril_indices(len(texts), -1)
    counted = (texts[i] != texts[j]) & labelled[i] & labelled[j]
    i, j = i[counted], j[counted]
    similarities, equal = similarity[i, j], labels[i] == labels[j]
    return similarities[equal], similarities[~equal]


def wins(left: Array, right: Array) -> float:
    """Return in how many pairs (left, right) the first is larger; ties, to `DECIMALS`, count half.

    >>> wins(np.array([3.0, 1.0]), np.array([1.0]))
    1.5
    """
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(np.round(left, DECIMALS), np.round(right, DECIMALS), method="asymptotic").statistic)


RULE = (
    f"the signal is there if the interval begins at {THERE} or above, weak from {WEAK}; "
    f"fewer than {ENOUGH} groups say nothing"
)
HEADS = ("embedder", "within", "between", "AUC", "95 % interval", "cut", "ms each")


def cells(found: Audited) -> list[str]:
    """Return one row of the table, as `HEADS` says."""
    return [
        visible(found.embedder, one_line=True),
        f"{found.within:.3f}",
        f"{found.between:.3f}",
        f"{found.auc:.3f}",
        "-" if np.isnan(found.low) else f"{found.low:.3f} to {found.high:.3f}",
        f"{100 * found.truncated:.0f} %",
        f"{1_000 * found.seconds:.2f}",
    ]


def audit_view(audited: Sequence[Audited]) -> RenderableType:
    """Return the table, and a verdict for each embedder."""
    first = audited[0]
    counts = (
        f"groups that tell something: {first.groups:,}, with {first.within_pairs:,} pairs of equal labels and "
        f"{first.between_pairs:,} of different ones; pairs of equal texts are left out"
    )
    lines = [
        Text(counts, "dim"),
        *(Text(f"{visible(found.embedder, one_line=True)}: {verdict(found)}") for found in audited),
        Text(RULE, "dim"),
    ]
    return Group(table((head if head == "embedder" else f">{head}" for head in HEADS), map(cells, audited)), *lines)


def as_plain(audited: Sequence[Audited]) -> dict[str, Any]:
    """Return an audit as JSON can hold it."""
    return {"embedders": [{**asdict(each), "verdict": verdict(each)} for each in audited]}
