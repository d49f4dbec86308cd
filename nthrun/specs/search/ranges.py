"""Ranges: hyperparameters whose values are drawn instead of listed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from nthrun.specs.field import Field, RejectedError, Value, shown

RangeKind = Literal["uniform", "loguniform", "int"]
KINDS = get_args(RangeKind)
CHOICE = "choice"
EXAMPLE = '{"loguniform": [1e-5, 1e-2]}'


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
        """As a spec writes it."""
        return {self.kind: [self.low, self.high]}

    def __str__(self) -> str:
        return f"{self.kind} {shown(self.low)} to {shown(self.high)}"


Values = tuple[Value, ...] | Range
"""What one key of a search takes: listed values, or a range."""


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
