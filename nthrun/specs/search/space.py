"""The space of a search: what its hyperparameters take, when they count, and what must hold.

A hyperparameter takes listed values, or the numbers of a range, from which they are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, cast, get_args

import numpy as np

from nthrun.specs.field import Field, RejectedError, Value, shown
from nthrun.specs.search.expression import Expression

RangeKind = Literal["uniform", "loguniform", "int"]
KINDS = get_args(RangeKind)
CHOICE = "choice"
EXAMPLE = '{"loguniform": [1e-5, 1e-2]}'
COUPLER = "/"


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers between two, both included.

    Attributes:
        kind: "uniform" and "loguniform" of real numbers, "int" of integers, each as likely.
        low, high: the ends, `low < high`.
    """

    kind: RangeKind
    low: float
    high: float

    def at(self, share: float) -> int | float:
        """The value below which a share of the range lies.

        Real numbers are rounded to nine digits, so that processors whose exponential functions
        differ in the last bit agree on the value.

        Args:
            share: in [0, 1).
        """
        if self.kind == "int":
            low, high = int(self.low), int(self.high)
            return min(low + int(share * (high - low + 1)), high)
        if self.kind == "uniform":
            value = self.low + share * (self.high - self.low)
        else:
            start, end = math.log(self.low), math.log(self.high)
            value = math.exp(start + share * (end - start))
        return self.rounded(value)

    def rounded(self, value: float) -> float:
        """A real number of the range with nine digits, within the ends."""
        return min(max(float(f"{value:.9g}"), self.low), self.high)

    def as_document(self) -> dict[str, list[float]]:
        """The range as a spec writes it."""
        return {self.kind: [self.low, self.high]}

    def __str__(self) -> str:
        return f"{self.kind} {shown(self.low)} to {shown(self.high)}"


Values = tuple[Value, ...] | Range
"""What one key of a search takes: listed values, or a range."""


@dataclass(frozen=True)
class Space:
    """What settings are drawn or chosen from.

    Attributes:
        parameters: key -> listed values or a range, in file order. A coupled key joins
            hyperparameter names with `/` and its values are tuples, one entry a name.
        defaults: hyperparameters the spec does not name, with their declared defaults.
        conditions: hyperparameter -> when it counts. Where that does not hold, it takes the value
            of `inactive` instead; later conditions see what earlier ones did.
        inactive: value of each hyperparameter with a condition where it does not count, and of
            each that some of the settings listed leave out.
        constraints: what must hold of every setting.
    """

    parameters: Mapping[str, Values]
    defaults: Mapping[str, Value] = field(default_factory=dict)
    conditions: Mapping[str, Expression] = field(default_factory=dict)
    inactive: Mapping[str, Value] = field(default_factory=dict)
    constraints: tuple[Expression, ...] = ()

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """The keys that take several values."""
        return tuple(
            key
            for key, values in self.parameters.items()
            if isinstance(values, Range) or len(values) > 1
        )

    @cached_property
    def differing(self) -> tuple[str, ...]:
        """The hyperparameters that take several values, the one where they do not count too."""
        keys = (key for key in self.parameters if key in self.varying or key in self.conditions)
        return tuple(names_of(dict.fromkeys(keys)))

    @cached_property
    def constant(self) -> dict[str, Any]:
        """Every hyperparameter at its first value or lower end, in documented order."""
        setting: dict[str, Any] = {}
        for key, values in self.parameters.items():
            setting.update(split(key, values.low if isinstance(values, Range) else values[0]))
        return {**setting, **self.defaults}

    def at(self, point: np.ndarray) -> dict[str, Any]:
        """The setting at a point of the unit cube, whether allowed or not.

        Args:
            point: `(len(varying),)` in [0, 1).
        """
        setting = self.constant.copy()
        for key, share in zip(self.varying, point.tolist(), strict=True):
            values = self.parameters[key]
            if isinstance(values, Range):
                setting[key] = values.at(share)
            else:
                setting.update(split(key, values[int(share * len(values))]))
        return self.resolved(setting)

    def resolved(self, setting: dict[str, Any]) -> dict[str, Any]:
        """A setting with what does not count in it at its inactive value, changed in place.

        Raises:
            RejectedError: a condition cannot be evaluated.
        """
        self.silence(setting)
        return setting

    def silence(self, setting: dict[str, Any]) -> list[str]:
        """Give what does not count in a setting its inactive value; returns these names.

        Raises:
            RejectedError: a condition cannot be evaluated.
        """
        silent = []
        for name, condition in self.conditions.items():
            if not condition.holds(setting):
                setting[name] = self.inactive[name]
                silent.append(name)
        return silent

    def allows(self, setting: Mapping[str, Any]) -> bool:
        """Whether every constraint holds.

        Raises:
            RejectedError: a constraint cannot be evaluated.
        """
        return all(constraint.holds(setting) for constraint in self.constraints)


def is_drawn(raw: object) -> bool:
    """Whether a raw value says how values are drawn, `{"uniform": …}` and the like."""
    return isinstance(raw, dict) and bool(raw) and raw.keys() <= {*KINDS, CHOICE}


def read_range(raw: Mapping[str, object], field: Field, *, yaml_text: bool) -> Range:
    """A range, `{"uniform": [low, high]}`.

    Args:
        raw: a mapping of a kind to its ends.
        field: that the values are of.
        yaml_text: see `Field.normalise`.

    Raises:
        RejectedError: it is no range, or the field does not allow its ends.
    """
    if len(raw) != 1 or next(iter(raw)) not in KINDS:
        kinds = ", ".join((*KINDS, CHOICE))
        raise RejectedError(
            f"got {shown(raw)}, allowed: values, or one of {kinds} with its list",
            f"for example {EXAMPLE}",
        )
    ((kind, ends),) = raw.items()
    if not isinstance(ends, list) or len(ends) != 2:
        raise RejectedError(f"got {shown(raw)}, allowed: {kind} [low, high]")
    if field.kind not in ("int", "float") or (field.kind == "int") != (kind == "int"):
        raise RejectedError(
            f"got {shown(raw)}, allowed: {field.allowed()}",
            f"{field.name} is {'an integer: int' if field.kind == 'int' else 'not drawn so'}"
            if field.kind != "float"
            else f"{field.name} is a number: uniform or loguniform",
        )
    low, high = (cast(float, field.normalise(end, yaml_text=yaml_text)) for end in ends)
    if not low < high:
        raise RejectedError(f"got {shown(raw)}, allowed: a low end below the high one")
    if kind == "loguniform" and low <= 0:
        raise RejectedError(f"got {shown(raw)}, allowed: loguniform from a number above 0")
    return Range(cast(RangeKind, kind), low, high)


def split(key: str, value: Any) -> dict[str, Any]:
    """One value of a key as hyperparameters: several for a coupled key."""
    if COUPLER not in key:
        return {key: value}
    return dict(zip(key.split(COUPLER), value, strict=True))


def names_of(parameters: Mapping[str, object]) -> Iterator[str]:
    """The hyperparameters that keys name."""
    return (name for key in parameters for name in key.split(COUPLER))


def texts_of(constraints: Iterable[Expression]) -> str:
    """Constraints as an error names them."""
    return " and ".join(repr(constraint.text) for constraint in constraints)
