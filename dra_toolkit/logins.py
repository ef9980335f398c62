"""What a recipe's trackers and its Hub uploads need before training starts: packages and logins. Loads no torch."""

from __future__ import annotations

import configparser
import netrc
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dra_toolkit.errors import did_you_mean
from dra_toolkit.recipe import Recipe
from dra_toolkit.safe_text import visible

TRACKERS: dict[str, tuple[str, ...]] = {
    "azure_ml": ("azureml",),
    "clearml": ("clearml",),
    "codecarbon": ("codecarbon",),
    "comet_ml": ("comet_ml",),
    "dagshub": ("dagshub",),
    "dvclive": ("dvclive",),
    "flyte": ("flytekit",),
    "kubeflow": ("kubeflow",),
    "mlflow": ("mlflow",),
    "neptune": ("neptune",),
    "swanlab": ("swanlab",),
    "tensorboard": ("tensorboard", "tensorboardX"),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
}
"""The names that `report_to` takes, each with the packages of which it needs one; a test compares them with
transformers' own."""

OURS = ("tensorboard", "trackio", "wandb")
"""The trackers of the extra `trackers`."""

WANDB_HOSTS = ("api.forge.coreweave.com", "forge.coreweave.com", "api.wandb.ai")
"""The names of the public server of Weights & Biases; which one a login is kept under depends on wandb's version."""

HUB_SECONDS = 8.0
"""How long the Hub may take to say who somebody is."""


def chosen_trackers(recipe: Recipe) -> list[str]:
    """Return the trackers that a recipe reports to; `all` stands for those of the extra that are installed."""
    found = recipe.output.report_to
    names = [found] if isinstance(found, str) else list(found or [])
    if "all" in names:
        return [name for name in OURS if _is_installed(name)]
    return [name for name in names if name != "none"]


def login_problems(recipe: Recipe) -> list[str]:
    """Return a line for each package or login that the recipe's trackers and Hub uploads lack, with what mends it.

    The first machine alone reports and pushes.
    """
    if not recipe.launch.is_first_machine:
        return []
    trackers = chosen_trackers(recipe)
    problems = [problem for name in trackers for problem in _tracker_problems(name)]
    if not problems and "wandb" in trackers:
        problems += wandb_problems()
    problems += _revision_problems(recipe)
    keys = hub_keys(recipe)
    if not keys:
        return problems
    if find_spec("huggingface_hub") is None:
        return [*problems, f'{keys[0]}: huggingface_hub is not installed; pip install "dra-toolkit[train]"']
    return [*problems, *_name_problems(recipe), *hub_problems(keys)]


def hub_keys(recipe: Recipe) -> list[str]:
    """Return the settings of a recipe that write to the Hub."""
    keys = ["push_to_hub"] if recipe.hub.push_to_hub else []
    if "trackio" in chosen_trackers(recipe) and (recipe.output.trackio_space_id or os.environ.get("TRACKIO_SPACE_ID")):
        keys.append("trackio_space_id")
    return keys


def wandb_problems() -> list[str]:
    """Return the line that says how to log in to Weights & Biases, if nobody is and the run is to be sent there."""
    settings = wandb_settings()
    if (os.environ.get("WANDB_MODE") or settings.get("mode", "online")) not in ("online", "run", "shared"):
        return []
    given = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")
    if any(os.environ.get(name) for name in given) or settings.get("api_key"):
        return []
    server = os.environ.get("WANDB_BASE_URL") or settings.get("base_url")
    host = urlsplit(server).netloc if server else WANDB_HOSTS[0]
    public = host in WANDB_HOSTS
    if any(_has_netrc_entry(name) for name in (WANDB_HOSTS if public else (host,))):
        return []
    where, command = ("", "wandb login") if public else (f" at {host}", f"wandb login --host {server}")
    return [
        f"report_to: there is no login for Weights & Biases{where}; log in with `{command}`, or keep the run on this "
        "machine with WANDB_MODE=offline"
    ]


def hub_problems(keys: list[str]) -> list[str]:
    """Return a line if nobody who may write is logged in to the Hub, which `keys` need. Asks the Hub, for a few seconds."""
    from huggingface_hub import constants, get_token

    which = ", ".join(keys)
    if constants.HF_HUB_OFFLINE:
        return [f"{which}: contradicts HF_HUB_OFFLINE=1, which forbids the Hub; unset it or leave {which} out"]
    token = get_token()
    if token is None:
        return [f"{which}: there is no login for the Hub; log in with `hf auth login`, or set HF_TOKEN"]
    return [f"{which}: {problem}" for problem in _token_problems(token, constants.ENDPOINT)]


def _revision_problems(recipe: Recipe) -> Iterator[str]:
    """Yield a line for each setting that leaves `hub_revisions` without an effect."""
    if recipe.hub.hub_revisions and not recipe.hub.push_to_hub:
        yield "hub_revisions: pushes nothing without push_to_hub=true; set both or neither"
    if recipe.hub.hub_revisions and recipe.output.save_strategy == "no":
        yield "hub_revisions: save_strategy is no, so there is no checkpoint to push; set save_strategy=steps and save_steps"


def _name_problems(recipe: Recipe) -> Iterator[str]:
    """Yield a line if the repository to push to has a name that the Hub does not take."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    given = recipe.hub.hub_model_id
    name = given if given is not None else Path(recipe.output.output_dir).name
    try:
        validate_repo_id(name if recipe.hub.push_to_hub else None)
    except HFValidationError:
        key = "hub_model_id" if given is not None else "output_dir"
        yield (
            f"{key}: {visible(name, one_line=True)!r} cannot name a repository on the Hub; expected hub_model_id=NAME or "
            "hub_model_id=OWNER/NAME of letters, digits, '.', '_' and '-'"
        )


def _token_problems(token: str, endpoint: str) -> Iterator[str]:
    """Yield what keeps a token from writing to the Hub."""
    import httpx
    from huggingface_hub import get_session
    from huggingface_hub.utils import build_hf_headers

    try:
        url, headers = f"{endpoint}/api/whoami-v2", build_hf_headers(token=token)
        answer = get_session().get(url, headers=headers, timeout=HUB_SECONDS)
        who = answer.json() if answer.status_code == 200 else {}
    except (httpx.HTTPError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        yield f"the Hub at {endpoint} cannot be reached ({reason}); nothing could be uploaded"
        return
    from_environment = "HF_TOKEN" in os.environ or "HUGGING_FACE_HUB_TOKEN" in os.environ
    if answer.status_code in (401, 403):
        mend = (
            "set another HF_TOKEN, which goes before `hf auth login`" if from_environment else "`hf auth login --force`"
        )
        yield f"the Hub at {endpoint} refuses the login ({answer.status_code}); {mend}"
    elif answer.status_code != 200:
        yield f"the Hub at {endpoint} answers with status {answer.status_code} when asked who is logged in; try again later"
    elif _role(who) == "read":
        mend = (
            "set HF_TOKEN to one that may write"
            if from_environment
            else "`hf auth login --force` with one that may write"
        )
        yield f"the token of {who.get('name', 'this login')} may only read; {mend} (https://huggingface.co/settings/tokens)"


def _role(who: Any) -> str | None:
    """Return the role of a token in the Hub's answer; None where it does not say."""
    for name in ("auth", "accessToken", "role"):
        who = who.get(name) if isinstance(who, dict) else None
    return who if isinstance(who, str) else None


def _tracker_problems(name: str) -> Iterator[str]:
    if name not in TRACKERS:
        yield f"report_to: found {name!r}, expected none, all or one of {', '.join(TRACKERS)}{did_you_mean(name, TRACKERS)}"
    elif not _is_installed(name):
        package = "dra-toolkit[trackers]" if name in OURS else TRACKERS[name][0].replace("_", "-")
        yield f'report_to: {name} is not installed; pip install "{package}"'


def _is_installed(name: str) -> bool:
    specs = [find_spec(package) for package in TRACKERS[name]]
    return any(spec is not None and spec.origin is not None for spec in specs)  # a folder wandb/ is no package


def wandb_settings() -> dict[str, str]:
    """Return what `wandb login --host` has stored for the user, and `wandb offline` and `wandb init` for this folder."""
    user = Path(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb").expanduser()
    here = Path(os.environ.get("WANDB_DIR") or ".").expanduser()
    settings: dict[str, str] = {}
    for folder in (user, here / (".wandb" if (here / ".wandb").exists() else "wandb")):
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(folder / "settings", encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        settings |= dict(parser["default"]) if parser.has_section("default") else {}
    return settings


def _has_netrc_entry(host: str) -> bool:
    given = os.environ.get("NETRC")
    candidates = [Path(given).expanduser()] if given else [Path("~/.netrc").expanduser(), Path("~/_netrc").expanduser()]
    for path in candidates:
        try:
            entry = netrc.netrc(path).authenticators(host)
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
            continue
        if entry and entry[2]:
            return True
    return False
