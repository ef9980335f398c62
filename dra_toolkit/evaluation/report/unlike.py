"""Are the rows of a report alike in all but the model? What is not is said, a line for each benchmark."""

from __future__ import annotations

from collections.abc import Sequence

from dra_toolkit.evaluation.cells import Cell

SETTINGS = ("temperature", "top_p", "max_new_tokens", "system_prompt", "chat_template", "limit")


def unlike(cells: Sequence[Cell]) -> list[str]:
    """Return a line for each benchmark whose rows differ in prompts, samples or sampling settings, as far as is known."""
    found = []
    for name in dict.fromkeys(cell.benchmark for cell in cells):
        rows = [cell for cell in cells if cell.benchmark == name]
        told = []
        hashes = {cell.hash_examples for cell in rows if cell.hash_examples}
        if len(hashes) > 1:
            told.append("prompts or problems")
        counts = sorted({cell.n for cell in rows if cell.n})
        if len(counts) > 1:
            told.append(f"n ({_some(counts)})")
        for setting in SETTINGS:
            values = {repr(cell.settings[setting]): cell.settings[setting] for cell in rows if setting in cell.settings}
            if len(values) > 1:
                told.append(f"{setting} ({_some(list(values.values()))})")
        if told:
            found.append(f"{name}: the rows differ in {', '.join(told)}")
    return found


def _some(values: Sequence[object]) -> str:
    shown = ["none" if value is None else str(value)[:40] for value in values[:4]]
    return ", ".join(shown) + (", ..." if len(values) > 4 else "")
