"""Start the dashboard as a program of its own, on this machine or as a Hugging Face Space.

It shows the runs of $DRA_RUNS or of `runs/` beside this file, and the demonstration where there are none.
"""

import os
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

from dra_app.context import Context
from dra_app.demo import make_demo
from dra_app.door import check_password
from dra_app.guard import LOOPBACK, Rules
from dra_app.listening import PASSWORD, PORT
from dra_app.server import serve


def main() -> None:
    """Serve until interrupted."""
    with tempfile.TemporaryDirectory(prefix="dra-demo-") as folder:
        root = Path(os.environ.get("DRA_RUNS", Path(__file__).parent / "runs"))
        context = Context(root)
        if not context.run_ids():
            make_demo(Path(folder))
            context = Context(Path(folder))
        host, rules = place()
        port = int(os.environ.get("GRADIO_SERVER_PORT", PORT))
        print(f"The dashboard is at http://127.0.0.1:{port}/", flush=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, with nothing left behind
        with suppress(KeyboardInterrupt):
            serve(context, rules, host=host, port=port)


def place() -> tuple[str, Rules]:
    """Return where to listen, and who may ask: in a Space whoever the Space lets in, elsewhere this machine alone."""
    password = os.environ.get(PASSWORD) or None
    check_password(password, PASSWORD)
    space = os.environ.get("SPACE_HOST")
    if not space:
        return "127.0.0.1", Rules(password=password)
    names = frozenset({*LOOPBACK, *(name.strip().lower() for name in space.split(","))})
    return "0.0.0.0", Rules(hosts=names, password=password, framed_by=("https://huggingface.co",))


if __name__ == "__main__":
    main()
