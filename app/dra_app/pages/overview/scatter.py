"""Any two numbers of completions against each other, as points that open: reward against length, say."""

from dra_app import params as read
from dra_app.figure import figure, key, marks
from dra_app.group_view import known as finite
from dra_app.templates import part
from dra_toolkit.drawing.axes import Scale, around, ticks, y_axis
from dra_toolkit.drawing.number_columns import ticked
from dra_toolkit.drawing.numbers import short
from dra_toolkit.drawing.svg import text
from dra_toolkit.inspection.text_search import correct_sql
from dra_toolkit.runs import Run
from dra_toolkit.runs.names import quoted_name

NUMBERS = {
    "tokens": "tokens",
    "total": "total reward",
    "adjusted": "adjusted reward",
    "advantage": "advantage",
    "advantage_plain": "advantage, plain",
    "weight": "weight",
    "redundancy": "redundancy",
}
"""Number of a completion -> what it is called."""
MOST_POINTS = 1_500
LAST_STEPS = 10
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640.0, 340.0, 58.0, 10.0, 38.0
_KINDS = {True: "right", False: "wrong", None: "none"}


def axes(run: Run, params: read.Params) -> tuple[dict[str, str], str, str]:
    """Return what can be chosen, by its name in the address, and what is chosen. Raises RunError for what is not there."""
    functions = dict.fromkeys(name for facts in run.facts(read.mode(params)) for name in facts.reward_weights)
    known = {**NUMBERS, **{f"reward:{name}": name for name in functions}}
    return known, read.choice(params, "x", tuple(known), "tokens"), read.choice(params, "y", tuple(known), "total")


def scatter_part(run: Run, params: read.Params) -> str:
    """Return the completions of the last steps, or of the stretch that is drawn, as points; and what can be chosen."""
    mode, (known, x, y) = read.mode(params), axes(run, params)
    steps = run.steps(mode)
    if not steps:
        return ""
    low = read.whole(params, "from") or steps[max(0, len(steps) - LAST_STEPS)]
    high = read.whole(params, "to") or steps[-1]
    verdict = correct_sql(run, (mode,)) or "NULL"
    found = run.query(
        f"SELECT step, batch, group_index, completion_index AS i, {_sql(x)} AS x, {_sql(y)} AS y, {verdict} AS verdict "
        "FROM completions WHERE mode = $1 AND step BETWEEN $2 AND $3 ORDER BY step DESC, batch, group_index, i "
        f"LIMIT {MOST_POINTS}",
        [mode, low, high],
        steps=(low, high),
    ).to_pylist()
    points = [row for row in found if None not in (finite(row["x"]), finite(row["y"]))]
    drawing = _drawn(points, known[x], known[y], f"{run.name}-{x}-{y}") if points else ""
    return part("overview", "scatter", known, x, y, drawing)


def _drawn(points: list[dict[str, float]], x_title: str, y_title: str, name: str) -> str:
    x = Scale(*around((row["x"] for row in points), zero=False, room=0.03), LEFT, WIDTH - 8)
    y = Scale(*around((row["y"] for row in points), zero=False, room=0.04), HEIGHT - BOTTOM, TOP)
    parts = [y_axis(y, LEFT, WIDTH - 8, y_title)]
    across = ticks(x.low, x.high, 6)
    parts += [text(x(value), HEIGHT - BOTTOM + 15, said) for value, said in zip(across, ticked(across), strict=True)]
    parts.append(text((LEFT + WIDTH) / 2, HEIGHT - 5, x_title, "axis"))
    for row in points:
        said = f"step {row['step']}, group {row['group_index']}, completion {row['i']}: {short(row['x'])}, {short(row['y'])}"
        place = f"{row['step']},{row['batch']},{row['group_index']},{row['i']}"
        verdict = row["verdict"]
        parts.append(
            f'<circle class="dot {_KINDS[None if verdict is None else bool(verdict)]}" cx="{x(row["x"]):g}" '
            f'cy="{y(row["y"]):g}" r="3.4" data-dot="{place}"><title>{said}</title></circle>'
        )
    title = f"{y_title} against {x_title}, {len(points):,} completions"
    rows = [["step", "batch", "group", "completion", x_title, y_title]]
    rows += [[row[name] for name in ("step", "batch", "group_index", "i", "x", "y")] for row in points]  # type: ignore[misc]
    drawing = marks(WIDTH, HEIGHT, title, "".join(parts))
    return figure(title, drawing, rows=rows, name=name, legend=key(*_LEGEND))


_LEGEND = (("dot right", "right"), ("dot wrong", "wrong"), ("dot none", "no verdict; a click opens the completion"))


def _sql(name: str) -> str:
    """Return the column of a number that was chosen among those known."""
    return f"rewards.{quoted_name(name.removeprefix('reward:'))}" if name.startswith("reward:") else name
