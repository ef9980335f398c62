"""One run that reports to W&B (offline), trackio and TensorBoard at once, read back from what each has written."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dra_toolkit.errors import LaunchError
from dra_toolkit.recipe import load_recipe
from dra_toolkit.runs import Run
from dra_toolkit.training.trackers import prepare_trackers, project_name, tracker_errors

RECIPE = """
model_name_or_path: {policy}
dataset_name: {data}
prompt_column: question
reward_funcs: [letters.letters, letters.picky]
embedder: hash
bf16: false
gradient_checkpointing: false
num_generations: 4
per_device_train_batch_size: 8
max_completion_length: 12
max_steps: 2
save_steps: 1
save_total_limit: 1
report_to: [wandb, trackio, tensorboard]
output_dir: {run}
"""
DOCS = Path(__file__).parents[2] / "docs" / "trackers-and-hub.md"
HUB_TOKEN = "hf_" + "c0ffee" * 6
WANDB_KEY = "c0ffee" * 6 + "abcd"
SETTINGS = (
    "WANDB_DIR",
    "WANDB_MODE",
    "WANDB_PROJECT",
    "WANDB_RUN_ID",
    "WANDB_RESUME",
    "WANDB_ENTITY",
    "WANDB_BASE_URL",
)
SETTINGS += ("TRACKIO_DIR", "TENSORBOARD_LOGGING_DIR")


@pytest.fixture(scope="module")
def run(policy, tmp_path_factory) -> Path:
    """The run directory of two steps, started with logins in the environment."""
    folder = tmp_path_factory.mktemp("tracked")
    data, recipe = folder / "data.jsonl", folder / "recipe.yaml"
    data.write_text("".join(json.dumps({"question": f"{i} + 2?", "solution": str(i + 2)}) + "\n" for i in range(32)))
    recipe.write_text(RECIPE.format(policy=policy, data=data, run=folder / "run"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "TRACKIO_"))}
    logins = {"HF_TOKEN": HUB_TOKEN, "WANDB_API_KEY": WANDB_KEY, "WANDB_MODE": "offline"}
    quiet = {"WANDB_ERROR_REPORTING": "false", "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "train", str(recipe)]
    done = subprocess.run(
        command,
        env={**kept, **logins, **quiet, "PYTHONPATH": str(Path(__file__).parent)},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


def recorded(run: Path) -> list[dict[str, float]]:
    """Return the run's own lines of its steps."""
    return [row for row in Run.open(run).metrics() if "reward" in row]


def in_tensorboard(run: Path) -> dict[str, list[float]]:
    events = EventAccumulator(str(run / "trackers" / "tensorboard"))
    events.Reload()
    return {name: [event.value for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


def in_trackio(run: Path) -> list[dict[str, float]]:
    (file,) = (run / "trackers" / "trackio").glob("*.db")
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
        rows = database.execute("select run_name, metrics from metrics order by id").fetchall()
    assert {name for name, _ in rows} == {run.name}
    return [json.loads(metrics) for _, metrics in rows]


def in_wandb(run: Path) -> list[dict[str, float]]:
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = (run / "trackers" / "wandb").glob("offline-run-*/*.wandb")
    found = []
    for content in wandb_records(file.read_bytes()):
        record = Record()
        record.ParseFromString(content)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            found.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
    return found


def wandb_records(data: bytes) -> Iterator[bytes]:
    """Yield the records of W&B's file: LevelDB's log format, after a header of 7 bytes."""
    block, header, record = 32768, 7, b""
    position = header
    while position + header <= len(data):
        if block - position % block < header:
            position += block - position % block
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        record += data[position + header : position + header + length]
        position += header + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


def documented() -> set[str]:
    """Return the metric names of the docs page, for this run's rewards."""
    (table,) = re.findall(r"### Metric names\n.*?\n(\| name.*?)\n\n", DOCS.read_text(), re.DOTALL)
    names = {name for row in table.splitlines()[2:] for name in re.findall(r"`(train/\S+)`", row.split("|")[1])}
    per_reward = {name.replace("NAME", reward) for name in names for reward in ("letters", "picky")}
    return {name for name in names | per_reward if "NAME" not in name}


class TestEveryTracker:
    def test_has_the_names_of_the_docs_with_the_values_of_the_run(self, run):
        rows = recorded(run)
        board = in_tensorboard(run)
        steps = [[row for row in rows_of if "train/reward" in row] for rows_of in (in_trackio(run), in_wandb(run))]
        for name in documented():
            expected = pytest.approx([row[name.removeprefix("train/")] for row in rows], rel=1e-6, abs=1e-9)
            assert board[name] == expected, f"TensorBoard: {name}"
            for where, found in zip(("trackio", "W&B"), steps, strict=True):
                assert [row[name] for row in found] == expected, f"{where}: {name}"

    def test_knows_the_steps(self, run):
        for rows in (in_trackio(run), in_wandb(run)):
            assert [row["train/global_step"] for row in rows if "train/reward" in row] == [1, 2]

    def test_is_told_raw_and_adjusted_rewards_that_differ_by_the_adjustment(self, run):
        for row in (row for row in in_wandb(run) if "train/reward" in row):
            shift = row["train/diversity/adjusted_reward"] - row["train/reward"]
            assert shift == pytest.approx(row["train/rewards/diversity/mean"], abs=1e-6)
            assert abs(shift) > 1e-6


def test_the_docs_list_every_reward_and_diversity_metric_that_is_logged(run):
    logged = {f"train/{name}" for row in recorded(run) for name in row if re.match(r"diversity/|rewards?(/|_|$)", name)}
    assert logged <= documented()
    assert {name for name in documented() if "frac_" not in name} <= logged


def test_no_file_of_the_run_holds_a_token(run):
    files = [path for path in run.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [str(path) for path in files if b"c0ffee" in path.read_bytes()] == []


def test_every_file_of_the_trackers_lies_in_the_run(run):
    assert {path.name for path in run.parent.iterdir()} <= {"run", "recipe.yaml", "data.jsonl", ".cache", ".config"}


class TestPrepared:
    """In this process, whose environment is restored."""

    @pytest.fixture(autouse=True)
    def environment(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        for name in SETTINGS:
            monkeypatch.setenv(name, "")  # so that what is set here is undone
            monkeypatch.delenv(name)

    @pytest.fixture
    def recipe(self, tmp_path):
        path = tmp_path / "recipe.yaml"
        path.write_text(RECIPE.format(policy="org/policy", data="org/sums", run=tmp_path / "run"))
        return lambda *overrides: load_recipe(path, overrides)

    def test_every_attempt_shares_the_id_at_wandb_and_another_run_has_another(self, recipe, tmp_path, monkeypatch):
        ids = []
        for folder in ("a", "a", "b"):
            prepare_trackers(recipe(), tmp_path / folder)
            ids.append(os.environ["WANDB_RUN_ID"])
            monkeypatch.delenv("WANDB_RUN_ID")
        assert ids[0] == ids[1] != ids[2]

    def test_what_the_user_has_set_holds(self, recipe, tmp_path, monkeypatch):
        monkeypatch.setenv("WANDB_DIR", "/elsewhere")
        prepare_trackers(recipe(), tmp_path / "trackers")
        assert os.environ["WANDB_DIR"] == "/elsewhere"
        assert os.environ["TRACKIO_DIR"] == str(tmp_path / "trackers" / "trackio")

    def test_what_wandb_stored_for_the_folder_still_counts(self, recipe, tmp_path):
        """`wandb offline` writes it, and W&B reads it from the folder that WANDB_DIR names."""
        (tmp_path / "wandb").mkdir()
        (tmp_path / "wandb" / "settings").write_text("[default]\nmode = offline\nentity = lab\nproject = sums\n")
        prepare_trackers(recipe(), tmp_path / "trackers")
        assert [os.environ[f"WANDB_{key}"] for key in ("MODE", "ENTITY", "PROJECT")] == ["offline", "lab", "sums"]

    def test_the_project_is_the_recipes_then_the_environments_then_ours(self, recipe, monkeypatch):
        assert project_name(recipe()) == "dra-toolkit"
        monkeypatch.setenv("WANDB_PROJECT", "sums")
        assert project_name(recipe()) == "sums"
        assert project_name(recipe("project=products")) == "products"

    def test_without_trackers_nothing_is_made(self, recipe, tmp_path):
        prepare_trackers(recipe("report_to=none"), tmp_path / "trackers")
        assert not (tmp_path / "trackers").exists()
        assert "WANDB_DIR" not in os.environ


def test_a_login_that_wandb_refuses_is_one_line_with_the_command():
    from wandb.errors import AuthenticationError

    with pytest.raises(LaunchError) as raised, tracker_errors():
        raise AuthenticationError("the API key is wrong\nreally")
    (line,) = raised.value.problems
    assert "(the API key is wrong really); log in with `wandb login --relogin`" in line


def test_an_error_of_something_else_stays_what_it_is():
    with pytest.raises(ZeroDivisionError), tracker_errors():
        raise ZeroDivisionError
