"""Forms: what a document of nthrun may hold, field by field.

A form is data, so that what reads a document and what tests its readers say the same of it. It
finds the first thing in a value that does not fit, with the key it stands at. Keys take longer to
write than values to look at, so that forms of mappings write them only where something misfits.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

LARGEST_INTEGER = 2**63 - 1
LARGEST_NUMBER = 10**308
DEEPEST = 40
LONGEST_TEXT = 2**24
Misfit = tuple[str, str]
"""The key that does not fit, and what is wrong with it."""


class Form(Protocol):
    """What a value may be."""

    def misfit(self, value: Any, key: str) -> Misfit | None:
        """The first thing that does not fit in the value at a key; None where all does."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer within bounds, both inclusive."""

    minimum: int = 0
    maximum: int = LARGEST_INTEGER

    def misfit(self, value: Any, key: str) -> Misfit | None:
        """It is no integer, or out of bounds."""
        if type(value) is int and self.minimum <= value <= self.maximum:
            return None
        return _got(value, key, f"an integer from {self.minimum} to {self.maximum}")


@dataclass(frozen=True, slots=True)
class Number:
    """A number, finite or not, at least `minimum`."""

    minimum: float = -math.inf
    finite: bool = True

    def misfit(self, value: Any, key: str) -> Misfit | None:
        """It is no number, infinite or too small."""
        is_number = type(value) is float or (type(value) is int and _is_finite(value))
        if is_number and (not self.finite or _is_finite(value)) and value >= self.minimum:
            return None
        bound = "" if self.minimum == -math.inf else f" from {self.minimum:g}"
        return _got(value, key, f"a {'finite ' * self.finite}number{bound}")


@dataclass(frozen=True, slots=True)
class Text:
    """A text.

    Attributes:
        choices: those allowed; empty allows any.
        pattern: a regular expression for the whole of it.
        words: what the pattern means.
    """

    choices: tuple[str, ...] = ()
    pattern: str = ""
    words: str = ""

    def misfit(self, value: Any, key: str) -> Misfit | None:
        """It is no text, or another one."""
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            return _got(value, key, "a text")
        if self.choices and value not in self.choices:
            return _got(value, key, "one of " + ", ".join(self.choices))
        if self.pattern and not re.fullmatch(self.pattern, value):
            return _got(value, key, self.words)
        return None


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def misfit(self, value: Any, key: str) -> Misfit | None:
        """It is neither."""
        return None if isinstance(value, bool) else _got(value, key, "true or false")


@dataclass(frozen=True, slots=True)
class Unchecked:
    """Anything: what is looked at by nobody, or by another form later."""

    def misfit(self, value: Any, key: str) -> Misfit | None:
        """Nothing is."""


@dataclass(frozen=True, slots=True)
class Plain:
    """Any value of JSON that is not nested deeper than `DEEPEST` and whose numbers are finite."""

    def misfit(self, value: Any, key: str) -> Misfit | None:
        """It is too deep, or a number in it is not finite."""
        left = [(value, 0)]
        while left:
            item, depth = left.pop()
            if depth > DEEPEST:
                return key, f"nested deeper than {DEEPEST} levels"
            if isinstance(item, dict):
                left += [(inner, depth + 1) for inner in item.values()]
            elif isinstance(item, list):
                left += [(inner, depth + 1) for inner in item]
            elif isinstance(item, (int, float)) and not _is_finite(item):
                return _got(item, key, "finite numbers")
        return None


@dataclass(frozen=True, slots=True)
class Maybe:
    """What another form allows, or null."""

    form: Form

    def misfit(self, value: Any, key: str) -> Misfit | None:
        """It is neither."""
        return None if value is None else self.form.misfit(value, key)


@dataclass(frozen=True, slots=True)
class Either:
    """What one of two forms allows."""

    form: Form
    other: Form

    def misfit(self, value: Any, key: str) -> Misfit | None:
        """It is neither; said is what the first allows."""
        found = self.form.misfit(value, key)
        return found if found and self.other.misfit(value, key) else None


@dataclass(frozen=True, slots=True)
class Items:
    """A list of any length, each item of one form."""

    form: Form

    def misfit(self, value: Any, key: str) -> Misfit | None:
        """It is no list, or an item does not fit."""
        if not isinstance(value, list):
            return _got(value, key, "a list")
        found = (self.form.misfit(item, f"{key}[{n}]") for n, item in enumerate(value))
        return next(filter(None, found), None)


@dataclass(frozen=True, slots=True)
class Row:
    """A list with a form for each of its items."""

    forms: tuple[Form, ...]

    def misfit(self, value: Any, key: str) -> Misfit | None:
        """It is no list of that length, or an item does not fit."""
        if not isinstance(value, list) or len(value) != len(self.forms):
            return _got(value, key, f"a list of {len(self.forms)}")
        pairs = enumerate(zip(self.forms, value, strict=True))
        found = (form.misfit(item, f"{key}[{n}]") for n, (form, item) in pairs)
        return next(filter(None, found), None)


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping whose keys are of one form, and whose values of another."""

    form: Form
    keys: Text = Text()

    def misfit(self, value: Any, key: str) -> Misfit | None:
        """It is no mapping, or a key or a value does not fit."""
        if not isinstance(value, dict):
            return _got(value, key, "a mapping")
        for name, item in value.items():
            if self._misfit_at(name, item, "") is not None:
                return self._misfit_at(name, item, _within(key, name))
        return None

    def _misfit_at(self, name: str, item: Any, key: str) -> Misfit | None:
        return self.keys.misfit(name, key) or self.form.misfit(item, key)


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping with a form for each of its keys.

    Attributes:
        required: name -> form.
        optional: the same of those that may be absent.
        others: the form of any other key; None allows none.
    """

    required: Mapping[str, Form]
    optional: Mapping[str, Form] = field(default_factory=dict)
    others: Form | None = None

    def misfit(self, value: Any, key: str) -> Misfit | None:
        """It is no mapping, lacks a key, has an unknown one, or a value does not fit."""
        if not isinstance(value, dict):
            return _got(value, key, "a mapping")
        for name, form in self.required.items():
            if name not in value:
                return _within(key, name), "missing"
            if form.misfit(value[name], "") is not None:
                return form.misfit(value[name], _within(key, name))
        if type(self.others) is Unchecked and not self.optional:
            return None
        for name, item in value.items():
            if name not in self.required and self._other_misfit(item, "", name) is not None:
                return self._other_misfit(item, _within(key, name), name)
        return None

    def _other_misfit(self, value: Any, key: str, name: str) -> Misfit | None:
        form = self.optional.get(name, self.others)
        return (key, "unknown key") if form is None else form.misfit(value, key)


ANY_FIELDS = Fields({}, others=Unchecked())
"""A mapping, whatever it holds."""


def _within(key: str, name: str) -> str:
    text = name if name.isprintable() and len(name) <= 60 else json.dumps(name)[:60]
    return f"{key}.{text}" if key else text


def _is_finite(value: float) -> bool:
    return -LARGEST_NUMBER <= value <= LARGEST_NUMBER


def _got(value: Any, key: str, allowed: str) -> Misfit:
    return key, f"got {_shown(value)}, allowed: {allowed}"


def _shown(value: Any) -> str:
    """A value in one short line, whatever it holds."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        return "a number too large"
    text = json.dumps(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "..."
