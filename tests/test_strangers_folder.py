"""A downloaded folder is only data: what lies in it is not run because a command was typed there."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import typer
from recorded import make_run, record, record_all

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[1]
DRA = Path(sys.executable).parent / "dra"
OPTIONAL = (
    *("lz4", "pynvml", "torchvision", "torchaudio", "bitsandbytes", "wandb", "flash_attn", "apex", "faiss", "mlflow"),
    *("sentencepiece", "sitecustomize", "usercustomize", "conftest", "vllm", "tensorflow", "jax", "comet_ml", "orjson"),
    *("IPython", "xformers", "kernels", "liger_kernel", "optimum", "sklearn", "cupy", "ray", "torch_xla", "torchao"),
)
"""What Python and libraries look for and use where it is there; here mostly not."""
SMALL = "max_steps=1 per_device_train_batch_size=4 num_generations=4 save_steps=1"
LINES = {
    "train": f"train quickstart {SMALL} output_dir=trained",
    "doctor": "doctor quickstart",
    "app": "app . --no-open --train",
    "audit": "audit run --embedder hash",
    "lint": "lint run",
    "export-settings": "export-settings quickstart verl",
    "docs": "docs judge",
    "eval run": "eval run --model builtin:ways --no-base -b quickstart --limit 2 --n 1 --max-new-tokens 8 --output e",
    "eval report": "eval report evals --out tables",
    "eval compare": "eval compare evals/step-0 evals/step-50",
    "inspect runs": "inspect runs .",
    "inspect summary": "inspect summary run",
    "inspect compare": "inspect compare run run",
    "inspect replay": "inspect replay run diversity=none",
    "inspect weights": "inspect weights run",
    "inspect groups": "inspect groups run",
    "inspect group": "inspect group run 1 0",
    "inspect prompt": "inspect prompt run 'prompt 0'",
    "inspect search": "inspect search run text",
    "inspect near": "inspect near run 1 0 0 --embedder hash",
    "inspect sql": "inspect sql run 'SELECT * FROM completions'",
    "inspect compact": "inspect compact run",
    "inspect verify": "inspect verify run",
    "inspect export": "inspect export run out.html",
    "inspect import": "inspect import rollouts.jsonl -o imported --embedder hash",
    "recipes show": "recipes show quickstart",
    "recipes keys": "recipes keys lambda",
    "recipes copy": "recipes copy quickstart own.yaml",
}
"""A line of each command that does its whole work."""
MARKS = dict.fromkeys(("train", "eval report", "eval compare"), pytest.mark.slow) | {
    "eval run": (pytest.mark.slow, pytest.mark.long)
}


def leaves(group: typer.Typer) -> Iterator[str]:
    """Yield every command as it is typed."""
    command = typer.main.get_command(group)
    for name, each in command.commands.items():  # type: ignore[attr-defined]
        yield from [f"{name} {below}" for below in getattr(each, "commands", {})] or [name]


def marking(folder: Path, name: str) -> None:
    """Put a module there that leaves a mark when it is run."""
    mark = (
        f"import sys as s\nopen({str(folder / 'ran')!r}, 'a').write({name!r} + ' ' + repr(s.orig_argv)[:99] + '\\n')\n"
    )
    (folder / f"{name}.py").write_text(mark)


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder with a run, evaluations, rollouts, and modules of every name that is imported anywhere, each of which leaves
    a mark; a repository and files of settings whose programs do as well."""
    names = {*sys.stdlib_module_names, *packages_distributions(), *OPTIONAL, "dra_toolkit", "dra_app", "own_reward"}
    for name in filter(str.isidentifier, names):
        marking(tmp_path, name)
    (tmp_path / "matplotlibrc").write_text("backend: module://own_reward\n")
    (tmp_path / ".env").write_text("PYTHONSTARTUP=sitecustomize.py\nPYTHONPATH=.\n")
    (tmp_path / ".git" / "refs").mkdir(parents=True)
    (tmp_path / ".git" / "objects").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".git" / "config").write_text(f"[core]\n\tfsmonitor = echo git >> {tmp_path / 'ran'}; false\n")
    record_all(make_run(tmp_path / "run"), [record(1, texts=[rf"{i} so \boxed{{{i // 2}}}" for i in range(4)], G=4)])
    rows = [{"prompt": f"q{i // 4}", "completion": f"c {i}", "reward": i % 2, "step": 1} for i in range(8)]
    (tmp_path / "rollouts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def was_run(trap: Path) -> str:
    """Return what of the folder was run."""
    return (trap / "ran").read_text() if (trap / "ran").exists() else ""


def environment() -> dict[str, str]:
    """Return this one without what would keep the working folder off the path by itself."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONSAFEPATH", "PYTHONPATH")}


def test_every_command_has_a_line_here() -> None:
    from dra_toolkit.cli.main import app

    assert set(leaves(app)) == set(LINES)


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in LINES if name != "app"])
def test_no_command_runs_anything_of_the_working_folder(trap: Path, name: str) -> None:
    if "evals" in LINES[name]:
        sys.path.append(str(ROOT / "tests" / "evaluation"))
        from evaluated import evaluate

        for step in (0, 50):
            evaluate(trap / "evals", step, "aime24", [[1, 0], [0, 1 if step else 0]])
    command = [str(DRA), *shlex.split(LINES[name])]
    ran = subprocess.run(command, cwd=trap, env=environment(), capture_output=True, text=True, check=False)
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr  # 1: doctor and lint have found something
    assert "Traceback" not in ran.stderr
    assert not was_run(trap)


@pytest.mark.parametrize("command", ["doctor own.yaml", "train own.yaml --dry-run"])
def test_neither_do_the_judges_that_read_golds_before_training(trap: Path, command: str) -> None:
    rows = [{"problem": f"{i} + 2?", "solution": str(i + 2)} for i in range(8)]
    (trap / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (trap / "own.yaml").write_text(
        "model_name_or_path: builtin:ways\ndataset_name: data.jsonl\nembedder: hash\nreward_funcs: [accuracy]\n"
        "num_generations: 4\nper_device_train_batch_size: 4\noutput_dir: trained\n"
    )
    ran = subprocess.run([str(DRA), *command.split()], cwd=trap, env=environment(), capture_output=True, text=True)
    assert "8 of 8" in ran.stdout or "8 golds" in ran.stdout, ran.stdout + ran.stderr
    assert not was_run(trap)


@contextmanager
def served(trap: Path) -> Iterator[str]:
    """Run the dashboard in the folder; yield its address."""
    command = [str(DRA), *LINES["app"].split()]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    server = subprocess.Popen(command, cwd=trap, env=environment(), text=True, **pipe)  # type: ignore[call-overload]
    said = ""
    try:
        for line in server.stdout:
            said += line
            if found := re.search(r"is at (http://\S+?)/ ", line):
                yield found[1]
                break
        else:
            raise AssertionError(said)
    finally:
        server.terminate()
        server.communicate()


@pytest.mark.slow
def test_the_dashboard_runs_nothing_of_the_working_folder(trap: Path) -> None:
    with served(trap) as address:
        for path in ("/", "/?page=train", "/own/train/"):
            urllib.request.urlopen(address + path).read()
        for question in (
            "overview/show",
            "overview/runs",
            "overview/lint",
            "groups/show",
            "search/show",
            "evaluate/show",
        ):
            body = json.dumps({"run": "run", "step": 1, "q": "so"}).encode()
            asked = urllib.request.Request(f"{address}/dra/ask/{question}", body, {"content-type": "application/json"})
            urllib.request.urlopen(asked).read()
    assert not was_run(trap)


@pytest.mark.long
@pytest.mark.slow
def test_what_the_page_starts_runs_nothing_of_the_working_folder(trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from waiting import wait_until

    from dra_app.context import Context
    from dra_app.train_page import Trainings

    monkeypatch.chdir(trap)
    trainings = Trainings(Context(trap), trap)
    token = trainings.token()
    trainings.doctor(token, "quickstart", "")
    trainings.start(token, "quickstart", "\n".join(SMALL.split()))
    ((_, started),) = trainings._started.items()
    wait_until(lambda: started.poll() is not None)
    assert started.returncode == 0, trainings.log(token, "quickstart", "\n".join(SMALL.split()))
    assert not was_run(trap)


def test_every_child_is_started_with_the_safe_path() -> None:
    """`python -m` puts the working folder first on the path; -P, or run_command's PYTHONSAFEPATH, leaves it out."""
    for path in (ROOT / "dra_toolkit").rglob("*.py"):
        unsafe = re.findall(r'sys\.executable, "-m"', path.read_text())
        assert not unsafe or path.parent.name == "launch", path


def test_csv_on_the_terminal_moves_nothing(tmp_path: Path) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202ea"
    record_all(make_run(tmp_path / "run"), [record(1, texts=[hostile, "b", "c"])])
    command = [str(DRA), "inspect", "sql", str(tmp_path / "run"), "SELECT completion FROM texts", "--csv"]
    printed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", printed)
    assert "owned" in printed


@pytest.mark.long
@pytest.mark.slow
def test_training_runs_no_module_of_the_working_folder_that_a_library_looks_for(trap: Path) -> None:
    """The children too, with several processes; a reward of one's own is found there all the same."""
    for name in OPTIONAL:
        (trap / f"{name}.py").write_text(f"open({str(trap / 'ran')!r}, 'a').write({name!r})\n")
    settings = ["max_steps=1", "num_processes=2", "per_device_train_batch_size=4", "num_generations=4", "save_steps=1"]
    command = [str(DRA), "train", "quickstart", *settings, f"output_dir={trap / 'trained'}"]
    ran = subprocess.run(command, cwd=trap, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not (trap / "ran").exists(), (trap / "ran").read_text()


def test_a_dry_run_of_a_strangers_recipe_moves_nothing_on_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(
        "model_name_or_path: builtin:ways\ndataset_name: builtin:ways\nembedder: hash\nreward_funcs: [accuracy]\n"
        'num_generations: 4\nper_device_train_batch_size: 4\noutput_dir: "owned\\e]0;x\\a\\e[2J"\n'
    )
    command = [str(DRA), "train", "r.yaml", "--dry-run"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    printed = (ran.stdout + ran.stderr).decode()
    assert "owned" in printed
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", printed)
