"""Training from the page: what it shows, what it refuses, and a run from choosing a recipe to reading its first group."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from dashboard import Browser, ask, dra_app
from waiting import wait_until

from dra_app.context import Context
from dra_app.train_page import MOST_PAGES, Trainings
from dra_toolkit.errors import DRAError, RunError
from dra_toolkit.recipe import load_recipe
from dra_toolkit.runs import Run, RunDirectory
from dra_toolkit.runs.checkpoints import complete_checkpoints

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
TYPED_AGAIN = 20_000
"""Milliseconds after which a reader types again what the page has not answered."""


@pytest.fixture(scope="module")
def cheap(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Settings with which the quickstart takes seconds: a policy of a few thousand parameters and sixteen problems."""
    tiny = pytest.importorskip("tiny")
    folder = tmp_path_factory.mktemp("cheap")
    rows = [{"problem": f"What is {i} + 1?", "solution": str(i + 1)} for i in range(16)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"model_name_or_path": tiny.save_policy(folder / "policy"), "dataset_name": folder / "rows.jsonl"}
    sizes = {"per_device_train_batch_size": 8, "num_generations": 4, "max_completion_length": 12, "save_steps": 1}
    return "\n".join(f"{key}={value}" for key, value in (settings | sizes).items())


@pytest.fixture
def trainings(tmp_path: Path) -> Trainings:
    (tmp_path / "own.yaml").write_text(load_recipe("quickstart").text)
    (tmp_path / "link.yaml").symlink_to("/etc/hostname")
    return Trainings(Context(tmp_path / "runs"), tmp_path)


def test_shipped_recipes_and_the_files_of_the_folder_can_be_chosen_and_nothing_else(trainings: Trainings) -> None:
    assert {"quickstart", "dra_grpo", "own.yaml"} <= set(trainings.recipes())
    for name in ("link.yaml", "../own.yaml", "/etc/hostname", "own", "", None):
        rows, said, command = trainings.look(name, "", "")  # type: ignore[arg-type]
        assert (rows, command) == ([], "")
        assert said.startswith("recipe: found")


def test_keys_are_shown_with_origin_and_help_and_checked_as_they_are_typed(trainings: Trainings) -> None:
    rows, said, command = trainings.look("quickstart", "max_steps=7\n--beta=0.1", "")
    assert [row[:3] for row in rows[:2]] == [["beta", "0.1", "override"], ["max_steps", "7", "override"]]
    assert [row[2] for row in rows[2:4]] == ["override", "recipe"]  # the run's folder, then what the recipe says
    assert "max_steps=7" in command
    assert "dra_toolkit.training" in command
    assert "unknown key; did you mean 'learning_rate'" in trainings.look("quickstart", "learning_rte=1", "")[1]
    assert "expected key=value" in trainings.look("quickstart", "max_st", "")[1]
    found = trainings.look("quickstart", "", "gradient_checkpointing")[0]
    assert {row[0] for row in found} >= {"gradient_checkpointing", "gradient_checkpointing_kwargs"}
    assert said


@pytest.mark.parametrize("action", ["doctor", "start", "resume", "stop"])
def test_an_action_without_the_token_of_an_open_page_is_refused(trainings: Trainings, action: str) -> None:
    for token in ("", "x" * 32, trainings.token()[:-1]):
        with pytest.raises(RunError, match="load it again"):
            getattr(trainings, action)(token, "quickstart", "")
    old = trainings.token()
    for _ in range(MOST_PAGES):
        trainings.token()
    with pytest.raises(RunError, match="load it again"):
        trainings.copy(old, "quickstart", "", "mine")


@pytest.mark.parametrize(
    "written", ["output_dir=/tmp/elsewhere", "output_dir=..", "--slurm=x.sh", "-x=1", "max_steps=no"]
)
def test_what_dra_train_would_not_take_or_would_put_elsewhere_is_not_started(
    trainings: Trainings, written: str
) -> None:
    with pytest.raises(DRAError):
        trainings.start(trainings.token(), "quickstart", written)
    assert not (trainings.context.root / "quickstart").exists()
    with pytest.raises(RunError, match="is not being trained"):
        trainings.stop(trainings.token(), "quickstart", "")


def test_a_copy_is_the_recipe_with_what_was_typed(trainings: Trainings) -> None:
    token = trainings.token()
    trainings.copy(token, "quickstart", "max_steps=7", "mine")
    copied, shipped = load_recipe(trainings.folder / "mine.yaml"), load_recipe("quickstart", ["max_steps=7"])
    assert {key: copied[key] for key in shipped if key != "output_dir"} == {
        key: shipped[key] for key in shipped if key != "output_dir"
    }
    assert "mine.yaml" in trainings.recipes()
    for name, said in (("mine", "exists"), ("../mine", "expected letters"), ("", "expected letters")):
        with pytest.raises(DRAError, match=said):
            trainings.copy(token, "quickstart", "", name)


def test_one_run_alone_is_nothing_to_train_into(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="expected a folder of runs"):
        Trainings(Context(tmp_path, only="one"), tmp_path)


@pytest.mark.long
def test_a_training_is_stopped_with_a_checkpoint_and_goes_on(trainings: Trainings, cheap: str) -> None:
    token, written = trainings.token(), f"{cheap}\nmax_steps=4000"
    run = RunDirectory(trainings.context.root / "quickstart")
    assert trainings.start(token, "quickstart", written) == "quickstart: started"
    with pytest.raises(RunError, match="is being trained"):
        trainings.start(token, "quickstart", written)
    wait_until(lambda: run.exists() and run.metrics.exists())
    assert "running" in trainings.status("quickstart", written)[0]
    assert "with a checkpoint" in trainings.stop(token, "quickstart", written)
    wait_until(lambda: "ended with status" in trainings.status("quickstart", written)[1])
    assert "stopped" in trainings.status("quickstart", written)[0]
    last = int(complete_checkpoints(run.checkpoints)[-1].name.split("-")[1])
    finite = f"{cheap}\nmax_steps={last + 2}"
    assert trainings.resume(token, "quickstart", finite) == "quickstart: started"
    wait_until(lambda: "ended with status 0" in trainings.status("quickstart", finite)[1])
    assert run.status()["state"] == "finished"
    assert Run(run).steps()[-1] == last + 2


def type_until(page: Any, settings: str, label: str, said: str) -> None:
    """Choose the quickstart and type settings until the page answers; Gradio may lose an answer where it stands still."""
    from playwright.sync_api import expect

    recipe = page.get_by_label("recipe", exact=True)
    for lines in itertools.count():
        if recipe.input_value() != "quickstart":
            recipe.click()
            page.get_by_role("option", name="quickstart", exact=True).click()
        page.get_by_label("settings that replace").fill(settings + "\n" * lines)
        with suppress(AssertionError):
            expect(page.get_by_label(label)).to_have_value(re.compile(re.escape(said)), timeout=TYPED_AGAIN)
            return


def test_from_choosing_the_quickstart_to_reading_its_first_group(chromium: Any, tmp_path: Path, cheap: str) -> None:
    (tmp_path / "runs").mkdir()
    with dra_app(tmp_path / "runs", "--train", "--recipes", tmp_path) as address:
        browser = Browser(chromium, address)
        page = browser.page
        page.goto(f"{address}/")
        page.click("#dra-shell nav a:has-text('Train')")
        type_until(page, f"{cheap}\nmax_stps=2", "said of it", "did you mean 'max_steps'")
        type_until(page, f"{cheap}\nmax_steps=2", "command", "max_steps=2")
        page.get_by_role("button", name="Start").click()
        page.get_by_text("quickstart: finished").wait_for()
        page.get_by_role("link", name="groups").click()
        page.wait_for_selector("#dra-groups h3:has-text('Step 2, group 0: 4 completions')")
        assert page.locator("#dra-groups .dra-card").count() == 4
        browser.complaints.clear()  # of Gradio's own page: fonts and manifests that are not served
        browser.foreign.clear()
        browser.close()


def test_without_the_flag_nothing_can_start_or_write_anything(tmp_path: Path) -> None:
    with dra_app(tmp_path) as address:
        for path in ("/own/train/", "/own/train/config", "/own/train/gradio_api/info"):
            assert ask(address, path)[0] == 404, path
        body = json.dumps({"data": ["", "quickstart", ""], "fn_index": 0, "session_hash": "x"}).encode()
        for path in ("/own/train/gradio_api/queue/join", "/own/train/gradio_api/run/start", "/dra/ask/train/start"):
            assert ask(address, path, data=body, Content_Type="application/json")[0] in (404, 405), path
        info = json.loads(ask(address, "/gradio_api/info")[1])
        assert not {"/start", "/stop", "/resume", "/copy"} & set(info["named_endpoints"])
    program = (
        "import sys; from pathlib import Path; from dra_app.context import Context; from dra_app.guard import Rules;"
        "from dra_app.server import build_app; build_app(Context(Path('.')), Rules());"
        "assert not {'dra_app.train_page', 'dra_toolkit.launch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
