"""The launcher and its vLLM server: started, waited for, watched, ended. A small HTTP server stands for vLLM."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from ports import free_port
from waiting import FOR_EVER, wait_until, wait_until_ended

from dra_toolkit.cli.progress import Lines
from dra_toolkit.cli.training_events import training_events
from dra_toolkit.errors import LaunchError
from dra_toolkit.launch import Plan
from dra_toolkit.launch.command import Command, run_command
from dra_toolkit.launch.devices import Gpu
from dra_toolkit.launch.plan import plan
from dra_toolkit.launch.start import prepare
from dra_toolkit.launch.train import supervise
from dra_toolkit.launch.vllm_server import WORKER_EXTENSION
from dra_toolkit.recipe import load_recipe
from dra_toolkit.runs import RunDirectory

STAND_IN = """
import http.server, subprocess, sys
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404); self.end_headers()
    def log_message(self, *args): pass
worker = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])  # vLLM starts processes too
print("worker", worker.pid, flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(
        "model_name_or_path: some/model\ndataset_name: some/data\nreward_funcs: [accuracy]\nembedder: hash\n"
        f"per_device_train_batch_size: 8\nvllm_gpus: 1\noutput_dir: {tmp_path / 'run'}\n"
    )
    return load_recipe(
        path, [f"vllm_server_port={free_port()}", f"vllm_group_port={free_port()}", "vllm_server_timeout=900"]
    )


def command(*argv: str) -> Command:
    return Command(purpose="stand-in", argv=(sys.executable, *argv))


def server(recipe) -> Command:
    return command("-c", STAND_IN, str(recipe["vllm_server_port"]))


def run(recipe, server_command: Command, training: str):
    start = prepare(recipe)
    planned = Plan(before=(), server=server_command, train=command("-c", training))
    return supervise(recipe, planned, start, Lines(training_events).show), start


def server_processes(log: Path) -> list[int]:
    return [int(line.split()[1]) for line in log.read_text().splitlines() if line.startswith("worker")]


def assert_nothing_left(start) -> None:
    log = start.logs / "vllm.log"
    assert server_processes(log)
    wait_until_ended(server_processes(log))


def test_training_begins_when_it_answers_and_it_ends_with_training(recipe):
    url = f"http://127.0.0.1:{recipe['vllm_server_port']}/health"
    ended, start = run(recipe, server(recipe), f"import urllib.request as u; u.urlopen({url!r}).read()")
    assert (ended.state, ended.problems) == ("finished", ())
    assert_nothing_left(start)


def test_it_ends_when_training_fails(recipe):
    ended, start = run(recipe, server(recipe), "raise SystemExit(7)")
    assert "ended with status 7" in ended.problems[0]
    assert_nothing_left(start)


def test_its_death_ends_training_with_the_reason(recipe):
    dies = command("-c", STAND_IN.replace("serve_forever()", "handle_request()"), str(recipe["vllm_server_port"]))
    ended, start = run(recipe, dies, FOR_EVER)
    assert "the vLLM server ended with status 0" in ended.problems[0]
    assert str(start.logs / "vllm.log") in ended.problems[0]
    assert_nothing_left(start)


@pytest.mark.parametrize("own_group", ["", ", process_group=0"], ids=["its group", "a group of its own"])
def test_what_it_started_ends_though_its_guard_is_killed_with_it(recipe, own_group):
    """As the kernel does that runs out of memory: nobody is left to end the worker but the launcher."""
    killed = STAND_IN.replace("serve_forever()", "handle_request()").replace(
        'signal.pause()"]', f'signal.pause()"]{own_group}'
    )
    killed += "import os; os.kill(os.getppid(), 9); os.kill(os.getpid(), 9)"
    ended, start = run(recipe, command("-c", killed, str(recipe["vllm_server_port"])), FOR_EVER)
    assert "the vLLM server ended by signal 9" in ended.problems[0]
    assert_nothing_left(start)


def test_one_that_cannot_start_is_told_at_once(recipe):
    ended, start = run(recipe, command("-c", "raise SystemExit('no such model')"), FOR_EVER)
    assert "the vLLM server ended with status 1" in ended.problems[0]
    assert "no such model" in (start.logs / "vllm.log").read_text()
    assert not (start.logs / "output.log").exists()


def test_one_that_never_answers_is_given_up(recipe, tmp_path):
    ports = [f"{key}={recipe[key]}" for key in ("vllm_server_port", "vllm_group_port")]
    impatient = load_recipe(tmp_path / "r.yaml", [*ports, "vllm_server_timeout=2"])
    ended, start = run(impatient, command("-c", FOR_EVER), "print(1)")
    assert "did not answer at http://127.0.0.1" in ended.problems[0]
    assert "vllm_server_timeout" in ended.problems[0]
    assert not (start.logs / "output.log").exists()


@pytest.mark.parametrize("key", ["vllm_server_port", "vllm_group_port"])
def test_a_port_in_use_is_named(recipe, key):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", recipe[key]))
        taken.listen()
        with pytest.raises(LaunchError, match=f"{key}: port {recipe[key]} on 127.0.0.1 is in use"):
            run(recipe, server(recipe), "print(1)")


def test_ctrl_c_while_waiting_ends_it(recipe):
    start = prepare(recipe)
    script = (
        "import sys\n"
        "from test_vllm_server import *\n"
        "from dra_toolkit.runs import Run\n"
        "from dra_toolkit.launch.start import Start\n"
        "from dra_toolkit.runs.layout import RunDirectory\n"
        "run = RunDirectory(Path(sys.argv[1])); recipe = run.read_recipe()\n"
        "start = Start(run=run, attempt=1, checkpoint=None)\n"
        "planned = Plan(before=(), server=command('-c', FOR_EVER), train=command('-c', ''))\n"
        "print(supervise(recipe, planned, start, Lines(training_events).show).state, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(start.run.path)],
        env={**os.environ, "PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[1]}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: psutil.Process(process.pid).children(recursive=True), process)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate()
    assert said.strip() == "killed"
    wait_until_ended(family)


def test_ctrl_c_while_training_is_being_started_ends_it(recipe, monkeypatch):
    """In that moment there is no process yet that the signal could end."""

    def interrupted(*arguments):
        process = run_command(*arguments)
        os.kill(os.getpid(), signal.SIGINT)
        return process

    monkeypatch.setitem(supervise.__globals__, "run_command", interrupted)
    start, planned = prepare(recipe), Plan(before=(), server=None, train=command("-c", FOR_EVER))
    assert supervise(recipe, planned, start, Lines(training_events).show).state == "killed"


def test_it_does_not_outlive_a_killed_launcher(recipe, tmp_path):
    """The guard: a launcher that is killed with SIGKILL can end nothing itself."""
    guard = [sys.executable, "-m", "dra_toolkit.launch.guard", str(tmp_path / "run"), "--"]
    inner = [sys.executable, "-c", STAND_IN, str(recipe["vllm_server_port"])]
    launcher = f"import subprocess, signal; subprocess.Popen({guard + inner!r}, start_new_session=True); signal.pause()"
    process = subprocess.Popen([sys.executable, "-c", launcher], stdout=subprocess.DEVNULL)
    wait_until(lambda: len(psutil.Process(process.pid).children(recursive=True)) >= 3)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    wait_until_ended(family)


def test_the_command_is_the_one_that_trl_would_start(recipe):
    """Every flag that TRL imposes on the server it knows how to talk to, with the same values."""
    from trl.scripts.vllm_serve import ScriptArguments, build_command

    ours = plan(recipe, prepare(recipe).run).server
    theirs = build_command(ScriptArguments(model="some/model", host="127.0.0.1", port=recipe["vllm_server_port"]))
    flags = theirs[theirs.index("serve") + 2 :]
    imposed = {flags[i]: flags[i + 1] for i in range(len(flags) - 1) if flags[i].startswith("--")}
    for flag in ("--weight-transfer-config", "--logprobs-mode", "--max-logprobs", "--host", "--port", "--dtype"):
        assert ours.argv[ours.argv.index(flag) + 1] == imposed[flag]
    assert "--enable-scale-out" in ours.argv  # TRL adds it for the pinned vLLM, 0.30 and later
    assert ours.environment["VLLM_SERVER_DEV_MODE"] == "1"


class TestOnCPU:
    """vLLM's CPU build; that it works is shown by tests/engines, these hold the commands."""

    def test_server_takes_weights_from_files(self, recipe, tmp_path, monkeypatch):
        monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)
        found = plan(recipe, RunDirectory(tmp_path / "run"), gpus=())
        assert found.server.argv[-2:] == ("--worker-extension-cls", WORKER_EXTENSION)
        assert found.server.environment["VLLM_CPU_KVCACHE_SPACE"] == "1"
        from dra_toolkit.training.vllm_worker import PolicyFiles

        assert f"{PolicyFiles.__module__}.{PolicyFiles.__name__}" == WORKER_EXTENSION

    def test_nothing_of_it_with_gpus(self, recipe, tmp_path):
        gpus = [Gpu(index=str(i), name="x", memory_mib=80_000) for i in range(2)]
        found = plan(recipe, RunDirectory(tmp_path / "run"), gpus=gpus)
        assert "--worker-extension-cls" not in found.server.argv
        assert "VLLM_CPU_KVCACHE_SPACE" not in {**found.server.environment, **found.train.environment}

    def test_what_the_user_has_set_holds(self, recipe, tmp_path, monkeypatch):
        monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "4")
        found = plan(recipe, RunDirectory(tmp_path / "run"), gpus=())
        assert "VLLM_CPU_KVCACHE_SPACE" not in {**found.server.environment, **found.train.environment}
