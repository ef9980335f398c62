"""metrics.jsonl and checkpoints: what a crash leaves behind is recognised."""

from __future__ import annotations

from pathlib import Path

import pytest

from dra_toolkit.runs.checkpoints import complete_checkpoints, incomplete_checkpoints, mark_complete, what_is_missing
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
        if step in (3, 5):
            append_metrics(path, step=step, attempt=1, values={"train_runtime": 1.0, "train_loss": 0.5})
    assert rewind_metrics(path, step=3, aside=aside) == 4
    assert [row["step"] for row in read_metrics(path)] == [1, 2, 3], "nor the summary of an attempt that was stopped"
    assert [row["step"] for row in read_metrics(aside)] == [3, 4, 5, 5]


def test_missing_file_has_no_rows(tmp_path):
    assert list(read_metrics(tmp_path / "none.jsonl")) == []


def make_checkpoint(folder: Path) -> Path:
    folder.mkdir()
    (folder / "trainer_state.json").write_text("{}")
    (folder / "shards").mkdir()
    (folder / "shards" / "model-1-of-2.safetensors").write_bytes(b"12345678")
    (folder / "shards" / "model-2-of-2.safetensors").write_bytes(b"1234")
    mark_complete(folder)
    return folder


@pytest.fixture
def checkpoint(tmp_path):
    return make_checkpoint(tmp_path / "checkpoint-20")


class TestCheckpoints:
    def test_complete(self, checkpoint):
        assert what_is_missing(checkpoint) is None

    def test_newest_complete_is_last_by_number(self, checkpoint):
        for step in (100, 3):
            make_checkpoint(checkpoint.with_name(f"checkpoint-{step}"))
        (checkpoint.parent / "checkpoint-200").mkdir()
        (checkpoint.parent / "checkpoint-best").mkdir()
        names = [p.name for p in complete_checkpoints(checkpoint.parent)]
        assert names == ["checkpoint-3", "checkpoint-20", "checkpoint-100"]
        assert [p.name for p, _ in incomplete_checkpoints(checkpoint.parent)] == ["checkpoint-200"]

    @pytest.mark.parametrize(
        ("damage", "missing"),
        [
            (lambda c: (c / "trainer_state.json").unlink(), "trainer_state.json"),
            (lambda c: (c / "shards" / "model-2-of-2.safetensors").unlink(), "shards/model-2-of-2.safetensors"),
            (lambda c: (c / "shards" / "model-1-of-2.safetensors").write_bytes(b"123"), "3 of 8 bytes"),
            (lambda c: (c / "dra_checkpoint.json").unlink(), "written last"),
            (lambda c: (c / "dra_checkpoint.json").write_text('{"files'), "a readable dra_checkpoint.json"),
            (lambda c: (c / "dra_checkpoint.json").write_text("[1]"), "a readable dra_checkpoint.json"),
        ],
    )
    def test_incomplete(self, checkpoint, damage, missing):
        damage(checkpoint)
        assert missing in what_is_missing(checkpoint)
