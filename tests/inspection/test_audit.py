"""The audit of embedders: hand-computed pairs, scipy's own statistics, a run whose strategies are known, bad input."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recorded import make_run, record, record_all
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.embedding.protocol import Embeddings
from dra_toolkit.errors import RunError
from dra_toolkit.inspection import audit as audits
from dra_toolkit.inspection.audit import LabelledGroup, audit, from_file, from_run, verdict, wins
from dra_toolkit.runs import Run

COLUMN = "<think> Ones column: {a} + {b} = {c}, write {c}, carry 0. </think> \\boxed{{{c}}}"
COUNT = "<think> Count up from {a}: {b} more steps end at {c}. </think> \\boxed{{{c}}}"


class Known:
    """Embeds a text `axis:angle` as told, so that every similarity is known."""

    name = "known"
    max_length = None

    def embed(self, texts, token_ids=None):
        vectors = np.array([[np.cos(float(t.split(":")[1])), np.sin(float(t.split(":")[1]))] for t in texts])
        return Embeddings(vectors=vectors.astype(np.float32), truncated=len(texts) // 2, invalid=0)


def group(texts, labels):
    return LabelledGroup(texts=tuple(texts), labels=tuple(labels))


def audit_(*arguments: object, status: int = 0):
    ran = CliRunner().invoke(app, ["audit", *map(str, arguments)])
    assert ran.exit_code == status, ran.output
    assert "Traceback" not in ran.output
    return ran


class TestMeasures:
    def test_hand_computed(self):
        found = audit([group(["a:0", "b:0.1", "c:1.5", "d:1.2"], ["x", "x", "y", "z"])], Known())
        assert (found.within_pairs, found.between_pairs) == (1, 5)
        assert found.within == pytest.approx(np.cos(0.1), abs=1e-6)
        assert found.between == pytest.approx(np.mean(np.cos([1.5, 1.2, 1.4, 1.1, 0.3])), abs=1e-6)
        assert found.auc == 1
        assert found.truncated == 0.5

    def test_auc_is_mann_and_whitneys(self):
        rng = np.random.default_rng(0)
        equal, other = np.round(rng.normal(1, 1, 40), 1), np.round(rng.normal(0, 1, 70), 1)
        pairs = equal[:, None] - other
        assert wins(equal, other) == (pairs > 0).sum() + 0.5 * (pairs == 0).sum()

    def test_only_pairs_of_one_group_and_of_different_texts_count(self):
        one = group(["a:0", "a:0", "b:1"], ["x", "x", "y"])
        with pytest.raises(RunError, match="no group has two texts with equal labels"):
            audit([one], Known())
        unknown = group(["a:0", "b:0.1", "c:1"], ["x", None, "y"])
        with pytest.raises(RunError, match="nothing can be told apart"):
            audit([unknown], Known())

    def test_verdicts(self):
        rng = np.random.default_rng(0)

        def groups(noise):
            made = []
            for _ in range(40):
                labels = rng.integers(0, 2, 8)
                angles = labels * 1.0 + noise * rng.standard_normal(8)
                made.append(group([f"{i}:{angle}" for i, angle in enumerate(angles)], labels.tolist()))
            return made

        assert verdict(audit(groups(0.1), Known())) == "the signal is there"
        assert verdict(audit(groups(30.0), Known())) == "no signal shown"
        found = audit(groups(0.5), Known())
        assert found.low < found.auc < found.high
        assert verdict(replace(found, low=0.65)) == "the signal is weak"
        assert "upside down" in verdict(replace(found, low=0.1, high=0.3))
        few = audit(groups(0.1)[:5], Known())
        assert np.isnan(few.low)
        assert "too few groups" in verdict(few)


@pytest.fixture
def run(tmp_path) -> Path:
    """Groups in which two strategies are worded with many numbers."""
    directory = make_run(tmp_path / "run")
    batches = []
    for step in range(1, 13):
        texts = []
        for i in range(4):
            numbers = {"a": 10 * step + i, "b": 3 + i, "c": 10 * step + 2 * i + 3}
            texts += [COLUMN.format(**numbers), COUNT.format(**numbers)]
        batches.append([record(step, 0, G=8, texts=texts)])
    record_all(directory, *batches)
    return directory.path


def strategies(texts):
    return ["count" if "Count" in text else "column" for text in texts]


class TestCommand:
    def test_a_run_with_a_function_of_labels(self, run, monkeypatch):
        monkeypatch.syspath_prepend(str(Path(__file__).parent))
        told = json.loads(audit_(run, "--labels", "test_audit.strategies", "-e", "hash", "--json").stdout)
        (found,) = told["embedders"]
        assert found["auc"] > 0.9
        assert found["verdict"] == "the signal is there"
        assert found["groups"] == 12
        shown = audit_(run, "--labels", "test_audit.strategies", "-e", "hash").stdout
        assert "the signal is there" in shown

    def test_labels_of_the_quickstart(self):
        from dra_toolkit.quickstart.checker import style_of, styles_of

        assert styles_of(["x", "y"]) == [style_of("x"), style_of("y")]

    def test_several_embedders(self, run, tmp_path, monkeypatch):
        import sys

        monkeypatch.syspath_prepend(str(Path(__file__).parent))
        sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
        import tiny

        policy = tiny.save_policy(tmp_path / "policy")
        arguments = (
            "--labels",
            "test_audit.strategies",
            "-e",
            "hash",
            "-e",
            "minilm",
            "--policy",
            policy,
            "--groups",
            3,
        )
        told = json.loads(audit_(run, *arguments, "--json").stdout)
        assert [row["embedder"] for row in told["embedders"]] == ["hash", "minilm", "policy"]

    def test_a_file_of_labelled_texts(self, tmp_path):
        rows = [
            {"text": f"{word} {i} {i * i}", "label": word, "group": i // 3} for i in range(9) for word in ("add", "sub")
        ]
        path = tmp_path / "labelled.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        (found,) = json.loads(audit_(path, "-e", "hash", "--json").stdout)["embedders"]
        assert found["groups"] == 3
        assert found["within_pairs"] == 3 * 2 * 3

    def test_a_parquet_file_is_read_as_the_same_texts_in_jsonl(self, tmp_path):
        rows = [
            {"text": f"{word} {i}", "label": word, "prompt": i // 3, "x": 0} for i in range(9) for word in ("a", "b")
        ]
        (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
        found = from_file(tmp_path / "x.parquet")
        assert found == from_file(tmp_path / "x.jsonl")
        assert [len(each.texts) for each in found] == [6, 6, 6]  # grouped by the column `prompt`, unasked

    def test_labels_that_are_missing_are_unknown_and_lists_are_compared_by_content(self, tmp_path):
        rows = [{"text": str(i), "label": label} for i, label in enumerate([None, float("nan"), [1, 2], [1, 2]])]
        (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (found,) = from_file(tmp_path / "x.jsonl")
        assert found.labels[:2] == (None, None)
        assert found.labels[2] == found.labels[3] is not None

    def test_too_many_texts_without_a_group_are_refused(self, tmp_path):
        (tmp_path / "x.jsonl").write_text('{"text": "a", "label": 1}\n' * 2_001)
        with pytest.raises(RunError, match="2,001 texts and no column that groups them"):
            from_file(tmp_path / "x.jsonl")

    def test_recorded_labels(self, tmp_path):
        directory = make_run(tmp_path / "run")
        record_all(directory, [replace(record(1, 0, G=4), labels=np.array([0, 0, 1, 1]))])
        (labelled,) = from_run(Run(directory), labels="recorded")
        assert labelled.labels == (0, 0, 1, 1)

    def test_the_choice_of_groups_is_seeded(self, run):
        opened = Run.open(run)
        assert from_run(opened, groups=2, seed=1) == from_run(opened, groups=2, seed=1)
        assert len(from_run(opened, groups=2)) == 2

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("--labels", "answr"), "did you mean 'answer'"),
            (("--labels", "recorded"), "labels were not recorded"),
            (("--labels", "test_audit.nothing"), "has nothing of this name"),
            (("-e", "hsh"), "did you mean 'hash'"),
            (("-e", "policy"), "--policy FOLDER"),
            (("--policy", "nowhere"), "no checkpoint"),
        ],
    )
    def test_what_cannot_be_audited(self, run, arguments, told, monkeypatch):
        monkeypatch.syspath_prepend(str(Path(__file__).parent))
        assert told in audit_(run, *arguments, status=2).stderr.replace("\n", " ")

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ('{"texts": "a", "label": 1}\n', "no column 'text'; did you mean 'texts'"),
            ('{"text": "a", "label": 1, "group": 1}\n{"text": "a", "label": 1}\n', "row 2: no column 'group'"),
            ('{"text": 5, "label": 1}\n', "text is of type int, expected a text"),
            ("[1]\n", "x.jsonl:1: a JSON list, expected an object"),
            ("{torn", "x.jsonl:1: not JSON"),
            ("", "holds no row"),
        ],
    )
    def test_bad_files(self, tmp_path, content, told):
        (tmp_path / "x.jsonl").write_text(content)
        assert told in audit_(tmp_path / "x.jsonl", "-e", "hash", status=2).stderr.replace("\n", " ")

    def test_a_file_of_another_kind(self, tmp_path):
        (tmp_path / "x.csv").write_text("text,label")
        (tmp_path / "x.txt").write_text("no table\n")
        assert "not JSON" in audit_(tmp_path / "x.txt", status=2).stderr.replace("\n", " ")


def test_groups_embedded_together_are_compared_apart(monkeypatch):
    """Many groups go to the embedder in one call; their pairs, and so every number, are those of one call each."""
    rng = np.random.default_rng(0)
    texts = [[f"{i}-{j}:{rng.random():.3f}" for j in range(3 + i % 4)] for i in range(25)]
    several = [group(each, [text[-1] > "4" for text in each]) for each in texts]
    calls: list[int] = []
    together = audit(several, Known(), embedded=calls.append)
    assert len(calls) < len(several)
    assert sum(calls) == sum(map(len, texts))
    monkeypatch.setattr(audits, "AT_ONCE", 1)
    alone = audit(several, Known())
    same = {"seconds": 0.0, "truncated": 0.0}  # Known calls half of a call's texts cut, rounded down
    assert replace(together, **same) == replace(alone, **same)


def test_it_says_how_far_it_is_before_an_embedder_is_loaded(tmp_path, capfd):
    rows = [{"text": f"{way} {i}", "label": way, "group": i % 3} for way in ("add", "carry") for i in range(6)]
    (tmp_path / "labelled.jsonl").write_text("\n".join(map(json.dumps, rows)))
    ran = audit_(tmp_path / "labelled.jsonl", "-e", "hash", "--json")
    assert ran.stderr.splitlines() == ["embedding with hash: 0/12", "embedding with hash: 12/12"]
    assert json.loads(ran.stdout)["embedders"]


def test_threads_of_an_embedder_do_not_spin(monkeypatch):
    """Spinning threads of a busy machine made MiniLM more than ten times slower; torch reads the setting as it loads."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    load_embedder(EmbedderSettings(name="hash"))
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    load_embedder(EmbedderSettings(name="hash"))
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
