"""Fields: the keys of a spec, what they mean, and the values they allow."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Value = bool | int | float | str | tuple[Any, ...] | Mapping[str, Any]
Kind = Literal[
    "bool",
    "int",
    "float",
    "str",
    "ints",
    "floats",
    "strs",
    "parts",
    "mapping",
    "mappings",
    "any",
]

NUMBER_TEXT = re.compile(r"[-+]?(?!0\d+\Z)(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
"""A decimal number; not 0100, which is 64 to some and 100 to others."""


NOUNS = {
    "int": "an integer",
    "float": "a number",
    "str": "a string",
    "ints": "integers",
    "floats": "numbers",
    "strs": "strings",
}
MAPPINGS = "mappings"
WORDS = {
    "bool": "true or false",
    "mapping": "a mapping of names to values",
    MAPPINGS: "a list of mappings of names to values",
    "any": "numbers, texts, true, false, or lists of them",
}
"""Kind -> what is allowed, where there is nothing more to it."""
MAX_BITS = 1024
"""Bits of an integer at most: those of the largest float."""


class RejectedError(ValueError):
    """A value outside what its field allows: the problem, and what to do."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a spec.

    Attributes:
        name: the key.
        kind: type of one value; `ints`, `floats`, `strs` are lists (swept, lists of lists),
            and so is `parts`, each of whose entries is a field of its own. A `mapping` is any plain
            data under names, kept exactly as it stands, and `mappings` is a list of such. `any` is
            what nobody declared: a number, a text, true, false or a list of them, of the type that
            the spec wrote.
        default: the value where a spec is silent; None means that the key is required.
        doc: meaning and unit, in one phrase.
        minimum, maximum: inclusive bounds of a number or of a list's numbers.
        above: exclusive lower bound.
        choices: the allowed strings.
        length: the allowed length of a list; None is any.
        parts: the entries of a value of that kind.
        static: whether the value changes shapes or program structure, so that runs of
            different values cannot share a pack.
    """

    name: str
    kind: Kind
    default: Value | None
    doc: str
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    length: int | None = None
    parts: tuple[Field, ...] = ()
    static: bool = False

    @property
    def is_list(self) -> bool:
        """Whether one value is itself a list."""
        return self.kind in ("ints", "floats", "strs", "parts")

    def normalise(self, raw: object, *, yaml_text: bool = False) -> Value:
        """One raw value as the declared type.

        Args:
            raw: a value as JSON or YAML gives it.
            yaml_text: whether a string that spells a number counts as one (YAML reads `1e-3`
                as a string).

        Raises:
            RejectedError: the value is of another type or out of range.
        """
        if self.kind == "mapping":
            return self._mapping(raw)
        if self.kind == MAPPINGS:
            return self._mappings(raw)
        if self.kind == "any":
            return self._undeclared(raw, yaml_text)
        if not self.is_list:
            return self._scalar(raw, yaml_text)
        if not isinstance(raw, (list, tuple)):
            raise RejectedError(self._got(raw))
        if self.kind == "parts":
            return self._parts(raw, yaml_text)
        if self.length is not None and len(raw) != self.length:
            raise RejectedError(self._got(raw))
        return tuple(self._scalar(item, yaml_text) for item in raw)

    def allowed(self) -> str:
        """What the field allows, in words."""
        if self.kind in WORDS:
            return WORDS[self.kind]
        if self.parts:
            return f"[{', '.join(part.name for part in self.parts)}], " + ", ".join(
                f"{part.name} {part.allowed()}" for part in self.parts
            )
        if self.choices:
            words = "one of " + ", ".join(self.choices)
            return f"a list of {words}" if self.is_list else words
        noun = NOUNS[self.kind]
        if self.is_list:
            noun = f"a list of {'' if self.length is None else f'{self.length} '}{noun}"
        return noun + self._range()

    def _range(self) -> str:
        if self.above is not None:
            upper = "" if self.maximum is None else f" and <= {self.maximum:g}"
            return f" > {self.above:g}{upper}"
        if self.minimum is not None and self.maximum is not None:
            return f" from {self.minimum:g} to {self.maximum:g}"
        return "" if self.minimum is None else f" >= {self.minimum:g}"

    def _mapping(self, raw: object) -> Value:
        if not isinstance(raw, Mapping):
            raise RejectedError(self._got(raw))
        for key, value in _unwritable(raw):
            raise RejectedError(f"{key}: got {shown(value)}, allowed: numbers that JSON can hold")
        kept: Mapping[str, Any] = plain(raw)
        return kept

    def _mappings(self, raw: object) -> Value:
        if not isinstance(raw, (list, tuple)):
            raise RejectedError(self._got(raw))
        return tuple(self._mapping(item) for item in raw)

    def _undeclared(self, raw: object, yaml_text: bool) -> Value:
        """A value of the type that it was written as."""
        if isinstance(raw, (list, tuple)):
            return tuple(self._undeclared(item, yaml_text) for item in raw)
        if isinstance(raw, str) and yaml_text and NUMBER_TEXT.fullmatch(raw) and "e" in raw.lower():
            return float(raw)
        for _, value in _unwritable(raw):
            raise RejectedError(f"got {shown(value)}, allowed: numbers that JSON can hold")
        if not isinstance(raw, (bool, int, float, str)):
            raise RejectedError(self._got(raw))
        return raw

    def _parts(self, raw: Sequence[object], yaml_text: bool) -> Value:
        if len(raw) != len(self.parts):
            raise RejectedError(self._got(raw))
        pairs = zip(self.parts, raw, strict=True)
        try:
            return tuple(part.normalise(item, yaml_text=yaml_text) for part, item in pairs)
        except RejectedError as rejected:
            raise RejectedError(self._got(raw), rejected.hint) from None

    def _scalar(self, raw: object, yaml_text: bool) -> bool | int | float | str:
        kind = {"ints": "int", "floats": "float", "strs": "str"}.get(self.kind, self.kind)
        if kind == "bool":
            if not isinstance(raw, bool):
                raise RejectedError(self._got(raw))
            return raw
        if kind == "str":
            if raw == "" and not self.choices:
                raise RejectedError('got "", allowed: a string of one character or more')
            if not isinstance(raw, str) or not raw or (self.choices and raw not in self.choices):
                raise RejectedError(self._got(raw), self._nearest(raw))
            return raw
        number = self._number(raw, yaml_text)
        if not self._in_range(number):
            raise RejectedError(self._got(raw))
        if kind == "float":
            return float(number) + 0.0  # the sum turns -0.0 into 0.0
        if number != int(number):
            raise RejectedError(self._got(raw))
        return int(number)

    def _nearest(self, raw: object) -> str:
        return did_you_mean(raw, self.choices) if isinstance(raw, str) else ""

    def _number(self, raw: object, yaml_text: bool) -> int | float:
        if isinstance(raw, str) and yaml_text and NUMBER_TEXT.fullmatch(raw):
            raw = float(raw)
        if isinstance(raw, bool) or not isinstance(raw, (int, float)):
            numeric = isinstance(raw, str) and NUMBER_TEXT.fullmatch(raw)
            raise RejectedError(self._got(raw), f"write {raw} without quotes" if numeric else "")
        try:
            if not math.isfinite(float(raw)):
                raise RejectedError(self._got(raw))
        except OverflowError:
            raise RejectedError(f"got a number too large, allowed: {self.allowed()}") from None
        return raw

    def _in_range(self, number: float) -> bool:
        return (
            (self.minimum is None or number >= self.minimum)
            and (self.maximum is None or number <= self.maximum)
            and (self.above is None or number > self.above)
        )

    def _got(self, raw: object) -> str:
        return f"got {shown(raw)}, allowed: {self.allowed()}"


def unknown_keys(
    keys: Iterable[str], known: Iterable[str], allowed: str
) -> list[tuple[str, str, str]]:
    """(key, problem, hint) for every key that is not known."""
    names = tuple(known)
    return [
        (key, f"unknown key, allowed: {allowed}", did_you_mean(key, names))
        for key in keys
        if key not in names
    ]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion for a misspelt word, or nothing."""
    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return f"did you mean {folded[near[0]]}?" if near else ""


def plain(value: object) -> Any:
    """A value as JSON holds it, copied: tuples as lists."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _unwritable(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    """Key and value of every number in plain data that no JSON file can hold, or that is huge."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _unwritable(item, f"{key}.{name}" if key else name)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _unwritable(item, key)
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield key, value
    elif isinstance(value, int) and value.bit_length() > MAX_BITS:
        yield key, value


def shown(raw: object) -> str:
    """A value as a spec would write it, cut to a readable length."""
    try:
        text = json.dumps(raw, default=str, ensure_ascii=False)
    except ValueError:  # YAML reads hexadecimal integers longer than Python prints
        text = "a number too large"
    return text if len(text) <= 60 else text[:57] + "..."
