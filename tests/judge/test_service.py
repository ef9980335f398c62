"""The judge in worker processes: nothing hangs, leaks or fails silently, and a busy machine changes no verdict."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading

import psutil
import pytest
from pairs import pairs
from waiting import has_ended, wait_until, wait_until_ended

from dra_toolkit.errors import RunError
from dra_toolkit.judge import Verdict
from dra_toolkit.judge.service import BoundedPool, JudgeService, warm_up
from dra_toolkit.judge.worker import MEMORY

BOUND = 1.0
"""Seconds of processor time for a pair in the tests of hostile answers."""

HOSTILE = {
    "tower": r"\boxed{9^{9^{9^{9}}}}",
    "tower of variables": r"\boxed{x^{x^{x^{x^{x^{x}}}}}}",
    "binomial": r"\boxed{\binom{100000000}{50000000}}",
    "brackets": r"\boxed{" + "(" * 300 + "1" + ")" * 300 + "}",
    "braces": r"\boxed{" + "{" * 3000 + "1" + "}" * 3000 + "}",
    "roots": r"\boxed{" + r"\sqrt{" * 200 + "2" + "}" * 200 + "}",
    "fractions": r"\boxed{" + r"1+\frac{1}{" * 60 + "1" + "}" * 60 + "}",
    "environments": r"\[ x = " * 16_667,
    "spaces": "1 000 000 " * 20_000,
    "factorial": r"\boxed{100000000!}",
    "factorials": r"\boxed{" + "+".join(["n!"] * 1500) + "}",
    "power": r"\boxed{10^{10^{10}}}",
    "sum": r"\boxed{\sum_{k=1}^{1000000000} \frac{1}{k^2}}",
    "sine": r"\boxed{\sin(9^{9^{9}})}",
    "dollars": "$" * 100_000,
    "text in text": r"\boxed{" + r"\text{" * 1500 + "1" + "}" * 1500 + "}",
    "unclosed": "\\boxed{" * 12_500,
    "long list": r"\boxed{" + ",".join(map(str, range(2400))) + "}",
    "equations in brackets": r"\boxed{" + "a,x=(" * 40 + "?" + ")" * 40 + "}",
    "minus signs": r"\boxed{" + "-" * 5000 + "1}",
    "ten million characters": "the answer is $" * 666_667 + r"\boxed{41}",
}


def verdict(judge: JudgeService, gold: str, completion: str) -> str:
    return judge.judge(golds=[gold], completions=[completion])[0].verdict.value


def test_swapped_or_single_arguments_are_errors(judge):
    with pytest.raises(TypeError, match="sequences"):
        judge.judge(golds="42", completions=[r"\boxed{4}", r"\boxed{2}"])
    with pytest.raises(ValueError, match="zip"):
        judge.judge(golds=["42"], completions=[])


def test_no_pairs_start_no_process():
    judge = JudgeService()
    assert judge.judge(golds=[], completions=[]) == []
    assert verdict(judge, "", "x") == "unreadable_gold"
    assert judge._pool is None


@pytest.fixture
def calls(monkeypatch, judge):
    """The pairs that reach the worker processes."""
    seen: list[tuple[str, str]] = []
    run = judge.run
    monkeypatch.setattr(judge, "run", lambda function, pairs: seen.extend(pairs) or run(function, pairs))
    return seen


def test_equal_pairs_are_judged_once(judge, calls):
    made = judge.judge(golds=["42"] * 9, completions=[r"\boxed{42}", r"so \boxed{41}", r"then \boxed{42}"] * 3)
    assert [m.verdict for m in made] == [Verdict.right, Verdict.wrong, Verdict.right] * 3
    assert calls == [("42", "42"), ("42", "41")]


def test_golds_are_read_in_the_workers_too(judge):
    golds = ["#### 7", "so $x=3$ and $y=4$ are two of its roots", None, *map(str, range(450))]
    assert judge.read_golds(golds) == ["7", None, None, *map(str, range(450))]


def test_from_a_thread(judge):
    found: list[str] = []

    def ask(i: int) -> None:
        found.append(verdict(judge, r"\frac{1}{2}", rf"\boxed{{0.5}} {i}"))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["right"] * 4


def test_the_callers_own_alarm_is_left_alone(judge):
    rang: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: rang.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        assert verdict(judge, "42", r"\boxed{42} alarm") == "right"
        wait_until(lambda: rang)
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def strict():
    with contextlib.closing(JudgeService(cpu_seconds=BOUND, workers=2)) as judge:
        judge.judge(golds=["1"], completions=[r"\boxed{1}"])
        yield judge


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_is_not_right_and_leaves_the_others_alone(strict, name):
    others = [rf"\boxed{{42.{i}}}" for i in range(4)]
    found = strict.judge(golds=["42", *(f"42.{i}" for i in range(4))], completions=[HOSTILE[name], *others])
    assert [judgement.verdict for judgement in found[1:]] == [Verdict.right] * 4
    assert found[0].verdict in (Verdict.wrong, Verdict.no_answer, Verdict.timed_out)


@pytest.mark.parametrize("name", ["tower", "binomial", "roots", "factorials", "sum", "ten million characters"])
def test_a_hostile_gold_is_bounded_too(strict, name):
    assert verdict(strict, HOSTILE[name], r"\boxed{42}") != "right"


def test_what_runs_out_of_time_is_tried_once_more_alone_and_then_counted(monkeypatch, strict):
    run, tried = strict.run, []
    monkeypatch.setattr(strict, "run", lambda function, calls: tried.append(len(calls)) or run(function, calls))
    assert strict.bounded(spin, [(0.0,), (30.0,), (0.1,)]) == {(0.0,): "done", (30.0,): None, (0.1,): "done"}
    assert tried == [3, 1]


def spin(rounds: float) -> str:
    """Use up processor time: for ever, or next to none."""
    while rounds > 1:
        pass
    return "done"


def test_a_worker_that_survived_its_bound_serves_the_next_pair(strict):
    (before,) = strict.run(os.getpid, [()])
    assert strict.run(spin, [(30.0,)]) == [None]
    assert len({*strict.run(os.getpid, [()] * 6), before}) <= 3  # two and the spare: none had to be replaced


@pytest.fixture(scope="module")
def pool():
    pool = BoundedPool(cpu_seconds=BOUND, workers=1, warm_up=os.getpid)
    yield pool
    pool.close()


def test_a_call_that_kills_its_worker_is_none_and_the_next_one_works(pool):
    assert pool.run(os._exit, [(3,)]) == [None]
    assert pool.run(abs, [(-1,), (-2,)]) == [1, 2]


def test_a_call_that_never_returns_to_the_interpreter_is_killed(pool):
    pool.run(abs, [(1,)])
    assert pool.run(sum, [(range(10**12),)]) == [None]
    assert pool.run(abs, [(-1,)]) == [1]


def test_a_worker_may_not_allocate_without_limit(pool):
    with pytest.raises(MemoryError):
        pool.run(bytearray, [(MEMORY + 1,)])


def test_the_pool_recovers_from_an_idle_worker_that_was_killed(pool):
    (pid,) = pool.run(os.getpid, [()])
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in pool._pool._pool_manager.worker_manager.workers)  # pebble has noticed
    assert pool.run(abs, [(-1,)]) == [1]
    assert pid not in pool.run(os.getpid, [()] * 3)


def test_closing_ends_the_workers_and_a_later_call_starts_new_ones():
    pool = BoundedPool(cpu_seconds=BOUND, workers=1, warm_up=os.getpid)
    (pid,) = pool.run(os.getpid, [()])
    pool.close()
    assert has_ended(pid)
    (other,) = pool.run(os.getpid, [()])
    pool.close()
    assert other != pid


def test_workers_that_cannot_start_are_one_line_and_no_hang():
    pool = BoundedPool(cpu_seconds=BOUND, workers=1, warm_up=_fail)
    with pytest.raises(RunError, match=r"^rewards: the worker processes [^\n]*$"):
        pool.run(abs, [(-1,)])
    pool.close()


def _fail() -> None:
    os._exit(1)


def used(pids: list[int]) -> float:
    """Return the seconds of processor time that processes have used."""
    return sum(psutil.Process(pid).cpu_times().user for pid in pids)


PARENT = """
import multiprocessing, os, signal, sys, threading
from dra_toolkit.judge.service import JudgeService, warm_up

if __name__ == "__main__":
    judge = JudgeService(cpu_seconds=2.0, workers=2)
    assert judge.judge(golds=["42"], completions=[chr(92) + "boxed{42}"])[0].verdict.value == "right"
    if sys.argv[1] == "forked" and os.fork() == 0:
        signal.pause()  # keeps every pipe of the parent open
    if sys.argv[1] == "busy":
        calls = [(range(10**12 + i),) for i in range(2)]
        threading.Thread(target=lambda: judge.bounded(sum, calls), daemon=True).start()
    print("WORKERS", *(child.pid for child in multiprocessing.active_children()), flush=True)
    if sys.argv[1] != "ends":
        signal.pause()
"""


@pytest.mark.parametrize("state", ["idle", "busy", "forked", "ends"])
def test_no_worker_outlives_its_parent(tmp_path, state):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, script, state], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        line = parent.stdout.readline()
        workers = [int(pid) for pid in re.findall(r"\d+", line)]
        assert len(workers) == 3  # two, and the warm spare
        if state == "busy":
            began = used(workers)
            wait_until(lambda: used(workers) > began + 0.4)
        if state != "ends":
            assert not any(map(has_ended, workers))
            parent.kill()
        parent.wait()
        wait_until_ended(workers)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.stdout.close()


def test_a_process_forked_from_the_parent_starts_its_own_workers(judge):
    assert verdict(judge, "42", r"\boxed{42}") == "right"
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, verdict(judge, "42", r"\boxed{42}").encode())
            judge.close()
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    assert os.read(reader, 100) == b"right"
    assert verdict(judge, "42", r"\boxed{42}") == "right"


PACKAGE_MAIN = """
import sys
assert __name__ == "__main__", "imported a second time"
from dra_toolkit.rewards import build_rewards
(accuracy,) = build_rewards(["accuracy"], {})
print(accuracy(prompts=["q"], completions=[chr(92) + "boxed{42}"], completion_ids=[[1]], solution=["42"]))
"""


def test_python_m_package_needs_no_guard(tmp_path):
    package = tmp_path / "training"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(PACKAGE_MAIN)
    done = subprocess.run([sys.executable, "-m", "training"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[1.0]\n", 0), done.stderr


def test_interactive_python_as_in_a_notebook():
    code = PACKAGE_MAIN.replace("assert", "#")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[1.0]\n", 0), done.stderr


def test_a_script_without_a_guard_is_one_line(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(PACKAGE_MAIN.replace("assert", "#"))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode != 0
    assert "RunError: rewards: the worker processes" in done.stderr


def test_the_warm_up_imports_what_the_judges_use():
    warm_up()
    assert "latex2sympy2_extended" in sys.modules


@pytest.mark.long
def test_eight_busy_processes_change_no_verdict(judge):
    table = pairs()
    golds, texts = [pair.gold for pair in table], [rf"\boxed{{{pair.answer}}}" for pair in table]
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(8)]
    try:
        made = judge.judge(golds=golds, completions=texts)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert [m.verdict.value for m in made] == [pair.verdict for pair in table]
