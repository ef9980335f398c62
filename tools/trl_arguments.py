"""Write dra_toolkit/recipe/trl_arguments.json: the names, types and defaults of TRL's own arguments.

The table lets a recipe be checked in milliseconds, without importing torch. Run it after changing the TRL pin:

    python tools/trl_arguments.py
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "dra_toolkit" / "recipe" / "trl_arguments.json"
PLAIN = {bool: "bool", int: "int", float: "float", str: "str", dict: "dict", list: "list", type(None): "none"}


def describe(hint: object) -> tuple[list[str], list[str]]:
    """Return the plain type names that a type hint allows, and its choices where it is an enumeration."""
    if hint in PLAIN:
        return [PLAIN[hint]], []
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return ["str"], [str(member.value) for member in hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        kinds, choices = [], []
        for argument in arguments:
            inner_kinds, inner_choices = describe(argument)
            kinds += [kind for kind in inner_kinds if kind not in kinds]
            choices += inner_choices
        return kinds, choices
    if origin is list:
        return [f"list[{describe(arguments[0])[0][0]}]"], []
    if origin is dict:
        return ["dict"], []
    if origin is typing.Literal:
        return sorted({PLAIN[type(argument)] for argument in arguments}), []
    return ["object"], []


def table() -> dict[str, dict[str, object]]:
    """Return every init argument of TRL's script, model and GRPO configuration classes."""
    from trl import GRPOConfig, ModelConfig, ScriptArguments

    arguments: dict[str, dict[str, object]] = {}
    for owner in (ScriptArguments, ModelConfig, GRPOConfig):
        hints = typing.get_type_hints(owner)
        for field in dataclasses.fields(owner):
            kinds, choices = describe(hints[field.name])
            default = field.default if field.default is not dataclasses.MISSING else field.default_factory()
            default = default.value if isinstance(default, enum.Enum) else default
            entry: dict[str, object] = {"owner": owner.__name__, "kinds": kinds, "default": default}
            if choices:
                entry["choices"] = choices
            arguments[field.name] = entry
    return arguments


def document() -> str:
    """Return the table as it is stored."""
    import trl

    return json.dumps({"trl": trl.__version__, "arguments": table()}, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    TABLE.write_text(document())
    print(f"wrote {TABLE}")
