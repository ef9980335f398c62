"""Draw docs/images/group.svg: a recorded group as `dra inspect group` shows it.

python tools/picture.py RUN STEP INDEX
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console

from dra_toolkit.inspection.views import group_view
from dra_toolkit.runs import Run

WIDTH = 104


def main(run: str, step: int, index: int) -> None:
    """Draw the picture."""
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False
    )
    console.print(group_view(Run.open(run).group(step, index), width=WIDTH, lines=3))
    target = Path(__file__).resolve().parents[1] / "docs" / "images" / "group.svg"
    target.parent.mkdir(exist_ok=True)
    picture = console.export_svg(title=f"dra inspect group runs/{Path(run).name} {step} {index}")
    target.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL))  # no font from elsewhere
    print(f"wrote {target}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
