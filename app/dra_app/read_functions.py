"""What of the runs a program can read: Gradio's API, so that `gradio_client`, `/gradio_api/info` and MCP have it.

Every function only reads, takes and returns plain values, and is what `dra inspect` prints with `--json`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dra_app import params as read
from dra_app.mounting import mount
from dra_app.pages.what_if.settings import changes_from
from dra_app.step_groups import read_step
from dra_toolkit.errors import DRAError
from dra_toolkit.groups import Mode
from dra_toolkit.inspection.comparison import compare as compare_runs
from dra_toolkit.inspection.lint.linting import lint as lint_run
from dra_toolkit.inspection.overview import health_notes
from dra_toolkit.inspection.plain import plain
from dra_toolkit.inspection.replay.run import replay_run
from dra_toolkit.inspection.selection import Selection, read_condition, read_steps
from dra_toolkit.inspection.text_search import Wanted
from dra_toolkit.inspection.text_search import search as search_texts

if TYPE_CHECKING:
    import fastapi

    from dra_app.context import Context

MOST_HITS = 200


class ReadFunctions:
    """The functions, over the runs of one root."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs, the most recently written first: name, state, last recorded step.

        Returns: a list of {"run", "state", "last_step"}
        """
        found = []
        for run_id in self.context.run_ids():
            run = self.context.run(run_id)
            steps, state = run.steps(), str(run.directory.status()["state"])
            found.append({"run": run_id, "state": state, "last_step": steps[-1] if steps else None})
        return found

    def steps(self, run: str, mode: str = "train") -> list[int]:
        """Return the steps of which groups are recorded.

        Args:
            run: name of the run
            mode: train, eval or discarded
        """
        return self.context.run(run).steps(_mode(mode))

    def groups(self, run: str, step: int, mode: str = "train") -> list[dict[str, Any]]:
        """Return the groups of a step with what was measured of each: rewards, similarity, spread, flips.

        Args:
            run: name of the run
            step: training step
            mode: train, eval or discarded
        """
        return [plain(row) for row in read_step(self.context.run(run), int(step), _mode(mode))]

    def group(self, run: str, step: int, group: int, mode: str = "train", batch: int = 0) -> dict[str, Any]:
        """Return one group in full: prompt, completions, rewards, similarity, weights, advantages.

        Args:
            run: name of the run
            step: training step
            group: index of the group in its batch
            mode: train, eval or discarded
            batch: generation batch of the step
        """
        return plain(self.context.run(run).group(int(step), int(group), mode=_mode(mode), batch=int(batch)))

    def search(
        self, run: str, text: str, regex: bool = False, steps: str = "", where: str = "", limit: int = 20
    ) -> list[dict[str, Any]]:
        """Return the completions that contain a text, each with its place and what stands around it.

        Args:
            run: name of the run
            text: what is searched for, whatever its case
            regex: whether it is a regular expression, as RE2 reads them
            steps: a step or a range such as 10..20; all if empty
            where: conditions on groups such as flips > 0, with commas between
            limit: most completions that are returned
        """
        conditions = tuple(read_condition(part) for part in where.split(",") if part.strip())
        chosen = Selection(modes=("train",), steps=read_steps(steps or None), conditions=conditions)
        wanted = Wanted(text=text, is_regex=regex, ignore_case=True, correct=None)
        hits = search_texts(self.context.run(run), wanted, chosen, limit=max(1, min(int(limit), MOST_HITS)), offset=0)
        return [plain(hit) for hit in hits.rows]

    def what_if(self, run: str, settings: str, steps: str = "") -> dict[str, Any]:
        """Return how much other settings of the adjustment would have changed the advantages of a run.

        Args:
            run: name of the run
            settings: recipe keys and values such as diversity=none,scale_rewards=group
            steps: a step or a range such as 10..20; all if empty
        """
        found = replay_run(
            self.context.run(run), changes_from({"set": settings}), steps=read_steps(steps or None), top=8
        )
        sums = found.differences.total()
        return {**plain(sums), "moved_share": sums.moved_share, "groups_changed_most": plain(found.differences.groups)}

    def compare(self, left: str, right: str) -> dict[str, Any]:
        """Return two runs side by side: settings that differ, measures step by step, prompts that both saw.

        Args:
            left: name of a run
            right: name of another
        """
        return plain(compare_runs(self.context.run(left), self.context.run(right)))

    def health(self, run: str) -> list[dict[str, Any]]:
        """Return what two independent signs say is wrong with a run, each with what to change.

        Args:
            run: name of the run
        """
        return [plain(note) for note in health_notes(self.context.run(run))]

    def lint(self, run: str) -> dict[str, Any]:
        """Return what is broken in the groups of a run, as `dra lint` finds it.

        Args:
            run: name of the run
        """
        return plain(lint_run(self.context.run(run).directory.path))


NAMES = ("runs", "steps", "groups", "group", "search", "what_if", "compare", "health", "lint")


def mount_read_functions(app: fastapi.FastAPI, context: Context, *, mcp: bool) -> fastapi.FastAPI:
    """Return the application with the functions in Gradio's API; mcp: as tools of its MCP server too."""
    import gradio as gr

    functions = ReadFunctions(context)
    with gr.Blocks(analytics_enabled=False, title="DRA Toolkit") as blocks:
        for name in NAMES:
            gr.api(_told(getattr(functions, name)), api_name=name, queue=True)
    return mount(app, blocks, "/", show_error=True, enable_monitoring=False, mcp_server=mcp)


def _told(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with a user's mistake as Gradio tells mistakes."""
    import gradio as gr

    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except DRAError as error:
            raise gr.Error("; ".join(error.problems), print_exception=False) from None

    return called


def _mode(name: str) -> Mode:
    return read.mode({"mode": name})
