"""What `make quickstart` says at its end: three lines, with numbers that follow from the recorded groups."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from recorded import make_run, record, record_all

from dra_toolkit.quickstart import STYLES, Problem, render

ROOT = Path(__file__).parents[2]
ASKED = Problem(47, 38)


def made(place: Path, ways: int) -> Path:
    """Return a run whose first groups take four ways and whose last ones take `ways`."""
    directory = make_run(place)
    batches = [
        [record(step, 0, G=4, prompt=ASKED.prompt, texts=[render(ASKED, STYLES[i % count]) for i in range(4)])]
        for step, count in enumerate([4] * 5 + [ways] * 5, start=1)
    ]
    record_all(directory, *batches)
    return directory.path


def test_three_lines_that_follow_from_the_groups(tmp_path):
    script = ROOT / "tools" / "quickstart_verdict.py"
    runs = made(tmp_path / "dra", 3), made(tmp_path / "plain", 1)
    ran = subprocess.run([sys.executable, script, *runs], capture_output=True, text=True, check=True)
    lines = [line for line in ran.stdout.splitlines() if line]
    assert len(lines) == 3
    assert lines[1].startswith("Ways to a right answer in a group of 4: 4.0 before, 3.0 after with DRA-GRPO, 1.0 with")
    assert "more ways than its twin" in lines[2]
    swapped = subprocess.run([sys.executable, script, *reversed(runs)], capture_output=True, text=True, check=True)
    assert "fewer ways than its twin" in swapped.stdout


def test_a_command_that_is_installed_quietly_says_all_where_it_fails(tmp_path):
    text = (ROOT / "tools" / "install.sh").read_text()
    function = text[text.index("quietly() {") : text.index("torch=$(grep")]
    ok = f"{function}\nquietly 'Installing' bash -c 'echo chatter'"
    ran = subprocess.run(["bash", "-euc", ok], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "Installing ...\n")
    bad = f"{function}\nquietly 'Installing' bash -c 'echo why; exit 3'"
    ran = subprocess.run(["bash", "-euc", bad], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (3, "Installing ...\nwhy\n")
