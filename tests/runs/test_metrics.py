"""metrics.jsonl and checkpoints: what a crash leaves behind is recognised."""

from __future__ import annotations

import json

import pytest

from dra_toolkit.runs.checkpoints import complete_checkpoints, what_is_missing
from dra_toolkit.runs.metrics import append_metrics, read_metrics, rewind_metrics


def test_lines_come_back_and_numbers_that_json_cannot_hold_are_null(tmp_path):
    path = tmp_path / "metrics.jsonl"
    append_metrics(path, step=1, attempt=1, values={"reward": 0.5, "loss": float("nan"), "note": "x"})
    (row,) = read_metrics(path)
    assert (row["step"], row["attempt"], row["reward"], row["loss"], row["note"]) == (1, 1, 0.5, None, "x")


def test_torn_line_is_skipped_and_does_not_swallow_the_next(tmp_path):
    path = tmp_path / "metrics.jsonl"
    append_metrics(path, step=1, attempt=1, values={})
    with open(path, "ab") as file:
        file.write(b'{"step": 2, "rew')
    append_metrics(path, step=3, attempt=1, values={})
    assert [row["step"] for row in read_metrics(path)] == [1, 3]


def test_rewind_moves_later_lines_aside(tmp_path):
    path, aside = tmp_path / "metrics.jsonl", tmp_path / "aside.jsonl"
    for step in range(1, 6):
        append_metrics(path, step=step, attempt=1, values={"reward": step})
    assert rewind_metrics(path, step=3, aside=aside) == 2
    assert [row["step"] for row in read_metrics(path)] == [1, 2, 3]
    assert [row["step"] for row in read_metrics(aside)] == [4, 5]


def test_missing_file_has_no_rows(tmp_path):
    assert list(read_metrics(tmp_path / "none.jsonl")) == []


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "checkpoint-20"
    folder.mkdir()
    (folder / "trainer_state.json").write_text('{"global_step": 20}')
    (folder / "model.safetensors").touch()
    return folder


class TestCheckpoints:
    def test_complete(self, checkpoint):
        assert what_is_missing(checkpoint) is None

    def test_newest_complete_is_last_by_number(self, checkpoint):
        for step in (100, 3):
            other = checkpoint.with_name(f"checkpoint-{step}")
            other.mkdir()
            (other / "trainer_state.json").write_text(json.dumps({"global_step": step}))
            (other / "model.safetensors").touch()
        (checkpoint.parent / "checkpoint-200").mkdir()
        (checkpoint.parent / "checkpoint-best").mkdir()
        names = [p.name for p in complete_checkpoints(checkpoint.parent)]
        assert names == ["checkpoint-3", "checkpoint-20", "checkpoint-100"]

    @pytest.mark.parametrize(
        ("damage", "missing"),
        [
            (lambda c: (c / "trainer_state.json").unlink(), "trainer_state.json"),
            (lambda c: (c / "trainer_state.json").write_text('{"global'), "torn"),
            (lambda c: (c / "trainer_state.json").write_text('{"global_step": 19}'), "of step 20"),
            (lambda c: (c / "model.safetensors").unlink(), "model weights"),
        ],
    )
    def test_incomplete(self, checkpoint, damage, missing):
        damage(checkpoint)
        assert missing in what_is_missing(checkpoint)

    def test_missing_shard(self, checkpoint):
        index = {"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}
        (checkpoint / "model.safetensors").rename(checkpoint / "model-1-of-2.safetensors")
        (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
        assert what_is_missing(checkpoint) == "model-2-of-2.safetensors"
