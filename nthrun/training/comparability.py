"""Comparability: whether what two processes compute may be expected to have equal bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nthrun.agents.parents import PARAMETERS, Parent

NUMBERS = 2
"""Version of the numbers that a run of nthrun computes: raised where nothing but a change of
nthrun itself changes bits."""
# With version 2 the grids of economies were fitted to them, too, and so was what rules of large and
# lasting risks begin with.
CHANGES = {2: "denormal numbers were flushed to zero"}
"""Version -> what it began with."""
VERSION, DENORMALS = "numbers", "denormals"
"""Keys of provenance, and of the facts of a checkpoint: the version, and what is done with denormal
numbers; what was made before either was recorded has neither."""
PACKAGES = "environment_packages"
"""Key of both: the installed distributions that the environment is from, by name, with versions."""
PARENT = "parent"
"""Key of provenance, and of an attempt: what the run started from, where it had a parent."""


def difference(made: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Why bits made with some things need not be equal to those made with others, in words; "" if
    they have to be.

    Args:
        made, here: what is compared, by name.
    """
    version = made.get(VERSION, 1)
    older = isinstance(version, int) and version < NUMBERS
    reasons = [
        f"made before {what}" for since, what in CHANGES.items() if older and version < since
    ]
    packages = _packages_that_differ(made.get(PACKAGES), here.get(PACKAGES, {}))
    names = [n for n, value in here.items() if made.get(n) != value and n != PACKAGES]
    names += packages
    if older:
        names = [name for name in names if name not in (VERSION, DENORMALS)]
    if names:
        reasons.append(f"made with other {', '.join(names)}")
    return ", ".join(reasons)


def _packages_that_differ(made: object, here: Mapping[str, str]) -> list[str]:
    """The packages of an environment of which versions differ, each with both; what was made before
    they were recorded is not known to differ."""
    if not isinstance(made, Mapping):
        return []
    return [
        f"{name} ({made.get(name, 'none')}, here {here.get(name, 'none')})"
        for name in sorted({*made, *here})
        if made.get(name) != here.get(name)
    ]


def parent_difference(made: Mapping[str, Any], parent: Parent | None) -> str:
    """Why what was made need not be equal to what starts from a parent, in words; "" if it has to.

    Args:
        made: provenance, or an attempt of it.
        parent: what a run starts from here.
    """
    before = made.get(PARENT)
    digest = before.get(PARAMETERS) if isinstance(before, Mapping) else None
    same = digest == (parent and parent.digest)
    return "" if same else "made with other parameters of its parent"
