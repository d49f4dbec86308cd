"""JSON as the files of nthrun hold it: the one place that parses it, stricter than Python's own.

Refused are what JSON has not (NaN, Infinity), what has two meanings (a key written twice), what no
terminal or file takes (half a surrogate pair), and nesting, or a count of mappings, lists, texts
and numbers, that no document of ours has: three bytes of text can take seventy of memory. Halves
that stand for bytes of a path that is not UTF-8 are the exception, as Python writes them so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

MAX_PARTS = 2_000_000
"""Of a text: mappings and lists, and as many texts, where nothing else is said."""
COMMAS = 10
"""For each of these: a number of two bytes can take thirty-two of memory, and lists of indices in a
text have as many commas as numbers."""
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class JsonError(ValueError):
    """A text that is not JSON as it is read here; the message says why, and where if that helps."""


def parse_json(content: bytes | str, infinite: bool = False, max_parts: int = MAX_PARTS) -> Any:
    """The value that a text stands for.

    Args:
        content: the text.
        infinite: whether it may hold NaN, Infinity and -Infinity, as Python writes them.
        max_parts: mappings and lists it may hold, as many texts, and `COMMAS` times as many commas.

    Raises:
        JsonError: it stands for none.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        if text.count("{") + text.count("[") > max_parts or text.count('"') > 2 * max_parts:
            raise JsonError(f"more than {max_parts:,} mappings, lists or texts")
        if text.count(",") > COMMAS * max_parts:
            raise JsonError(f"more than {COMMAS * max_parts:,} numbers")
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=float if infinite else _no_number
        )
    except JsonError:
        raise
    except UnicodeDecodeError as error:
        raise JsonError(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise JsonError(f"not valid JSON at {where}: {error.msg}") from None
    except RecursionError:
        raise JsonError("nested too deeply") from None
    except ValueError:  # Python's own bound on the digits of an integer
        raise JsonError("a number of too many digits") from None
    if SURROGATE.search(text) and not all(map(_is_printable, _texts(value))):
        raise JsonError("half a surrogate pair in a text")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonError(f"the key {json.dumps(twice)[:60]} is written more than once")
    return made


def _no_number(name: str) -> NoReturn:
    raise JsonError(f"{name} is no number of JSON")


def _texts(value: Any) -> Iterator[str]:
    """Every text within a value, however deep it lies."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            left += item
        elif isinstance(item, dict):
            left += item
            left += item.values()


def _is_printable(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
