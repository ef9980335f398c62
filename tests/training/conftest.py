"""One policy for all training tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def policy(tmp_path_factory) -> Path:
    import tiny

    return tiny.save_policy(tmp_path_factory.mktemp("policy"))
