"""Where runs come from: the versions, machines and programs of their provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from nthrun.records.data import Data

MAX_VALUES = 8
KEYS = {
    "git_commit": "git commit",
    "code": "code (hash)",
    "backend": "backend",
    "device": "device",
    "compiler": "compiler",
    "threads": "threads",
    "processor": "kind of processor",
    "host": "host",
    "pack_width": "runs in a pack",
}
COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Origin:
    """One thing that provenance tells.

    Attributes:
        name: of it.
        values: value -> how many runs; the most frequent first, no more than 8.
        num_distinct: values there are.
    """

    name: str
    values: Mapping[str, int]
    num_distinct: int


def origins(data: Data) -> list[Origin]:
    """What the runs' provenance tells, and how many different values there are of each."""
    counts: dict[str, Counter[str]] = {}
    for document in data.bulk(("provenance",)).documents["provenance"]:
        for name, value in _told(document):
            counts.setdefault(name, Counter())[value] += 1
    return [
        Origin(name, dict(found.most_common(MAX_VALUES)), len(found))
        for name, found in counts.items()
    ]


def _told(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(what, value) of one run."""
    for key, name in KEYS.items():
        if key in document:
            yield name, str(document[key]) or "none"
    for package, version in document.get("versions", {}).items():
        yield f"version of {package}", str(version)
    hosts = {str(each["host"]) for each in document.get("attempts", []) if "host" in each}
    if len(hosts) > 1:
        yield "moved between hosts", ", ".join(sorted(hosts))
    if line := document.get("command_line"):
        yield COMMAND_LINE, " ".join(chain(["python"], map(str, line)))
