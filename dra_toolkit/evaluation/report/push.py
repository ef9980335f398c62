"""Upload a report to the Hub as a data set of its own."""

from __future__ import annotations

from pathlib import Path

from dra_toolkit.evaluation.outcomes import EvaluationError


def push_folder(folder: Path, repository: str) -> str:
    """Upload a folder to a data set, made private if it is not there, and return its address.

    The token is the one that `hf auth login` keeps, or $HF_TOKEN; it is never written anywhere. Raises EvaluationError, one
    line, without a login or if the Hub refuses.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if get_token() is None:
        raise EvaluationError("--push: not logged in to the Hub; run `hf auth login`, or set HF_TOKEN")
    api = HfApi()
    try:
        api.create_repo(repository, repo_type="dataset", private=True, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository, folder_path=folder, repo_type="dataset", commit_message="Evaluation report"
        )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EvaluationError(f"--push {repository}: the Hub did not take it ({reason})") from None
    return str(done.commit_url)
