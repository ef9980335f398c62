"""Documents of --json, held to the shape that docs/json.md gives them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tools"))
import json_shapes

SHAPES = json_shapes.shapes()


def held(title: str, *documents: Any, apart: Iterable[str] = ()) -> None:
    """Fail where a document has what its shape does not declare, or where what it declares comes in none of them.

    apart: what is declared and need not come
    """
    found = set(apart)
    for document in documents:
        problems = list(json_shapes.problems(document, SHAPES[title]))
        assert not problems, problems[:5]
        found |= json_shapes.seen(document, SHAPES[title])
    lacking = set(SHAPES[title]) - found
    assert not lacking, f"declared, and never printed: {lacking}"
