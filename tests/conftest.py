"""Helpers of the tests are imported by their names from this folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
os.environ["HF_HUB_OFFLINE"] = "1"  # no test reaches out
os.environ.setdefault("OMP_NUM_THREADS", "1")
