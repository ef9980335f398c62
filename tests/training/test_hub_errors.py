"""Models and data sets that the Hub does not give: one line with the key, the cause and the way out, and no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from fake_hub import fake_hub
from huggingface_hub.errors import LocalEntryNotFoundError

from dra_toolkit.training.hub_errors import hub_problem

LOAD = """
import json, os, sys
from types import SimpleNamespace
from dra_toolkit.errors import RecipeError
from dra_toolkit.training.data import load_tokenizer
from dra_toolkit.training.data_sources import Source, read_split

def recipe(name):
    model = SimpleNamespace(model_name_or_path=f"org/{name}", model_revision="v9", trust_remote_code=False)
    return SimpleNamespace(model=model, data=SimpleNamespace(dataset_config=None, dataset_train_split="train"))

said = []
for token in ("", "hf_x"):
    os.environ["HF_TOKEN"] = token
    said.append({})
    for name in sys.argv[1:]:
        loads = {
            "model": lambda: load_tokenizer(recipe(name)),
            "data": lambda: read_split(
                recipe(name), Source(name=f"org/{name}", prompt_column="problem", solution_column=None)
            ),
        }
        for kind, load in loads.items():
            try:
                load()
            except RecipeError as error:
                said[-1][f"{kind} {name}"] = error.problems
print(json.dumps(said))
"""
RECIPE = """
model_name_or_path: {model}
dataset_name: {data}
prompt_column: question
reward_funcs: [letters.letters]
embedder: hash
bf16: false
gradient_checkpointing: false
num_generations: 4
per_device_train_batch_size: 8
max_steps: 1
save_strategy: "no"
"""
GATED = "is gated and needs a login; ask for access at {hub}/{place}, then log in with `hf auth login`"
REFUSED = "is gated and this login has no access to it; ask for it at {hub}/{place}"


@pytest.fixture(scope="module")
def hub(policy):
    with fake_hub(policy) as address:
        yield address


@pytest.fixture
def environment(hub, tmp_path):
    cleared = {name: value for name, value in os.environ.items() if name not in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")}
    paths = {"HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(__file__).parent)}
    return {**cleared, **paths, "HF_ENDPOINT": hub, "HF_HUB_OFFLINE": "0", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def load(environment):
    """Return a child process's problems with the models and data sets of these names: without a login, and with one."""

    def load(*names: str, **changes: str) -> list[dict[str, str]]:
        command = [sys.executable, "-c", LOAD, *names]
        child = subprocess.run(command, env=environment | changes, capture_output=True, text=True, check=False)
        assert child.returncode == 0, child.stderr
        lines = [{what: line for what, (line,) in said.items()} for said in json.loads(child.stdout)]
        assert not any("\n" in line or "hf_x" in line for said in lines for line in said.values())
        return lines

    return load


def test_what_is_missing_gated_or_needs_a_login(hub, load):
    without, with_login = load("missing", "gated", "not-granted", "other-revision", "bad-login")
    assert without["model missing"] == (
        f"model_name_or_path: there is no model org/missing on the Hub ({hub}) that can be read without a login, and no "
        "such folder here; correct the name, or log in with `hf auth login` if it is private"
    )
    assert without["data missing"].startswith(f"dataset_name: there is no data set org/missing on the Hub ({hub})")
    assert "that this login can read" in with_login["model missing"]
    assert "that this login can read" in with_login["data missing"]
    for name in ("gated", "not-granted"):
        for kind, place in (("model", f"org/{name}"), ("data", f"datasets/org/{name}")):
            assert without[f"{kind} {name}"].endswith(f"org/{name} " + GATED.format(hub=hub, place=place))
            assert with_login[f"{kind} {name}"].endswith(f"org/{name} " + REFUSED.format(hub=hub, place=place))
    assert without["model other-revision"].startswith("model_name_or_path: org/other-revision has no revision 'v9'")
    for kind in ("model", "data"):
        assert "answered 401 (Invalid credentials in Authorization header)" in without[f"{kind} bad-login"]
        assert without[f"{kind} bad-login"].endswith("log in with `hf auth login`")
        assert with_login[f"{kind} bad-login"].endswith("its present login is refused")


def test_offline(load):
    said, _ = load("missing", HF_HUB_OFFLINE="1")
    where = "org/missing is neither a folder nor in the cache, and HF_HUB_OFFLINE forbids the Hub"
    assert said["model missing"].startswith(f"model_name_or_path: {where}")
    assert said["data missing"].startswith(f"dataset_name: {where}")
    assert "`hf download org/missing --repo-type dataset --local-dir FOLDER`" in said["data missing"]


def test_hub_that_cannot_be_reached():
    """As huggingface_hub raises it after half a minute of trying again."""
    try:
        raise LocalEntryNotFoundError("cannot find the file") from httpx.ConnectError("[Errno 111] Connection refused")
    except LocalEntryNotFoundError as error:
        wrapped = OSError("We couldn't connect")
        wrapped.__cause__ = error
    line = hub_problem(wrapped, "org/x", "model")
    assert line is not None
    assert "org/x" in line
    assert hub_problem(ValueError("something else"), "org/x", "model") is None


def test_dra_train_says_it_in_one_line(environment, tmp_path):
    """A model with a tokenizer and without weights: TRL meets that inside its trainer."""
    rows = tmp_path / "data.jsonl"
    rows.write_text("".join(json.dumps({"question": f"{i}?", "solution": str(i)}) + "\n" for i in range(16)))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.format(model="org/half", data=rows))
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "train", str(recipe)]
    command.append(f"output_dir={tmp_path}/run")
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert child.returncode == 2, child.stdout + child.stderr
    (error,) = (line for line in child.stderr.splitlines() if line.startswith("error:"))
    said = "error: model_name_or_path: org/half cannot be loaded (org/half does not appear to have"
    assert error.startswith(said)
    assert "Traceback" not in child.stdout + child.stderr
