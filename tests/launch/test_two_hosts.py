"""Two hosts as two network namespaces that see each other over a virtual cable alone; needs the right to make them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from test_processes import TRAINING_TESTS, assert_rewards_follow_from_the_texts, recipe  # noqa: F401

ADDRESSES = ("10.213.77.1", "10.213.77.2")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """Two namespaces joined by a pair of virtual interfaces, removed afterwards."""
    names = (f"dra{os.getpid()}a", f"dra{os.getpid()}b")
    try:
        for name in names:
            ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("network namespaces cannot be made here")
    try:
        ip("link", "add", "dra0", "netns", names[0], "type", "veth", "peer", "name", "dra0", "netns", names[1])
        for name, address in zip(names, ADDRESSES, strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "dra0")
            ip("-n", name, "link", "set", "dra0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@pytest.mark.long
def test_two_hosts_train_as_one(hosts, recipe, tmp_path):  # noqa: F811
    run = tmp_path / "run"
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "train", str(recipe)]
    meeting = ["num_machines=2", f"main_process_ip={ADDRESSES[0]}", "main_process_port=29655", f"output_dir={run}"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(TRAINING_TESTS),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "dra0",  # gloo would ask the name of the host for its address
    }
    started = [
        subprocess.Popen(
            ["ip", "netns", "exec", name, *command, *meeting, f"machine_rank={rank}"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank, name in enumerate(hosts)
    ]
    for process in started:
        said, _ = process.communicate()
        assert process.returncode == 0, said
    assert_rewards_follow_from_the_texts(run)
