"""`--set environment.dt=0.1`: single fields of the specs, given on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nthrun.errors import Fault, SpecError
from nthrun.specs.field import NUMBER_TEXT

ENVIRONMENT, AGENT, SEARCH = "environment", "agent", "search"
OPTION = "--set"


@dataclass(frozen=True, slots=True)
class Override:
    """A field given on the command line.

    Attributes:
        text: as it was given.
        spec: "environment" or "agent", the one it is of.
        path: the keys to it, one within the other.
        value: of it.
    """

    text: str
    spec: str
    path: tuple[str, ...]
    value: Any

    @property
    def source(self) -> str:
        """What stands for a file's name in errors."""
        return f"{OPTION} {self.text}"

    def content(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """What a file that says the same would hold.

        Args:
            base: what it is merged into; where that writes keys with a dot, so does this.
        """
        return _nested(self.path, self.value, base)


def parse_overrides(texts: Iterable[str]) -> tuple[Override, ...]:
    """Overrides as the command line has them.

    Args:
        texts: `environment.<field>=<value>`, `agent.<hyperparameter>=<value>` or
            `search.<field>=<value>`; the value is JSON, or else a word.

    Raises:
        SpecError: every one that is not readable.
    """
    faults: list[Fault] = []
    found = []
    for text in texts:
        key, equals, value = text.partition("=")
        spec, _, name = key.strip().partition(".")
        if not equals or not name or spec not in (ENVIRONMENT, AGENT, SEARCH):
            allowed = "environment.FIELD=VALUE, agent.HYPERPARAMETER=VALUE or search.FIELD=VALUE"
            hint = "for example --set environment.gamma=0.95"
            faults.append(Fault(f"{OPTION} {text}", "", f"allowed: {allowed}", hint))
            continue
        place = {ENVIRONMENT: (), AGENT: ("parameters",), SEARCH: (SEARCH,)}[spec]
        of = ENVIRONMENT if spec == ENVIRONMENT else AGENT
        found.append(Override(text, of, (*place, *name.split(".")), _value(value.strip())))
    if faults:
        raise SpecError(faults)
    return tuple(found)


def of_spec(overrides: Iterable[Override], spec: str) -> list[Override]:
    """The overrides of one spec, "environment" or "agent"."""
    return [override for override in overrides if override.spec == spec]


def _nested(path: tuple[str, ...], value: Any, base: object) -> dict[str, Any]:
    """A mapping with a value at the end of a path, whose keys are joined as they are in a base."""
    there = base if isinstance(base, Mapping) else {}
    for size in range(len(path), 0, -1):
        key, rest = ".".join(path[:size]), path[size:]
        if key in there or size == 1:
            return {key: _nested(rest, value, there.get(key)) if rest else value}
    raise AssertionError(path)  # a path has an end


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return float(text) if NUMBER_TEXT.fullmatch(text) else text
