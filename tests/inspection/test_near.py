"""Completions nearest to one: as comparing with every one of them would find, with what the run was recorded with."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from recorded import make_run, record, record_all

from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.inspection.near import nearest
from dra_toolkit.inspection.text_index import FOLDER, build_missing
from dra_toolkit.inspection.vectors import embedder_of, recorded_vectors, vectors_by
from dra_toolkit.runs import Run
from dra_toolkit.runs.compaction import compact

STEPS = 6


def texts(step: int, index: int) -> list[str]:
    rng = np.random.default_rng([step, index])
    return [" ".join(rng.choice(["add", "count", "split", "ones", "tens", "wait"], 5)) for _ in range(4)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = make_run(tmp_path_factory.mktemp("runs") / "first")
    batches = [
        [record(step, i, G=4, texts=texts(step, i), keep=True) for i in range(3)] for step in range(1, STEPS + 1)
    ]
    record_all(directory, *batches)
    return Run(directory)


def all_texts(first: int = 1) -> list[str]:
    return [text for step in range(first, STEPS + 1) for i in range(3) for text in texts(step, i)]


@pytest.mark.parametrize("limit", [1, 5, 1_000])
def test_as_comparing_with_every_one(run, limit):
    embedder = load_embedder(EmbedderSettings(name="hash"))
    wanted = embedder.embed(["add tens wait"]).vectors[0]
    different = list(dict.fromkeys(all_texts()))
    expected = np.sort(embedder.embed(different).vectors @ wanted)[::-1][:limit]
    found = nearest(run, wanted, vectors_by(embedder), limit=limit)
    np.testing.assert_allclose([each.similarity for each in found], expected, atol=1e-6)
    assert len({each.text for each in found}) == len(found) == min(limit, len(different))
    for each in found:
        assert run.group(each.step, each.group).group.completions[each.completion] == each.text


def test_only_the_steps_asked_for_each_told_once(run):
    embedder, told = load_embedder(EmbedderSettings(name="hash")), []
    wanted = embedder.embed(["add"]).vectors[0]
    found = nearest(run, wanted, vectors_by(embedder), steps=(5, 6), done=told.append)
    assert {each.step for each in found} <= {5, 6}
    assert sum(told) == len(all_texts(5))


def test_recorded_embeddings_are_used_as_they_are(run):
    record_ = run.group(2, 1)
    found = nearest(run, record_.embeddings[3], recorded_vectors, limit=3)
    assert (found[0].step, found[0].group, found[0].completion) == (2, 1, 3)
    assert found[0].similarity == pytest.approx(1, abs=2e-3)
    vectors = np.concatenate([each.embeddings for each in run.groups()])
    best = np.sort(vectors @ record_.embeddings[3])[::-1]
    assert found[1].similarity <= best[1] + 1e-6


def test_a_run_without_embeddings_has_none(tmp_path):
    directory = make_run(tmp_path / "bare")
    record_all(directory, [record(1, 0, G=4)])
    assert nearest(Run(directory), np.ones(4), recorded_vectors) == []


@pytest.mark.parametrize(
    ("name", "is_used"), [("hash", True), ("minilm", True), ("policy", False), ("os.system", False), ("x/y", False)]
)
def test_what_a_run_folder_names_is_not_fetched_or_run_unasked(tmp_path, name, is_used):
    directory = make_run(tmp_path / "theirs")
    resolved = json.loads(directory.resolved.read_text())
    resolved["settings"]["embedder"]["value"] = name
    directory.resolved.write_text(json.dumps(resolved))
    found = embedder_of(Run(directory))
    assert (found is not None) == is_used


def test_of_those_that_contain_a_text_the_nearest_with_the_index_and_without(run, tmp_path):
    embedder = load_embedder(EmbedderSettings(name="hash"))
    wanted = embedder.embed(["add tens wait"]).vectors[0]
    different = [text for text in dict.fromkeys(all_texts()) if "split tens" in text]
    expected = np.sort(embedder.embed(different).vectors @ wanted)[::-1]
    compacted = tmp_path / "compacted"
    shutil.copytree(run.directory.path, compacted)
    compact(compacted / "groups", everything=True)
    assert build_missing(compacted / "groups") == 0  # it was built while compacting
    assert list((compacted / FOLDER).iterdir())
    for each in (run, Run.open(compacted)):
        found = nearest(each, wanted, vectors_by(embedder), containing="split tens", limit=1_000)
        np.testing.assert_allclose([near.similarity for near in found], expected, atol=1e-6)
        assert [near for near in found if "split tens" not in near.text] == []
        within = nearest(each, wanted, vectors_by(embedder), containing="split tens", steps=(2, 3), limit=1_000)
        assert {near.step for near in within} <= {2, 3}
        assert nearest(each, wanted, vectors_by(embedder), containing="zebra") == []
