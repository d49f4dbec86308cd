"""What agents and environments of the field's earlier tool added to a run.

Their names become those of datasets and of keys of JSON, so a name that could not be read back is
left out and told, never changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nthrun.records.old_values import WrongError, is_integer, numbers, plain_value
from nthrun.records.schema import Run

MAX_NAME = 1000
# a part of a path; beside the arrays of a name lie its dtypes, which begin with <, >, | or =
_PART = re.compile(r"(?!\.{1,2}\Z)[^/<>|=\0\ud800-\udfff][^/\0\ud800-\udfff]*")


def add_learned(run: Run, learned: Any, left_out: set[str]) -> None:
    """Add learned parameters to a record, nested names joined by `/`.

    Args:
        run: whose `learned_params` they become.
        learned: a dict, or None.
        left_out: what no record can hold is added here.
    """
    if learned is not None and not isinstance(learned, dict):
        left_out.add("learned_params")
        return
    params = run["learned_params"]
    for keys, value in _leaves(learned or {}, ()):
        array, name = numbers(value), _name(keys)
        if array is None or not is_name(keys) or name in params:
            left_out.add(f"learned_params/{_told(name, name in params)}")
        else:
            params[name] = array


def add_others(run: Run, values: Mapping[Any, Any], left_out: set[str]) -> None:
    """Add other values to a record: a series becomes one of the metrics, the rest provenance.

    Args:
        run: the record.
        values: key -> value.
        left_out: what no record can hold is added here.
    """
    taken: set[str] = set()
    for key in sorted(values, key=str):
        name = str(key)
        if not is_name((key,)) or name in taken or not _add_other(run, name, values[key]):
            left_out.add(_told(name, name in taken))
        taken.add(name)


def is_name(keys: tuple[Any, ...]) -> bool:
    """Whether keys, one in the other, make a name that is read back from any file.

    They are texts or integers. No part between slashes is empty, `.` or `..`, begins as the name of
    a dtype does, or holds NUL or half a surrogate pair; a name has at most 1000 letters.
    """
    if not all(isinstance(key, str) or is_integer(key) for key in keys):
        return False
    name = _name(keys)
    return len(name) <= MAX_NAME and all(map(_PART.fullmatch, name.split("/")))


def _add_other(run: Run, name: str, value: Any) -> bool:
    """Whether the value could be added."""
    array = numbers(value) if isinstance(value, (list, tuple, np.ndarray)) else None
    if array is not None and array.ndim == 1 and "/" not in name:
        run.setdefault("metrics", {})[name] = array
        return True
    try:
        listed = value.tolist() if isinstance(value, np.ndarray) else value
        plain = plain_value(listed, name)
    except WrongError:
        return False
    run["provenance"].setdefault("imported", {})[name] = plain
    return True


def _leaves(
    value: Mapping[Any, Any], above: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for key, item in value.items():
        if isinstance(item, dict) and item:
            yield from _leaves(item, (*above, key))
        else:
            yield (*above, key), item


def _name(keys: tuple[Any, ...]) -> str:
    # a key may be long, and the same one above many others
    return "/".join(str(key)[: MAX_NAME + 1] for key in keys)


def _told(name: str, again: bool) -> str:
    """A name as an error shows it, whatever it holds."""
    text = name if name and name.isprintable() else ascii(name)
    return text[:80] + (" (a second one)" if again else "")
