"""Functions of the user's own, named by a dotted path: measures, labels, rewards, embedders, benchmarks.

They are looked for among what is installed, in the recipe's folder, then in the working folder, wherever. A folder comes
onto `sys.path`, last, once a path names what lies in it: no library that looks for an optional module finds it unasked.
"""

import ast
import contextlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from dra_toolkit.errors import DRAError, RecipeError, did_you_mean
from dra_toolkit.safe_text import kind_and_line

_BESIDE: list[Path] = []  # the folder of this process's recipe, once it is known


def is_dotted(name: str) -> bool:
    """Return whether a name has the shape `package.module.function`."""
    return "." in name and all(part.isidentifier() for part in name.split("."))


def check_dotted(name: str, beside: Path | None = None) -> str | None:
    """Return why there can be no module of a dotted path, or None; loading it says the rest. None of it is run.

    beside: the recipe's folder
    """
    return problem if isinstance(problem := _found(name, beside), str) else None


def parameters_of(name: str, beside: Path | None = None) -> ast.arguments | None:
    """Return the parameters of a function as its source has them; None where that cannot be told without running it."""
    spec = getattr(sys.modules.get(name.rpartition(".")[0]), "__spec__", None) or _found(name, beside)
    origin = spec.origin if isinstance(spec, ModuleSpec) else None
    if origin is not None and origin.endswith(".py"):
        with contextlib.suppress(OSError, SyntaxError, ValueError, RecursionError):
            for node in ast.parse(Path(origin).read_bytes()).body:
                if isinstance(node, ast.FunctionDef) and node.name == name.rpartition(".")[2]:
                    return None if node.decorator_list else node.args
    return None


def _found(name: str, beside: Path | None) -> ModuleSpec | str | None:
    """Return the module of a dotted path, what is wrong with it, or None for one that is loaded already."""
    top, *parts = name.split(".")[:-1] or [""]
    folders = _folders(beside)
    if not is_dotted(name):
        return f"found {name!r}, expected a dotted path package.module.function"
    if top in sys.modules:
        return None
    spec = importlib.util.find_spec(top) or PathFinder.find_spec(top, folders)
    if spec is None:
        return f"found {name!r}, but there is no package or module {top!r} installed or in {' or '.join(folders)}"
    for part in parts:
        spec = PathFinder.find_spec(part, list(spec.submodule_search_locations or []))
        if spec is None:
            return f"found {name!r}, but there is no module {name.rpartition('.')[0]!r}"
    return spec


def look_beside(folder: Path | None) -> None:
    """Let dotted paths name what lies in the recipe's folder, before the working folder, in this process."""
    _BESIDE[:] = [folder] if folder is not None else _BESIDE


def _reach(top: str) -> None:
    """Let a module that a dotted path names be imported, and what it imports from its own folder."""
    if top not in sys.modules and importlib.util.find_spec(top) is None:
        sys.path.append(next(place for place in _folders(*_BESIDE) if PathFinder.find_spec(top, [place])))


def load_dotted(
    key: str,
    path: str,
    *,
    accepts: Callable[[Any], bool] = callable,
    expected: str = "a function",
    error: type[DRAError] = RecipeError,
) -> Any:
    """Import what stands at a dotted path; raises `error`, one line, whatever the user's module does instead.

    key: the recipe key or option that names it. expected: what `accepts` takes, in words.
    """
    importlib.invalidate_caches()  # a module may have been written since this process started
    if problem := check_dotted(path, *_BESIDE):
        raise error(f"{key}: {problem}")
    module_name, _, attribute = path.rpartition(".")
    _reach(path.partition(".")[0])
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as raised:
        raise error(
            f"{key}: found {path!r}, but importing {module_name!r} failed with {kind_and_line(raised)}{_where(raised)}"
        ) from raised
    found = getattr(module, attribute, None)
    if not accepts(found):
        what = f"holds a {type(found).__name__} there" if hasattr(module, attribute) else "has nothing of this name"
        fitting = [name for name, value in vars(module).items() if accepts(value) and not name.startswith("_")]
        nearest = did_you_mean(attribute, fitting) or (f"; it has {', '.join(fitting[:5])}" if fitting else "")
        raise error(f"{key}: found {path!r}, but {module_name!r} {what}, expected {expected}{nearest}")
    return found


def call_users(
    key: str,
    path: str,
    function: Callable[..., Any],
    *arguments: Any,
    error: type[DRAError] = RecipeError,
    **named: Any,
) -> Any:
    """Return what a function of the user's returns; raises `error`, naming the line, for whatever it raises.

    key: the recipe key or option that names it
    """
    try:
        return function(*arguments, **named)
    except DRAError:
        raise
    except Exception as raised:
        raise error(f"{key}: {path!r} raised {kind_and_line(raised)}{_where(raised)}") from raised


def _folders(beside: Path | None = None) -> list[str]:
    return list(dict.fromkeys(os.path.abspath(place) for place in (beside, ".") if place is not None))


def _where(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)[1:] if "<frozen" not in frame.filename]
    theirs = [frame for frame in frames if not frame.filename.startswith(os.path.dirname(importlib.__file__))]
    return f" ({os.path.basename(theirs[-1].filename)}:{theirs[-1].lineno})" if theirs else ""
