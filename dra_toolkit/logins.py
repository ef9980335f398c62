"""What a recipe's trackers and its Hub uploads need before training starts: packages and logins. Loads no torch."""

import configparser
import contextlib
import netrc
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from dra_toolkit.errors import did_you_mean
from dra_toolkit.recipe import Recipe
from dra_toolkit.safe_text import first_line, visible

TRACKERS: dict[str, tuple[str, ...]] = {
    "azure_ml": ("azureml",),
    "flyte": ("flytekit",),
    "tensorboard": ("tensorboard", "tensorboardX"),
    **{name: (name,) for name in ("clearml", "codecarbon", "comet_ml", "dagshub", "dvclive", "kubeflow")},
    **{name: (name,) for name in ("mlflow", "neptune", "swanlab", "trackio", "wandb")},
}
"""The names that `report_to` takes, each with the packages of which it needs one."""
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
    return [*filter(_is_installed, OURS)] if "all" in names else [name for name in names if name != "none"]


def login_problems(recipe: Recipe) -> list[str]:
    """Return a line for each package or login that the recipe's trackers and uploads, of the first machine alone, lack."""
    if not recipe.launch.is_first_machine:
        return []
    return [*_tracker_problems(chosen_trackers(recipe)), *_hub_problems(recipe)]


def _hub_problems(recipe: Recipe) -> Iterator[str]:
    keys = hub_keys(recipe)
    if recipe.hub.hub_revisions and not recipe.hub.push_to_hub:
        yield "hub_revisions: pushes nothing without push_to_hub=true; set both or neither"
    if recipe.hub.hub_revisions and recipe.output.save_strategy == "no":
        yield "hub_revisions: save_strategy is no, so there is no checkpoint to push; set save_strategy=steps and save_steps"
    if keys and find_spec("huggingface_hub") is not None:  # without it no training starts
        yield from _name_problems(recipe)
        yield from (f"{', '.join(keys)}: {problem}" for problem in hub_problems(", ".join(keys)))


def hub_keys(recipe: Recipe) -> list[str]:
    """Return the settings of a recipe that write to the Hub."""
    keys = ["push_to_hub"] if recipe.hub.push_to_hub else []
    space = recipe.output.trackio_space_id or os.environ.get("TRACKIO_SPACE_ID")
    return keys + (["trackio_space_id"] if space and "trackio" in chosen_trackers(recipe) else [])


def wandb_problems() -> list[str]:
    """Return the line that says how to log in to Weights & Biases, if nobody is and the run is to be sent there."""
    settings = wandb_settings()
    mode = os.environ.get("WANDB_MODE") or settings.get("mode", "online")
    server = os.environ.get("WANDB_BASE_URL") or settings.get("base_url")
    host = urlsplit(server).netloc if server else WANDB_HOSTS[0]
    public = host in WANDB_HOSTS
    keys = (os.environ.get("WANDB_API_KEY"), os.environ.get("WANDB_IDENTITY_TOKEN_FILE"), settings.get("api_key"))
    logged_in = any(keys) or any(map(_has_netrc_entry, WANDB_HOSTS if public else (host,)))
    if logged_in or mode not in ("online", "run", "shared"):
        return []
    where, command = ("", "wandb login") if public else (f" at {host}", f"wandb login --host {server}")
    return [
        f"report_to: there is no login for Weights & Biases{where}; log in with `{command}`, or keep the run on this "
        "machine with WANDB_MODE=offline"
    ]


def _name_problems(recipe: Recipe) -> Iterator[str]:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    given, folder = recipe.hub.hub_model_id, Path(recipe.output.output_dir).name
    key, name = ("output_dir", folder) if given is None else ("hub_model_id", given)
    try:
        validate_repo_id(name if recipe.hub.push_to_hub else None)
    except HFValidationError:
        yield (
            f"{key}: {visible(name, one_line=True)!r} cannot name a repository on the Hub; expected hub_model_id=NAME or "
            "hub_model_id=OWNER/NAME of letters, digits, '.', '_' and '-'"
        )


def hub_problems(keys: str) -> Iterator[str]:
    """Yield a line if nobody who may write is logged in to the Hub, which `keys` need. Asks the Hub, for a few seconds."""
    import httpx
    from huggingface_hub import constants, get_session, get_token
    from huggingface_hub.utils import build_hf_headers

    token, endpoint = get_token(), constants.ENDPOINT
    if constants.HF_HUB_OFFLINE:
        yield f"contradicts HF_HUB_OFFLINE=1, which forbids the Hub; unset it or leave {keys} out"
        return
    if token is None:
        yield "there is no login for the Hub; log in with `hf auth login`, or set HF_TOKEN"
        return
    try:
        url, headers = f"{endpoint}/api/whoami-v2", build_hf_headers(token=token)
        answer = get_session().get(url, headers=headers, timeout=HUB_SECONDS)
        who = answer.json() if answer.status_code == 200 else {}
        role = (who.get("auth", {}).get("accessToken") or {}).get("role")
    except (httpx.HTTPError, OSError, ValueError, AttributeError) as error:
        yield f"the Hub at {endpoint} cannot be reached ({first_line(error, 200)}); nothing could be uploaded"
        return
    given = "HF_TOKEN" in os.environ or "HUGGING_FACE_HUB_TOKEN" in os.environ
    if answer.status_code in (401, 403):
        mend = "set another HF_TOKEN, which goes before `hf auth login`" if given else "`hf auth login --force`"
        yield f"the Hub at {endpoint} refuses the login ({answer.status_code}); {mend}"
    elif answer.status_code != 200:
        yield f"the Hub at {endpoint} answers with status {answer.status_code} when asked who is logged in; try again later"
    elif role == "read":
        mend = "set HF_TOKEN to one" if given else "`hf auth login --force` with one"
        yield (
            f"the token of {who.get('name', 'this login')} may only read; {mend} that may write "
            "(https://huggingface.co/settings/tokens)"
        )


def _tracker_problems(names: list[str]) -> list[str]:
    problems = []
    for name in names:
        if name not in TRACKERS:
            expected = f"expected none, all or one of {', '.join(TRACKERS)}{did_you_mean(name, TRACKERS)}"
            problems.append(f"report_to: found {name!r}, {expected}")
        elif not _is_installed(name):
            package = "dra-toolkit[trackers]" if name in OURS else TRACKERS[name][0].replace("_", "-")
            problems.append(f'report_to: {name} is not installed; pip install "{package}"')
    return problems or (wandb_problems() if "wandb" in names else [])


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
        with contextlib.suppress(configparser.Error, OSError, UnicodeDecodeError):
            parser.read(folder / "settings", encoding="utf-8")
            settings |= dict(parser["default"]) if parser.has_section("default") else {}
    return settings


def _has_netrc_entry(host: str) -> bool:
    with contextlib.suppress(OSError, netrc.NetrcParseError, UnicodeDecodeError):
        entry = netrc.netrc(Path(os.environ.get("NETRC") or "~/.netrc").expanduser()).authenticators(host)
        return bool(entry and entry[2])
    return False
