"""The verifier: which pairs are right, and that nothing hangs, leaks or fails silently."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from waiting import wait_until, wait_until_used

from dra_toolkit.errors import RunError
from dra_toolkit.rewards.judge import ANSWER_CHARACTERS, boxed
from dra_toolkit.rewards.pool import BoundedPool
from dra_toolkit.rewards.verifier import MathVerifier, import_math_verify
from dra_toolkit.rewards.worker import MEMORY

BOUND = 1.0
"""Seconds for a pair in the tests of hostile answers."""

RIGHT = [
    ("42", r"\boxed{42}"),
    ("42", r"\boxed{42.0}"),
    ("-0.5", r"\boxed{-\frac{1}{2}}"),
    ("1,000", r"\boxed{1000}"),
    ("1000", r"\boxed{1{,}000}"),
    ("1/3", r"\boxed{0.333333}"),
    (r"2\sqrt{3}", r"\boxed{\sqrt{12}}"),
    (r"\frac43", r"\boxed{\dfrac{4}{3}}"),
    (r"50\%", r"\boxed{0.5}"),
    ("12", r"\boxed{12 \text{ cm}}"),
    (r"90^\circ", r"\boxed{90}"),
    ("5", r"\boxed{x = 5}"),
    ("x=5", r"\boxed{5}"),
    ("3, 5, 7", r"\boxed{7, 5, 3}"),
    ("(1,2)", r"\boxed{(1, 2)}"),
    ("x^2+2x+1", r"\boxed{(x+1)^2}"),
    (r"\text{(C)}", r"\boxed{C}"),
    (r"\$18.90", r"\boxed{18.90}"),
    ("$12", r"\boxed{12}"),
    (r"We get $x=3$, so the sum is \boxed{42}.", r"\boxed{42}"),
    (r"\boxed{1} is wrong, so \boxed{42}", r"\boxed{42}"),
    ("$42$", r"\boxed{42}"),
    (r"\(42\)", "The final answer is $42$"),
    ("42", r"<think>\boxed{7}</think> No: \[ \boxed{42} \]"),
]
WRONG = [
    ("42", r"\boxed{41}"),
    ("42", r"\boxed{-42}"),
    ("10", r"\boxed{1}"),
    ("42", "42"),
    ("42", "no answer"),
    ("42", ""),
    ("42", r"\boxed{}"),
    ("42", r"<think>\boxed{42}</think> No: \boxed{7}"),
    (r"2\sqrt{3}", r"\boxed{2}"),
    (r"50\%", r"\boxed{50}"),
    ("3, 5, 7", r"\boxed{3, 5}"),
    (r"\frac{4}{3}", r"\boxed{\frac43}"),
    ("x^2+2x+1", r"\boxed{(x+1)^3}"),
    (r"\text{(C)}", r"\boxed{B}"),
]
HOSTILE = {
    "tower": r"\boxed{9^{9^{9^{9}}}}",
    "binomial": r"\boxed{\binom{100000000}{50000000}}",
    "parentheses": r"\boxed{" + "(" * 300 + "1" + ")" * 300 + "}",
    "environments": r"\[ x = " * 16_667,
    "spaces": "1 000 000 " * 20_000,
    "factorial": r"\boxed{100000000!}",
    "power": r"\boxed{10^{10^{10}}}",
    "dollars": "$" * 100_000,
}
ENDLESS = {"tower", "binomial", "factorial", "power"}
"""Those that take longer than the bound on any machine."""


def verdict(verifier: MathVerifier, gold: str, answer: str) -> str:
    return verifier.verify(gold=[gold], answers=[answer])[0].value


@pytest.mark.parametrize(("gold", "answer"), RIGHT)
def test_right(verifier, gold, answer):
    assert verdict(verifier, gold, answer) == "correct"


@pytest.mark.parametrize(("gold", "answer"), WRONG)
def test_wrong(verifier, gold, answer):
    assert verdict(verifier, gold, answer) == "wrong"


@pytest.mark.parametrize("gold", ["", "  \n", "???", "The answer is five.", r"\boxed{}", "}"])
@pytest.mark.parametrize("answer", [r"\boxed{42}", ""])
def test_unparsable_gold(verifier, gold, answer):
    assert verdict(verifier, gold, answer) == "unparsable_gold"


@pytest.mark.parametrize(
    ("gold", "expected"),
    [
        (r"2\sqrt{3}", r"\boxed{2\sqrt{3}}"),
        (r"\left[0,1\right]", r"\boxed{\left[0,1\right]}"),
        (r"\$5", r"\boxed{\$5}"),
        ("$5", r"\boxed{$5}"),
        ("$5$", "$5$"),
        (r"\[5\]", r"\[5\]"),
        (r"so \boxed{5}", r"so \boxed{5}"),
    ],
)
def test_only_bare_golds_are_boxed(gold, expected):
    assert boxed(gold) == expected


def test_the_end_of_a_long_answer_counts(verifier):
    filler = "word " * (ANSWER_CHARACTERS // 4)
    assert verdict(verifier, "42", filler + r"\boxed{42}") == "correct"
    assert verdict(verifier, "42", r"\boxed{42}" + filler) == "wrong"


def test_swapped_or_single_arguments_are_type_errors(verifier):
    with pytest.raises(TypeError):
        verifier.verify([r"\boxed{42}"], ["42"])
    with pytest.raises(TypeError, match="sequences"):
        verifier.verify(gold="42", answers=[r"\boxed{4}", r"\boxed{2}"])
    with pytest.raises(ValueError, match="zip"):
        verifier.verify(gold=["42"], answers=[])


def test_no_pairs_start_no_process():
    verifier = MathVerifier()
    assert verifier.verify(gold=[], answers=[]) == []
    assert verifier.verify(gold=[""], answers=["x"])[0].value == "unparsable_gold"
    assert verifier._pool._pool is None


@pytest.fixture
def calls(monkeypatch, verifier):
    """The pairs that reach the worker processes."""
    seen: list[tuple[str, str]] = []
    run = verifier._pool.run
    monkeypatch.setattr(verifier._pool, "run", lambda judge, pairs: seen.extend(pairs) or run(judge, pairs))
    return seen


def test_equal_pairs_are_judged_once(verifier, calls):
    answers = [r"\boxed{42}", r"\boxed{41}", r"\boxed{42}"] * 3
    verdicts = verifier.verify(gold=["42"] * 9, answers=answers)
    assert [v.value for v in verdicts] == ["correct", "wrong", "correct"] * 3
    assert calls == [("42", r"\boxed{42}"), ("42", r"\boxed{41}")]


def test_unparsable_golds_are_remembered(verifier, calls):
    for _ in range(2):
        verdicts = verifier.verify(gold=["?!?", "43"], answers=[r"\boxed{42}"] * 2)
        assert [v.value for v in verdicts] == ["unparsable_gold", "wrong"]
    assert [gold for gold, _ in calls] == ["?!?", "43", "43"]


def test_from_a_thread(verifier):
    found: list[str] = []

    def ask(i: int) -> None:
        found.append(verdict(verifier, r"\frac{1}{2}", rf"\boxed{{0.5}} {i}"))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["correct"] * 4


def test_the_callers_own_alarm_is_left_alone(verifier):
    rang = threading.Event()
    before = signal.signal(signal.SIGALRM, lambda *_: rang.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        assert verdict(verifier, "42", r"\boxed{42} alarm") == "correct"
        assert rang.wait(1.0)
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def strict():
    with MathVerifier(timeout=BOUND, max_workers=2) as verifier:
        verifier.verify(gold=["1"], answers=[r"\boxed{1}"])
        yield verifier


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_ends_within_its_bound_and_leaves_the_others_alone(strict, name):
    others = [rf"\boxed{{42}} beside {name} {i}" for i in range(4)]
    found = strict.verify(gold=["42"] * 5, answers=[HOSTILE[name], *others])
    assert [v.value for v in found[1:]] == ["correct"] * 4
    assert found[0].value in (["timed_out"] if name in ENDLESS else ["timed_out", "wrong"])


def test_a_hostile_gold_is_bounded_too(strict):
    assert verdict(strict, HOSTILE["tower"], r"\boxed{42}") == "timed_out"


def test_timed_out_is_wrong_and_counted(monkeypatch, strict, score):
    monkeypatch.setattr("dra_toolkit.rewards.verifier.shared_verifier", lambda: strict)
    metrics: dict[str, float] = {}
    rewards = score("accuracy", [HOSTILE["tower"], r"\boxed{42}"], solution=["42"] * 2, metrics=metrics)
    assert rewards == [0.0, 1.0]
    assert metrics == {"accuracy/unparsable_gold": 0.0, "accuracy/timed_out": 0.5}


@pytest.fixture(scope="module")
def pool():
    pool = BoundedPool(timeout=BOUND, max_workers=1, warm_up=os.getpid)
    yield pool
    pool.close()


def test_a_call_that_kills_its_worker_is_none_and_the_next_one_works(pool):
    assert pool.run(os._exit, [(3,)]) == [None]
    assert pool.run(abs, [(-1,), (-2,)]) == [1, 2]


def test_a_call_that_never_returns_to_the_interpreter_is_killed_at_once(pool):
    pool.run(abs, [(1,)])
    assert pool.run(sum, [(range(10**12),)]) == [None]


def test_a_worker_may_not_allocate_without_limit(pool):
    with pytest.raises(MemoryError):
        pool.run(bytearray, [(MEMORY + 1,)])


def test_the_pool_recovers_from_an_idle_worker_that_was_killed(pool):
    (pid,) = pool.run(os.getpid, [()])
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in pool._pool._pool_manager.worker_manager.workers)  # pebble has noticed
    assert pool.run(abs, [(-1,)]) == [1]
    assert pool.run(os.getpid, [()]) != [pid]


def test_closing_ends_the_workers_and_a_later_call_starts_new_ones():
    pool = BoundedPool(timeout=BOUND, max_workers=1, warm_up=os.getpid)
    (pid,) = pool.run(os.getpid, [()])
    pool.close()
    assert not alive(pid)
    (other,) = pool.run(os.getpid, [()])
    pool.close()
    assert other != pid


def test_workers_that_cannot_start_are_one_line_and_no_hang():
    pool = BoundedPool(timeout=BOUND, max_workers=1, warm_up=_fail)
    with pytest.raises(RunError, match=r"^rewards: the worker processes [^\n]*$"):
        pool.run(abs, [(-1,)])
    pool.close()


def _fail() -> None:
    os._exit(1)


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


PARENT = """
import multiprocessing, os, signal, sys, threading
from dra_toolkit.rewards.verifier import MathVerifier

if __name__ == "__main__":
    verifier = MathVerifier(timeout=10.0, max_workers=2)
    assert verifier.verify(gold=["42"], answers=[chr(92) + "boxed{42}"])[0].value == "correct"
    if sys.argv[1] == "forked" and os.fork() == 0:
        signal.pause()  # keeps every pipe of the parent open
    if sys.argv[1] == "busy":
        tower = [chr(92) + "boxed{9^{9^{9^{9}}}} " + str(i) for i in range(2)]
        threading.Thread(target=lambda: verifier.verify(gold=["42"] * 2, answers=tower), daemon=True).start()
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
        assert len(workers) == 2
        if state == "busy":
            wait_until_used(workers[0], 0.2)
        if state != "ends":
            assert all(alive(pid) for pid in workers)
            parent.kill()
        parent.wait()
        wait_until(lambda: not any(alive(pid) for pid in workers))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.stdout.close()


def test_a_process_forked_from_the_parent_starts_its_own_workers(verifier):
    assert verdict(verifier, "42", r"\boxed{42}") == "correct"
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, verdict(verifier, "42", r"\boxed{42}").encode())
            verifier.close()
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    assert os.read(reader, 100) == b"correct"
    assert verdict(verifier, "42", r"\boxed{42}") == "correct"


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
    done = subprocess.run([sys.executable, "-m", "training"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("[1.0]\n", 0), done.stderr


def test_interactive_python_as_in_a_notebook():
    code = PACKAGE_MAIN.replace("assert", "#")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("[1.0]\n", 0), done.stderr


def test_a_script_without_a_guard_is_one_line(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(PACKAGE_MAIN.replace("assert", "#"))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100)
    assert done.returncode != 0
    assert "RunError: rewards: the worker processes" in done.stderr


def test_the_warm_up_imports_what_the_judges_use():
    import_math_verify()
    assert "latex2sympy2_extended" in sys.modules
