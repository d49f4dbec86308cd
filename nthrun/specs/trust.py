"""Trust: whether code that a document names may be run.

An agent or environment of a user's own is a class that a spec names, as `package.module:Class`, and
importing a module runs it; a program is a function or a command that a spec names, which is run.
Data files and manifests hold specs, too, and may be anybody's. So only what the user gave may name
code: a spec, or a command.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from nthrun.errors import Fault, SpecError

NAMES = ("agent_name", "env_name")
CODE = ("command", "wrappers")
"""Keys of a spec that name what is executed or imported, whatever else it names."""
KEYWORDS = "kwargs"


COMMAND = "command"
"""The `agent_name` of what is executed."""


class Trust(Enum):
    """Who says what is to be run."""

    USER = "a spec or a command of the user's"
    READ = "a file that is read"


def may_run(document: Mapping[str, Any], trust: Trust) -> bool:
    """Whether the code that a spec names may be imported.

    What nthrun has itself always may. So may an environment that an installed package registered,
    unless a text among its keywords could name code.

    Args:
        document: the values of an agent's or an environment's spec.
        trust: where they are from.
    """
    if trust is Trust.USER:
        return True
    if any(":" in str(document.get(name, "")) for name in NAMES):
        return False
    if document.get("agent_name") == COMMAND or any(key in document for key in CODE):
        return False
    keywords = [value for key, value in document.items() if key.partition(".")[0] == KEYWORDS]
    return not any(isinstance(leaf, str) for leaf in _leaves(keywords))


def names_code(*documents: Mapping[str, Any]) -> bool:
    """Whether any of some specs names code that is not nthrun's own."""
    return not all(may_run(document, Trust.READ) for document in documents)


def require_may_run(document: Mapping[str, Any], trust: Trust, origin: str) -> None:
    """Check that the code that a spec names may be imported.

    Args:
        document, trust: as `may_run` takes them.
        origin: the file it is in.

    Raises:
        SpecError: it may not.
    """
    if not may_run(document, trust):
        key = next((name for name in NAMES if name in document), "")
        problem = f"got {document.get(key)!r}: code that a file names is not run to read it"
        hint = "only your own spec, or --trust where a command has it, runs it"
        raise SpecError([Fault(origin, key, problem, hint)])


def _leaves(value: object) -> Iterator[object]:
    """The values of a nested mapping or list, however deep."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, Mapping):
            left += item.values()
        elif isinstance(item, list | tuple):
            left += item
        else:
            yield item
