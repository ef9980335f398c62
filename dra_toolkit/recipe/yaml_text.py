"""Reads YAML as people type it: every mistake is one error with its line, whatever PyYAML itself would raise."""

from pathlib import Path
from typing import Any, ClassVar

import yaml

from dra_toolkit.errors import RecipeError

_DEEPEST = 64  # levels of nesting; PyYAML recurses, and its scanner grows with the square of them
_MOST_NODES = 100_000  # after aliases are followed


class BadYamlError(ValueError):
    """A text that is not YAML; `line` counts from 1, None where it is not known."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.line = line


def _problem(problem: str, place: yaml.Event | yaml.Node) -> BadYamlError:
    mark = place.start_mark
    return BadYamlError(problem, mark.line + 1 if mark else None)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which refuses a key that stands twice and reads no dates."""

    yaml_implicit_resolvers: ClassVar = {  # type: ignore[misc]
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {str(key) for key in keys if keys.count(key) > 1}
        if twice:
            raise _problem(f"key {', '.join(sorted(twice))} stands twice", node)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """Return a number, or the text as it stands where it only looks like one (`0x_`)."""
        kind = node.tag.rpartition(":")[2]
        try:
            return self.construct_yaml_int(node) if kind == "int" else self.construct_yaml_float(node)
        except ValueError:
            if self.resolve(yaml.ScalarNode, node.value, (True, False)) == node.tag:
                return node.value
            shown = node.value[:40]
            raise _problem(f"{shown!r} is no {kind}", node) from None


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.yaml_constructors[None])


def read_yaml(text: str) -> Any:
    """Return what a YAML text holds: None, numbers, texts, lists and mappings; raises BadYamlError.

    Dates stay texts, a number that is none stays the text it is, and nesting, aliases and sizes are bounded, so that no text
    takes long: https://yaml.org/spec/1.1/ allows aliases to an enclosing node, which no setting can be.
    """
    try:
        _check_size(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except BadYamlError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadYamlError(error.problem or "cannot be read", mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise BadYamlError(" ".join(str(error).split())[:200]) from None


def read_mapping(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of a YAML file and the mapping that it holds; raises RecipeError, one line naming file and line."""
    try:
        if not path.is_dir() and not path.is_file():  # a pipe or a device may never end
            raise RecipeError(f"{path}: not a file, expected YAML in one")
        text = path.read_text(encoding="utf-8")
        found = read_yaml(text)
    except UnicodeDecodeError:
        raise RecipeError(f"{path}: not a text file, expected YAML in UTF-8") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})") from None
    except BadYamlError as error:
        line = f":{error.line}" if error.line else ""
        raise RecipeError(f"{path}{line}: not YAML ({error})") from None
    if found is None:
        raise RecipeError(f"{path}: empty, expected `key: value` lines")
    if not isinstance(found, dict):
        raise RecipeError(f"{path}: found a {type(found).__name__}, expected a mapping of `key: value` lines")
    return text, found


def _check_size(text: str) -> None:
    """Walk the events of a text, lazily, and raise where it nests too deep, contains itself, or grows too large."""
    sizes: dict[str, int] = {}  # nodes below each anchor
    open_nodes: list[tuple[str | None, int]] = []  # the anchor of each enclosing node, and the count when it began
    count = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise _problem(f"*{event.anchor} contains itself", event)
            count += sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, count))
            if len(open_nodes) > _DEEPEST:
                raise _problem(f"nested deeper than {_DEEPEST}", event)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = count - before + 1
        count += 1
        if count > _MOST_NODES:
            raise _problem(f"more than {_MOST_NODES:,} values", event)
