"""What is said before training starts when a tracker or the Hub has no login, and that no token reaches a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from writable_hub import writable_hub

from dra_toolkit.errors import RecipeError
from dra_toolkit.logins import TRACKERS, chosen_trackers, login_problems, wandb_problems
from dra_toolkit.recipe import load_recipe

RECIPE = """
model_name_or_path: org/policy
dataset_name: org/sums
reward_funcs: [accuracy]
embedder: hash
num_generations: 4
per_device_train_batch_size: 8
max_steps: 2
"""
HUB_TOKEN = "hf_" + "c0ffee" * 6
WANDB_KEY = "c0ffee" * 6 + "abcd"
ACCOUNT = ("HF_", "HUGGING_FACE", "WANDB_", "TRACKIO_", "NETRC")


@pytest.fixture(autouse=True)
def nobody(tmp_path, monkeypatch):
    """Nobody is logged in anywhere, and the home is empty."""
    from huggingface_hub import constants

    for name in [name for name in os.environ if name.startswith(ACCOUNT)]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.chdir(home)


@pytest.fixture
def recipe_file(tmp_path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE + f"output_dir: {tmp_path / 'run'}\n")
    return path


@pytest.fixture
def problems(recipe_file):
    """Return what a recipe with these overrides lacks."""
    return lambda *overrides: login_problems(load_recipe(recipe_file, overrides))


@pytest.fixture
def hub(monkeypatch):
    """A Hub that answers, and its settings."""
    from huggingface_hub import constants

    with writable_hub() as state:
        monkeypatch.setattr(constants, "ENDPOINT", state.address)
        yield state


def dra(*arguments: object, **environment: str) -> tuple[int, str]:
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_the_trackers_are_those_of_transformers():
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    assert set(TRACKERS) == set(INTEGRATION_TO_CALLBACK)


class TestTrainStartsNothing:
    def test_without_logins_and_names_the_commands_all_at_once(self, recipe_file, tmp_path):
        status, said = dra("train", recipe_file, "report_to=[wandb]", "push_to_hub=true", "hub_revisions=true")
        assert status == 2, said
        assert "Weights & Biases; log in with `wandb login`, or keep the run on this machine" in said
        assert "push_to_hub: there is no login for the Hub; log in with `hf auth login`, or set HF_TOKEN" in said
        assert "Traceback" not in said
        assert not (tmp_path / "run").exists()

    def test_with_a_token_in_the_recipe_and_does_not_repeat_it(self, recipe_file, tmp_path):
        for key in ("hub_token", "model_init_kwargs.token", "report_to"):
            status, said = dra("train", recipe_file, f"{key}={HUB_TOKEN}")
            assert status == 2, said
            assert "c0ffee" not in said
        recipe_file.write_text(recipe_file.read_text() + f"# my token: {HUB_TOKEN}\n")
        status, said = dra("train", recipe_file)
        assert status == 2
        assert "line 10: holds what looks like a token" in said
        assert "c0ffee" not in said
        assert not (tmp_path / "run").exists()

    def test_a_dry_run_needs_no_login_and_notes_what_is_missing(self, recipe_file):
        status, said = dra("train", recipe_file, "report_to=[wandb]", "push_to_hub=true", "--dry-run")
        assert status == 0, said
        words = " ".join(said.split())
        assert "note: before training: report_to: there is no login for Weights & Biases" in words
        assert "note: before training: push_to_hub: there is no login for the Hub" in words

    def test_other_machines_need_no_login(self, recipe_file, monkeypatch):
        """The first process of the first machine alone reports and pushes."""
        several = ("num_machines=2", "num_processes=2", "main_process_ip=10.0.0.1", "push_to_hub=true")
        first, second = (load_recipe(recipe_file, [*several, f"machine_rank={rank}"]) for rank in (0, 1))
        assert login_problems(first)
        assert login_problems(second) == []


class TestTrackers:
    def test_nothing_is_needed_where_nothing_is_reported_or_pushed(self, problems):
        assert problems() == []
        assert problems("report_to=[tensorboard, trackio]") == []

    def test_a_misspelt_tracker_is_named_with_the_nearest(self, problems):
        (line,) = problems("report_to=[wandbb]")
        assert line.startswith("report_to: found 'wandbb'")
        assert "did you mean 'wandb'?" in line

    def test_a_tracker_that_is_not_installed_is_named_with_its_command(self, problems):
        assert problems("report_to=[neptune]") == ['report_to: neptune is not installed; pip install "neptune"']

    def test_all_stands_for_the_trackers_of_the_extra(self, recipe_file):
        assert chosen_trackers(load_recipe(recipe_file, ["report_to=all"])) == ["tensorboard", "trackio", "wandb"]

    def test_a_key_in_the_environment_is_a_login(self, problems, monkeypatch):
        monkeypatch.setenv("WANDB_API_KEY", WANDB_KEY)
        assert problems("report_to=[wandb]") == []

    def test_offline_needs_no_login(self, problems, monkeypatch):
        monkeypatch.setenv("WANDB_MODE", "offline")
        assert problems("report_to=[wandb]") == []

    def test_what_the_wandb_command_stores_is_understood(self, tmp_path):
        """The installed wandb's own commands, which ask no server with --no-verify."""

        def wandb(*arguments: str) -> None:
            command = [sys.executable, "-m", "wandb", *arguments]
            subprocess.run(command, check=True, capture_output=True)

        assert wandb_problems()
        wandb("login", "--no-verify", WANDB_KEY)
        assert wandb_problems() == []
        (tmp_path / "home" / ".netrc").unlink()
        wandb("login", "--no-verify", "--host", "http://127.0.0.1:9", WANDB_KEY)
        assert wandb_problems() == []
        (tmp_path / "home" / ".netrc").unlink()
        (line,) = wandb_problems()
        assert "at 127.0.0.1:9; log in with `wandb login --host http://127.0.0.1:9`" in line
        wandb("offline")
        assert wandb_problems() == []

    def test_an_older_login_at_the_public_server_counts(self, tmp_path):
        (tmp_path / "home" / ".netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {WANDB_KEY}\n")
        assert wandb_problems() == []


class TestHub:
    def test_a_login_that_may_write_is_enough(self, problems, hub, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", HUB_TOKEN)
        assert problems("push_to_hub=true", "hub_revisions=true") == []
        assert "GET /api/whoami-v2" in hub.requests
        assert not any(request.startswith("POST") for request in hub.requests), "asking makes nothing"

    def test_what_hf_auth_login_stores_is_a_login(self, problems, hub, tmp_path):
        (tmp_path / "home" / "token").write_text(HUB_TOKEN)
        assert problems("push_to_hub=true") == []

    def test_a_login_that_is_refused_is_named_with_its_mend(self, problems, hub, tmp_path, monkeypatch):
        hub.token = "hf_other"
        (tmp_path / "home" / "token").write_text(HUB_TOKEN)
        (stored,) = problems("push_to_hub=true")
        assert f"the Hub at {hub.address} refuses the login (401); `hf auth login --force`" in stored
        monkeypatch.setenv("HF_TOKEN", HUB_TOKEN)
        (given,) = problems("push_to_hub=true")
        assert "set another HF_TOKEN" in given
        assert "c0ffee" not in stored + given

    def test_a_token_that_may_only_read_is_named(self, problems, hub, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", HUB_TOKEN)
        hub.role = "read"
        (line,) = problems("push_to_hub=true")
        assert "the token of ada may only read; set HF_TOKEN to one that may write" in line

    def test_a_hub_out_of_reach_or_in_trouble_is_told(self, problems, hub, monkeypatch):
        from huggingface_hub import constants

        monkeypatch.setenv("HF_TOKEN", HUB_TOKEN)
        hub.refuse = lambda method, path: 503
        assert "answers with status 503" in problems("push_to_hub=true")[0]
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        assert "the Hub at http://127.0.0.1:9 cannot be reached" in problems("push_to_hub=true")[0]

    def test_offline_contradicts_a_push(self, problems, monkeypatch):
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert "contradicts HF_HUB_OFFLINE=1" in problems("push_to_hub=true")[0]

    def test_a_space_of_trackio_needs_the_hub(self, problems):
        (line,) = problems("report_to=[trackio]", "trackio_space_id=ada/curves")
        assert line.startswith("trackio_space_id: there is no login for the Hub")

    def test_revisions_without_anything_to_push_are_named(self, problems):
        (line,) = problems("hub_revisions=true")
        assert line.startswith("hub_revisions: pushes nothing without push_to_hub=true")
        lines = problems("hub_revisions=true", "push_to_hub=true", "save_strategy=no")
        assert lines[0].startswith("hub_revisions: save_strategy is no")

    @pytest.mark.parametrize(
        ("override", "key"), [("hub_model_id=a/b/c", "hub_model_id"), ("output_dir=a b", "output_dir")]
    )
    def test_a_name_that_the_hub_does_not_take_is_named(self, problems, override, key):
        assert problems("push_to_hub=true", override)[0].startswith(f"{key}: ")


def test_a_token_in_a_list_of_a_recipe_is_found(recipe_file):
    with pytest.raises(RecipeError) as raised:
        load_recipe(recipe_file, [f"reward_funcs=[accuracy, {HUB_TOKEN}]"])
    assert "c0ffee" not in str(raised.value)
