"""Upload a report to the Hub as a data set of its own."""

from __future__ import annotations

from pathlib import Path

from dra_toolkit.errors import EvaluationError
from dra_toolkit.logins import hub_problems
from dra_toolkit.safe_text import visible

OPTION = "--push"


def check_push(repository: str) -> None:
    """Raise EvaluationError unless `repository` can name a data set and somebody who may write is logged in to the Hub."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError:
        name = visible(repository, one_line=True)
        raise EvaluationError(
            f"{OPTION}: {name!r} cannot name a data set on the Hub; expected OWNER/NAME of letters, digits, '.', '_' and '-'"
        ) from None
    if problems := hub_problems([OPTION]):
        raise EvaluationError(*problems)


def push_folder(folder: Path, repository: str) -> str:
    """Upload a folder to a data set, made private if it is not there, and return its address.

    The token is the one that `hf auth login` keeps, or $HF_TOKEN; it is never written anywhere. Raises EvaluationError, one
    line, if the Hub refuses.
    """
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    try:
        api.create_repo(repository, repo_type="dataset", private=True, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository, folder_path=folder, repo_type="dataset", commit_message="Evaluation report"
        )
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise EvaluationError(
            f"{OPTION} {repository}: the Hub did not take it ({reason}); the report is in {folder}"
        ) from None
    return str(done.commit_url)
