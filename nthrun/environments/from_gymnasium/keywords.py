"""The keywords that a spec hands to an environment's constructor, as fields of the spec."""

from __future__ import annotations

from typing import Any

from nthrun.errors import Fault, SpecError
from nthrun.specs.documents import Document, flatten
from nthrun.specs.field import Field, Kind, shown

KEYWORDS = "kwargs"
"""The spec's mapping of keywords."""
TIME_LIMIT = f"{KEYWORDS}.max_episode_steps"
KINDS: dict[type, Kind] = {bool: "bool", int: "int", float: "float", str: "str", list: "parts"}


def keyword_fields(document: Document) -> tuple[Field, ...]:
    """A field for every keyword a document hands on; its value decides the type.

    Raises:
        SpecError: what is under `kwargs` is no mapping, or a value is of no type that a spec can
            hold, or is the time limit.
    """

    def fault(key: str, problem: str, hint: str = "") -> SpecError:
        return SpecError([Fault(document.origin(key), key, problem, hint)])

    if KEYWORDS not in document.values:
        return ()
    keywords = document.values[KEYWORDS]
    if not isinstance(keywords, dict) or not keywords:
        problem = f"got {shown(keywords)}, allowed: a mapping of keywords to values"
        raise fault(KEYWORDS, problem, "leave it out where there are none")
    fields = []
    for name, value in flatten({KEYWORDS: keywords}):
        if name == TIME_LIMIT:
            raise fault(name, "steps_per_episode is the limit of an episode", "give that instead")
        if not _holdable(value):
            allowed = "a number, a string, true, false or a list of such"
            raise fault(name, f"got {shown(value)}, allowed: {allowed}")
        fields.append(_field(name, value))
    return tuple(fields)


def _field(name: str, value: Any) -> Field:
    """A field that allows values as this one; the entries of a list keep their types."""
    parts = tuple(_field("", part) for part in value) if isinstance(value, list) else ()
    return Field(name, KINDS[type(value)], None, "handed to the environment", parts=parts)


def _holdable(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_holdable, value))
    return type(value) in KINDS
