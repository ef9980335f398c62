"""Whether model, embedder and data of a recipe are within reach: a folder, the cache, or the Hub and open to this login."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from dra_toolkit.doctor.findings import Finding, broken, ok, problem, shown_size, warning
from dra_toolkit.doctor.golds import check_golds
from dra_toolkit.doctor.local_data import read_rows, training_file
from dra_toolkit.doctor.model_size import CONFIG, ModelSize, missing_weights, read_folder, size_of
from dra_toolkit.embedding import known_embedder
from dra_toolkit.errors import counted, did_you_mean
from dra_toolkit.quickstart import cached_ways
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe
from dra_toolkit.recipe.check_data import DATA_SUFFIXES
from dra_toolkit.runs.files import json_object
from dra_toolkit.safe_text import first_line

HUB_SECONDS = 6.0
"""How long the Hub may take for an answer."""
TEMPLATE_TOKENS = 8
CHARACTERS_PER_TOKEN = 4
LOOKED_AT = 50
Kind = Literal["model", "dataset"]


@dataclass(frozen=True, kw_only=True)
class Reached:
    """What is known of a recipe's model and data."""

    findings: tuple[Finding, ...]
    model: ModelSize | None = None
    prompt: int | None = None
    """Mean tokens of a prompt, by the data's characters."""


@dataclass(frozen=True)
class OnHub:
    """What is known of an id."""

    place: Literal["cache", "hub", "nowhere", "unknown"]
    """`unknown`: the Hub could not be asked."""
    found: str
    fix: str = ""
    folder: Path | None = None
    """The snapshot in the cache."""
    dtypes: Mapping[str, int] = field(default_factory=dict)
    """Parameters by dtype, as the Hub counts them."""
    config: Mapping[str, Any] = field(default_factory=dict)

    def finding(self, subject: str) -> Finding:
        """Return this as a line on a subject: an id that may still be there is a warning."""
        if self.place in ("cache", "hub"):
            return ok(subject, self.found)
        return (problem if self.place == "nowhere" else warning)(subject, self.found, self.fix)


def reach(recipe: Recipe) -> Reached:
    """Look for model, embedder and data of a recipe; asks the Hub for what is not on this machine."""
    try:
        finding, model = _reach_model(recipe)
    except Exception as error:  # data and embedder are still worth a look
        finding, model = broken("model", error), None
    data = [_reach_data(name) for name in recipe.data.names]
    return Reached(
        findings=(finding, *_reach_embedder(recipe), *data, *check_golds(recipe)),
        model=model,
        prompt=_prompt_tokens(recipe),
    )


def _reach_model(recipe: Recipe) -> tuple[Finding, ModelSize | None]:
    name = recipe.model.model_name_or_path
    if name.startswith(BUILTIN_PREFIX):
        made = cached_ways()
        if made is None:
            return ok("model", f"{name}: made when a run first needs it, in about a minute"), None
        size = read_folder(made.model)
        return ok("model", f"{name}: made before, {size}"), size
    folder = Path(name).expanduser()
    if folder.is_dir():
        size, lacking = read_folder(folder), missing_weights(folder)
        if not lacking:
            return ok("model", f"{name}: {size}"), size
        listed = ", ".join(lacking[:3]) + (" ..." if len(lacking) > 3 else "")
        return problem("model", f"{name}: weights are missing ({listed})", "save or copy the model again"), size
    found = look_up(name, "model", revision=recipe.model.model_revision)
    if found.folder is not None:
        size = read_folder(found.folder)
        return ok("model", f"{found.found}, {size}"), size
    if found.place != "hub":
        return found.finding("model"), None
    size = size_of(found.config, found.dtypes)
    to_fetch = f", {size.parameters * size.stored_bytes / 1e9:.1f} GB to fetch" if size.parameters else ""
    return ok("model", f"{found.found}, {size}{to_fetch}"), size


def _reach_embedder(recipe: Recipe) -> Iterator[Finding]:
    name = recipe.embedder.name
    source = None if name == "none" else known_embedder(name).source
    if source is None:
        return
    if Path(source.name).expanduser().is_dir():
        yield ok("embedder", f"{name}: a folder")
    else:
        revision = recipe.embedder.revision or source.revision
        yield look_up(source.name, "model", revision=revision).finding("embedder")


def _reach_data(name: str) -> Finding:
    if name.startswith(BUILTIN_PREFIX):
        return ok("data", f"{name}: {'made before' if cached_ways() else 'made when a run first needs it'}")
    path = Path(name).expanduser()
    if path.is_file():
        return ok("data", f"{name}: {shown_size(path.stat().st_size)}")
    if not path.is_dir():
        return look_up(name, "dataset").finding("data")
    files = [file for file in path.rglob("*") if file.suffix in DATA_SUFFIXES]
    if files:
        return ok("data", f"{name}: {counted(len(files), 'data file')}")
    return warning("data", f"{name}: no {', '.join(DATA_SUFFIXES)} file inside", "name the folder that holds the data")


def _prompt_tokens(recipe: Recipe) -> int | None:
    """Return the mean tokens of a prompt in the first local rows, by their characters; None where there are none."""
    name = recipe.data.names[0] if recipe.data.names else ""
    made = cached_ways() if name.startswith(BUILTIN_PREFIX) else None
    file = made.train if made else training_file(Path(name).expanduser())
    if file is None or Path(file).suffix != ".jsonl":
        return None
    column = recipe.data.for_each(recipe.data.prompt_column)[0] or ""
    with contextlib.suppress(OSError, ValueError):
        rows = [row for row in islice(read_rows(Path(file)), LOOKED_AT) if isinstance(row, Mapping)]
        lengths = [len(str(row[column])) for row in rows if row.get(column)]
        if lengths:
            mean = sum(lengths) / len(lengths) + len(recipe.data.system_prompt or "")
            return round(mean / CHARACTERS_PER_TOKEN) + TEMPLATE_TOKENS
    return None


def look_up(name: str, kind: Kind, *, revision: str | None = None) -> OnHub:
    """Say where an id is: a complete copy in the cache counts first, as it does for training."""
    from huggingface_hub import constants, try_to_load_from_cache

    if name.startswith((".", "/", "~")):
        return OnHub("nowhere", f"{name}: there is no such folder", "name one that exists, or an id of the Hub")
    with contextlib.suppress(ValueError):  # not an id
        page = CONFIG if kind == "model" else "README.md"  # fetched with every data set
        cached = try_to_load_from_cache(name, page, revision=revision, repo_type=kind)
        folder = Path(cached).parent if isinstance(cached, str) else None
        if folder and not (kind == "model" and missing_weights(folder)):
            return OnHub("cache", f"{name}: in the cache", folder=folder)
    if constants.HF_HUB_OFFLINE:
        from dra_toolkit.training.hub_errors import unreachable

        found, _, fix = unreachable(name, kind).partition("; ")
        return OnHub("nowhere", found, fix)
    return _ask(name, kind, revision)


def _ask(name: str, kind: Kind, revision: str | None) -> OnHub:
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    from dra_toolkit.training.hub_errors import hub_problem

    api = HfApi()
    try:
        asked = api.model_info if kind == "model" else api.dataset_info
        info: Any = asked(name, revision=revision, timeout=HUB_SECONDS)
        if info.gated:
            api.auth_check(name, repo_type=kind)
    except (httpx.HTTPError, OSError) as error:
        problem_found = hub_problem(error, name, kind, revision) or f"{name} cannot be asked for ({first_line(error)})"
        found, _, fix = problem_found.partition("; ")
        if isinstance(error, RepositoryNotFoundError) and not isinstance(error, GatedRepoError):
            found = f"{name}: not on the Hub{_nearest(api, name, kind)}"
        is_certain = isinstance(error, RepositoryNotFoundError | RevisionNotFoundError)
        return OnHub("nowhere" if is_certain else "unknown", found, fix)
    counted = getattr(info, "safetensors", None)
    config = _config(name, revision) if kind == "model" else {}
    return OnHub("hub", f"{name}: on the Hub", dtypes=dict(counted.parameters) if counted else {}, config=config)


def _config(name: str, revision: str | None) -> Mapping[str, Any]:
    """Return a model's config.json, fetched into the cache, where training looks for it too."""
    from huggingface_hub import hf_hub_download

    with contextlib.suppress(Exception):  # without it there is less of an estimate, and nothing else
        return json_object(Path(hf_hub_download(name, CONFIG, revision=revision, etag_timeout=HUB_SECONDS)))
    return {}


def _nearest(api: Any, name: str, kind: Kind) -> str:
    with contextlib.suppress(Exception):  # a help, and no more
        search = api.list_models if kind == "model" else api.list_datasets
        return did_you_mean(name, [found.id for found in search(search=name.rpartition("/")[2], limit=10)])
    return ""
