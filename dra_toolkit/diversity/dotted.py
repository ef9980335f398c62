"""Functions of the user's own, named by a dotted path."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from importlib.machinery import PathFinder
from typing import Any

from dra_toolkit.errors import MeasureError, did_you_mean


def is_dotted(name: str) -> bool:
    """Return whether a name has the shape `package.module.function`."""
    return "." in name and all(part.isidentifier() for part in name.split("."))


def check_dotted(name: str) -> str | None:
    """Return what is wrong with a dotted path, as far as can be told without importing it, or None."""
    top = name.partition(".")[0]
    if top in sys.modules or importlib.util.find_spec(top) or PathFinder.find_spec(top, [os.getcwd()]):
        return None
    return f"found {name!r}, but there is no package or module {top!r} installed or in {os.getcwd()}"


def load_dotted(key: str, path: str) -> Any:
    """Import what stands at a dotted path; the working directory is searched last. Raises MeasureError.

    key     the recipe key that names it
    """
    module_name, _, attribute = path.rpartition(".")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise MeasureError(
            f"{key}: found {path!r}, but importing {module_name!r} failed with {type(error).__name__}: {reason}"
        ) from error
    if not hasattr(module, attribute):
        nearest = did_you_mean(attribute, [name for name, value in vars(module).items() if callable(value)])
        raise MeasureError(f"{key}: found {path!r}, but {module_name!r} has nothing of this name{nearest}")
    return getattr(module, attribute)


def call_users(key: str, path: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Return what a function of the user's returns; raises MeasureError, naming the line, for whatever it raises.

    key     the recipe key that names it
    """
    try:
        return function(*arguments, **named)
    except MeasureError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        frames = traceback.extract_tb(error.__traceback__)[1:]  # without the call above
        where = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
        raise MeasureError(f"{key}: {path!r} raised {type(error).__name__}: {reason}{where}") from error
