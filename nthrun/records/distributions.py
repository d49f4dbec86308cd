"""The distributions that are installed where runs are made: kept once an experiment, by hash.

    distributions/<hash>.json     name -> version, of every installed distribution

A record's provenance has the hash.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from nthrun.errors import DataFileError
from nthrun.files.document import read_document
from nthrun.files.forms import Table, Text
from nthrun.records.durable_file import write_durably
from nthrun.records.listing import is_file

DISTRIBUTIONS = "distributions"
"""Folder of an experiment, and key of provenance."""
DIGITS = 16
FORM = Table(Text())
FIELD = re.compile(r"^(Name|Version): *(.*?)\s*$", re.MULTILINE | re.IGNORECASE)
NOUN = "a list of distributions"


@cache
def installed_distributions() -> dict[str, str]:
    """Name -> version of every distribution that this process could import, sorted by name.

    The first call decides, so it is made before training starts.
    """
    found: dict[str, str] = {}
    for each in metadata.distributions():
        name, version = _named(each)
        if name:
            found.setdefault(name, version)
    return dict(sorted(found.items()))


def _named(distribution: metadata.Distribution) -> tuple[str, str]:
    """Name and version, "" where there is none; the rest of what it says is not parsed, which takes
    long."""
    kinds = ("METADATA", "PKG-INFO", "")  # the last of an .egg-info that is a file
    text = next(filter(None, map(distribution.read_text, kinds)), "")
    fields: dict[str, str] = {}
    for key, value in FIELD.findall(text.partition("\n\n")[0]):
        fields.setdefault(key.lower(), value)
    return fields.get("name", ""), fields.get("version", "")


def distributions_hash(distributions: Mapping[str, str]) -> str:
    """The hash that stands for names and versions."""
    return hashlib.sha256(_text(distributions).encode()).hexdigest()[:DIGITS]


def _text(distributions: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(distributions.items())), indent=1)


def keep_distributions(root: Path, runs: Iterable[Mapping[str, Any]]) -> None:
    """Write what is installed here into an experiment's directory, where runs have its hash and it
    is not there yet.

    Raises:
        StorageError: it cannot be written.
    """
    named = {run["provenance"].get(DISTRIBUTIONS) for run in runs if "provenance" in run}
    if not named - {None}:
        return
    installed = installed_distributions()
    digest = distributions_hash(installed)
    path = root / DISTRIBUTIONS / f"{digest}.json"
    if digest in named and not is_file(path):
        write_durably(path, lambda file: file.write(_text(installed).encode()))


def read_distributions(path: Path) -> dict[str, str]:
    """Name -> version, as a file of `keep_distributions` has them.

    Raises:
        DataFileError: it is damaged, or not what its name stands for.
    """
    found: dict[str, str] = read_document(path, FORM, NOUN)
    if distributions_hash(found) != path.stem:
        raise DataFileError(f"{path}: damaged, its hash is {distributions_hash(found)}")
    return found


def changed_versions(root: Path, provenance: Mapping[str, Any]) -> list[str]:
    """What is installed here otherwise than where a record was made, each with both versions; none
    where that is not known.

    Args:
        root: the experiment's directory.
        provenance: of the record.
    """
    path = root / DISTRIBUTIONS / f"{provenance.get(DISTRIBUTIONS)}.json"
    try:
        before = read_distributions(path) if is_file(path) else None
    except DataFileError:
        before = None
    here = installed_distributions()
    return [
        f"{name} ({before.get(name, 'none')}, here {here.get(name, 'none')})"
        for name in sorted({*(before or ()), *here})
        if before is not None and before.get(name) != here.get(name)
    ]
