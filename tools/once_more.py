"""After `make check` failed in one or two tests: try them once more, alone, and say which are unstable.

Thousands of tests drive browsers, servers and processes that are killed, two at a time on whatever machine. One that fails
beside others and passes alone does not hold up a change that has nothing to do with it, and is named: it shows a fault, of
the product or of the test, whose cause is to be found. More than two are no accident, and are not tried again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FAILED = Path(".pytest_cache/v/cache/lastfailed")
MOST = 2


def main() -> int:
    """Return the exit status of the check."""
    failed = sorted(json.loads(FAILED.read_text())) if FAILED.is_file() else []
    if not 1 <= len(failed) <= MOST:
        return 1
    print(f"\nOnce more, alone: {', '.join(failed)}", flush=True)
    status = subprocess.run([sys.executable, "-m", "pytest", *failed]).returncode
    if status == 0:
        print(f"UNSTABLE, failed beside other tests and passed alone; find the cause: {', '.join(failed)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
