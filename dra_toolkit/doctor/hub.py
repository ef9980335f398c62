"""Whether a model or data set of the Hub is within reach: in the cache, or on the Hub and open to this login."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dra_toolkit.doctor.model_files import CONFIG, missing_weights, read_json
from dra_toolkit.errors import did_you_mean

HUB_SECONDS = 6.0
"""How long the Hub may take for an answer."""
Kind = Literal["model", "dataset"]
PREFIX = {"model": "", "dataset": "datasets/"}


@dataclass(frozen=True, kw_only=True)
class OnHub:
    """What is known of an id."""

    place: Literal["cache", "hub", "nowhere", "unknown"]
    """`unknown`: the Hub could not be asked."""
    folder: Path | None = None
    """The snapshot in the cache."""
    found: str = ""
    fix: str = ""
    dtypes: Mapping[str, int] = field(default_factory=dict)
    """Parameters by dtype, as the Hub counts them."""
    config: Mapping[str, Any] = field(default_factory=dict)


def look_up(name: str, kind: Kind, *, revision: str | None = None) -> OnHub:
    """Say where an id is: a complete copy in the cache counts first, as it does for training."""
    from huggingface_hub import constants

    cached = cached_model(name, revision) if kind == "model" else cached_dataset(name)
    if cached is not None:
        return OnHub(place="cache", folder=cached, found=f"{name}: in the cache")
    if constants.HF_HUB_OFFLINE:
        return OnHub(
            place="nowhere",
            found=f"{name}: not in the cache, and HF_HUB_OFFLINE forbids the Hub",
            fix=f"unset HF_HUB_OFFLINE, or fetch it beforehand: {_download(name, kind)}",
        )
    return _ask(name, kind, revision)


def cached_model(name: str, revision: str | None) -> Path | None:
    """Return the folder of a model in the cache if its weights are all there."""
    from huggingface_hub import try_to_load_from_cache

    with contextlib.suppress(ValueError):  # not an id
        found = try_to_load_from_cache(name, CONFIG, revision=revision)
        if isinstance(found, str) and not missing_weights(Path(found).parent):
            return Path(found).parent
    return None


def cached_dataset(name: str) -> Path | None:
    """Return the folder where `datasets` keeps a data set that it has read before; it spells names in snake case."""
    home = Path(os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    cache = Path(os.environ.get("HF_DATASETS_CACHE") or home / "datasets").expanduser()
    wanted = _bare(name.replace("/", "___"))
    folders = [folder for folder in cache.glob("*___*") if folder.is_dir()]
    return next((folder for folder in folders if _bare(folder.name) == wanted and any(folder.iterdir())), None)


def _bare(name: str) -> str:
    return name.replace("_", "").lower()


def _ask(name: str, kind: Kind, revision: str | None) -> OnHub:
    import httpx
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    api, page = HfApi(), f"{constants.ENDPOINT}/{PREFIX[kind]}{name}"
    try:
        asked = api.model_info if kind == "model" else api.dataset_info
        info: Any = asked(name, revision=revision, timeout=HUB_SECONDS)
        if info.gated:
            api.auth_check(name, repo_type=kind)
    except GatedRepoError:
        return OnHub(
            place="nowhere",
            found=f"{name}: gated, and this login has no access",
            fix=f"ask for access at {page}, then `hf auth login`",
        )
    except RevisionNotFoundError:
        return OnHub(
            place="nowhere",
            found=f"{name}: has no revision {revision}",
            fix=f"choose one of those at {page}/commits/main",
        )
    except RepositoryNotFoundError:
        return OnHub(
            place="nowhere",
            found=f"{name}: not on the Hub{_nearest(api, name, kind)}",
            fix="correct the name; if it is private, log in with `hf auth login`",
        )
    except HfHubHTTPError as error:
        said = error.response.status_code if error.response is not None else "no"
        return OnHub(place="unknown", found=f"{name}: the Hub answered with status {said}", fix="try again later")
    except (httpx.HTTPError, OSError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        return OnHub(
            place="unknown",
            found=f"{name}: not in the cache, and the Hub at {constants.ENDPOINT} cannot be reached ({reason})",
            fix=f"connect, set HF_ENDPOINT to a mirror, or bring the files here: {_download(name, kind)}",
        )
    safetensors = getattr(info, "safetensors", None)
    return OnHub(
        place="hub",
        found=f"{name}: on the Hub",
        dtypes=dict(safetensors.parameters) if safetensors else {},
        config=_config(name, revision) if kind == "model" else {},
    )


def _config(name: str, revision: str | None) -> Mapping[str, Any]:
    """Return a model's config.json, fetched into the cache, where training looks for it too."""
    from huggingface_hub import hf_hub_download

    with contextlib.suppress(Exception):  # without it there is less of an estimate, and nothing else
        return read_json(Path(hf_hub_download(name, CONFIG, revision=revision, etag_timeout=HUB_SECONDS)))
    return {}


def _nearest(api: Any, name: str, kind: Kind) -> str:
    """Return the nearest id that the Hub's own search finds."""
    with contextlib.suppress(Exception):  # a help, and no more
        search = api.list_models if kind == "model" else api.list_datasets
        ids = [found.id for found in search(search=name.rpartition("/")[2], limit=10)]
        return did_you_mean(name, ids)
    return ""


def _download(name: str, kind: Kind) -> str:
    return f"`hf download {name}`" if kind == "model" else f"`hf download {name} --repo-type dataset`"
