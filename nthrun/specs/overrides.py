"""`--set environment.dt=0.1`: single fields of the specs, given on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nthrun.errors import Fault, SpecError

ENVIRONMENT, AGENT, SEARCH = "environment", "agent", "search"
OPTION = "--set"


@dataclass(frozen=True, slots=True)
class Override:
    """A field given on the command line.

    Attributes:
        text: as it was given.
        spec: "environment" or "agent", the one it is of.
        content: what a file that says the same would hold.
    """

    text: str
    spec: str
    content: dict[str, Any]

    @property
    def source(self) -> str:
        """What stands for a file's name in errors."""
        return f"{OPTION} {self.text}"


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
        path = name.split(".") if spec != AGENT else ["parameters", *name.split(".")]
        path = [SEARCH, *path] if spec == SEARCH else path
        content: Any = _value(value.strip())
        for part in reversed(path):
            content = {part: content}
        found.append(Override(text, ENVIRONMENT if spec == ENVIRONMENT else AGENT, content))
    if faults:
        raise SpecError(faults)
    return tuple(found)


def of_spec(overrides: Iterable[Override], spec: str) -> list[Override]:
    """The overrides of one spec, "environment" or "agent"."""
    return [override for override in overrides if override.spec == spec]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
