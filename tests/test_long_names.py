"""A name longer than any file's is only a name that is not there: no question about a path ends in the system's error."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from dra_toolkit.cli.main import app

LONG = "9" * 5_000
pytestmark = pytest.mark.process  # a dry run looks at the machine


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "quickstart", "--dry-run", f"reward_funcs={LONG}"),
        ("train", "quickstart", "--dry-run", f"dataset_name={LONG}"),
        ("train", "quickstart", "--dry-run", f"model_name_or_path={LONG}"),
        ("train", LONG, "--dry-run"),
        ("inspect", "summary", LONG),
        ("eval", LONG, "--dry-run"),
        ("eval", "quickstart", "--benchmark", LONG, "--dry-run"),
        ("eval", "report", LONG),
        ("eval", "compare", LONG, LONG),
        ("app", LONG),
    ],
    ids=lambda given: " ".join(word[:24] for word in given),
)
def test_a_long_name_ends_no_command_in_a_traceback(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ran = CliRunner().invoke(app, list(arguments))
    assert ran.exception is None or isinstance(ran.exception, SystemExit)  # a Hub's name may be checked by nobody here
    assert "Traceback" not in ran.output
    assert all(len(line) <= 300 for line in ran.output.splitlines() if line.startswith("error: "))
