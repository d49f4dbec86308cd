"""PyExpUtils' files: `metaParameters`, of which an index is a setting and a run, as here.

Version 8 sorts the keys, and the first changes fastest; early versions kept the file's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nthrun.legacy.sweeps.base import ForeignSweep, leaves

META = "metaParameters"


def is_pyexputils(content: Mapping[str, Any]) -> bool:
    """Whether a file is an experiment of PyExpUtils."""
    return isinstance(content.get(META), dict)


def read_pyexputils(content: Mapping[str, Any], program: str = "") -> list[ForeignSweep]:
    """The sweep of a file of PyExpUtils.

    Args:
        content: of the file, of which `is_pyexputils` holds.
        program: a script that is given hyperparameters; there it read the file itself.
    """
    found = ForeignSweep("PyExpUtils")
    if program:
        found.command = ["python", program, "{args}", "--seed={seed}"]
    found.constants = leaves({key: value for key, value in content.items() if key != META})
    read = leaves(content[META])
    for name in sorted(read):
        value = read[name]
        items = value if isinstance(value, list) else [value]
        if any(isinstance(item, dict) for item in items):
            found.lose(name, "a list of mappings, each of whose lists was swept: name them apart")
        elif items:
            found.take(name, items)
        else:
            found.lose(name, "an empty list")
    if list(read) != sorted(read) and len([v for v in found.values.values() if len(v) > 1]) > 1:
        found.told.append(
            "keys are sorted, as indices of later versions of PyExpUtils count; earlier ones kept "
            "the order of the file"
        )
    return [found]
