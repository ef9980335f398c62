"""How anything of Gradio's is served beside the dashboard's own page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import fastapi


MOUNTED: dict[str, Any] = {"footer_links": [], "run_history": False, "ssr_mode": False, "pwa": False}
MOUNTED |= {"allowed_paths": [], "blocked_paths": ["/"], "max_file_size": 0}
"""How anything of Gradio's is served here: no file is given or taken."""


def mount(app: fastapi.FastAPI, blocks: Any, path: str, **options: Any) -> fastapi.FastAPI:
    """Return the application with a page of Gradio's; its queue polls once it was asked, each 50 ms rather than 1."""
    import gradio as gr

    mounted = gr.mount_gradio_app(app, blocks, path=path, **options, **MOUNTED)
    queue = blocks._queue
    queue.sleep_when_free = queue.progress_update_sleep_when_free = 0.05
    start, push = queue.start, queue.push

    async def first_started(*question: Any, **named: Any) -> Any:
        queue.push = push
        start()
        return await push(*question, **named)

    queue.start, queue.push = lambda: None, first_started
    return mounted
