"""Why the Hub did not give a model or a data set, in one line, whatever the libraries in between made of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from traceback import walk_tb
from typing import Literal

import httpx
from datasets.exceptions import DatasetNotFoundError
from huggingface_hub import constants, get_token
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError

from dra_toolkit.errors import RecipeError

Kind = Literal["model", "dataset"]
WORDS = {"model": "model", "dataset": "data set"}
UNREACHABLE = (httpx.HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError)


def hub_problem(error: BaseException, name: str, kind: Kind, revision: str | None = None) -> str | None:
    """Return what kept the Hub from giving `name` and what to do, or None if the error has another cause."""
    causes = list(_chain(error))

    def has(*types: type[BaseException]) -> bool:
        return any(isinstance(cause, types) for cause in causes)

    page = f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{name}"
    # The `datasets` library tells a gated data set apart by its message alone.
    if has(GatedRepoError) or (isinstance(error, DatasetNotFoundError) and "is a gated dataset" in str(error)):
        if get_token() is None:
            return f"{name} is gated and needs a login; ask for access at {page}, then log in with `hf auth login`"
        return f"{name} is gated and this login has no access to it; ask for it at {page}"
    if has(RevisionNotFoundError):
        return f"{name} has no revision {revision!r}; choose one of those at {page}/commits/main"
    if has(RepositoryNotFoundError, DatasetNotFoundError):
        return (
            f"there is no {WORDS[kind]} {name} on the Hub ({constants.ENDPOINT}) that "
            f"{'can be read without a login' if get_token() is None else 'this login can read'}, and no such folder here; "
            "correct the name, or log in with `hf auth login` if it is private"
        )
    answers = [cause.response for cause in causes if isinstance(cause, HfHubHTTPError) and cause.response is not None]
    if answers:
        return _refusal(name, answers[-1])
    return unreachable(name, kind, causes) if has(*UNREACHABLE) else None


def first_words(error: BaseException, characters: int = 300) -> str:
    """Return the beginning of an error's message, in one line."""
    return (" ".join(str(error).split()) or type(error).__name__)[:characters]


@contextmanager
def model_errors(name: str, revision: str | None, *, key: str = "model_name_or_path") -> Iterator[None]:
    """Turn what transformers says of a model that it cannot find or fetch into a RecipeError of one line, about a key."""
    try:
        yield
    except (OSError, httpx.HTTPError, SafetensorError, RuntimeError, ValueError, TypeError, ImportError) as error:
        frames = [frame for frame, _ in walk_tb(error.__traceback__)]
        place = frames[-1].f_globals.get("__name__", "").partition(".")[0]
        is_loading = any(frame.f_code.co_name == "from_pretrained" for frame in frames)
        if not is_loading or place not in ("transformers", "huggingface_hub", "httpx"):
            raise
        problem = hub_problem(error, name, "model", revision) or f"{name} cannot be loaded ({first_words(error, 160)})"
        raise RecipeError(f"{key}: {problem}") from None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _refusal(name: str, answer: httpx.Response) -> str:
    said = answer.headers.get("X-Error-Message") or answer.reason_phrase
    mend = "log in with `hf auth login`" + ("" if get_token() is None else ", its present login is refused")
    mend = mend if answer.status_code in (401, 403) else "try again later"
    return f"the Hub at {constants.ENDPOINT} answered {answer.status_code} ({said}) when asked for {name}; {mend}"


def unreachable(name: str, kind: Kind, causes: Sequence[BaseException] = ()) -> str:
    """Return that the Hub could not be asked, for one of `causes` where the environment does not forbid it."""
    fetch = f"`hf download {name}`"
    if kind == "dataset":
        fetch = f"`hf download {name} --repo-type dataset --local-dir FOLDER` and name the folder"
    if constants.HF_HUB_OFFLINE:
        return (
            f"{name} is neither a folder nor in the cache, and HF_HUB_OFFLINE forbids the Hub; unset HF_HUB_OFFLINE, or "
            f"fetch the {WORDS[kind]} beforehand with {fetch}"
        )
    reason = first_words(next((cause for cause in causes if isinstance(cause, httpx.HTTPError)), causes[-1]), 120)
    return (
        f"{name} is neither a folder nor in the cache, and the Hub at {constants.ENDPOINT} cannot be reached ({reason}); "
        f"connect, set HF_ENDPOINT to a mirror, or fetch the {WORDS[kind]} beforehand with {fetch}"
    )
