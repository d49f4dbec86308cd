"""The space of a search: what its hyperparameters take, when they count, and what must hold.

A hyperparameter takes listed values, or the numbers of a range, from which they are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import NormalDist
from typing import Any, Literal, cast, get_args

import numpy as np

from nthrun.specs.field import Field, RejectedError, Value, shown
from nthrun.specs.search.expression import Expression

RangeKind = Literal["uniform", "loguniform", "int", "normal", "lognormal", "beta_distribution"]
KINDS = get_args(RangeKind)
SHAPED = ("normal", "lognormal", "beta_distribution")
"""Kinds of two numbers that are not the ends."""
TAIL = 1e-9
"""Share of such a distribution that is cut off at either end, if its field does not cut more."""
CHOICE = "choice"
EXAMPLE = '{"loguniform": [1e-5, 1e-2]}'
COUPLER = "/"


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers between two, both included, and how likely each is.

    Attributes:
        kind: "uniform" and "loguniform" of real numbers, "int" of integers, each as likely;
            "normal", "lognormal" and "beta_distribution" are what they are called.
        low, high: the ends, `low < high`.
        step: values are rounded to its multiples, those within the ends; 0 is none. An integer
            makes them integers.
        shape: mean and standard deviation of a normal distribution or of a logarithm, or α and β;
            of the other kinds, the ends.
    """

    kind: RangeKind
    low: float
    high: float
    step: float = 0.0
    shape: tuple[float, float] | None = None

    @property
    def is_even(self) -> bool:
        """Whether a search that learns may look between the ends as evenly as the kind says."""
        return self.kind not in SHAPED and not self.step

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
        value = self.quantile(share)
        return self._stepped(value) if self.step else self.rounded(value)

    def share_of(self, value: float) -> float:
        """The share of the distribution below a value, in [0, 1]: what `at` gives it for, but for
        rounding."""
        if self.kind == "uniform":
            share = (value - self.low) / (self.high - self.low)
        elif self.kind == "loguniform":
            start, end = math.log(self.low), math.log(self.high)
            share = (math.log(max(value, self.low)) - start) / (end - start)
        else:
            first, second = self.shape or (0.0, 1.0)
            if self.kind == "beta_distribution":
                share = float(_special().betainc(first, second, min(max(value, 0.0), 1.0)))
            else:
                place = math.log(max(value, TAIL)) if self.kind == "lognormal" else value
                share = NormalDist(first, second).cdf(place)
        return min(max(share, 0.0), 1.0)

    def quantile(self, share: float) -> float:
        """The same without ends, step and rounding, of a range that is not "int"."""
        if self.kind == "uniform":
            return self.low + share * (self.high - self.low)
        if self.kind == "loguniform":
            start, end = math.log(self.low), math.log(self.high)
            return math.exp(start + share * (end - start))
        first, second = self.shape or (0.0, 1.0)
        if self.kind == "beta_distribution":
            return float(_special().betaincinv(first, second, share))
        place = NormalDist(first, second).inv_cdf(min(max(share, TAIL), 1.0 - TAIL))
        return math.exp(place) if self.kind == "lognormal" else place

    def _stepped(self, value: float) -> int | float:
        """The nearest multiple of the step within the ends."""
        count = round(min(max(value, self.low), self.high) / self.step)
        first, last = math.ceil(self.low / self.step), math.floor(self.high / self.step)
        count = min(max(count, first), last)
        return (
            count * self.step if isinstance(self.step, int) else float(f"{count * self.step:.9g}")
        )

    def rounded(self, value: float) -> float:
        """A real number of the range with nine digits, within the ends."""
        return min(max(float(f"{value:.9g}"), self.low), self.high)

    def as_document(self) -> dict[str, list[float]]:
        """The range as a spec writes it."""
        numbers = [self.low, self.high] if self.shape is None else [*self.shape]
        return {self.kind: [*numbers, self.step] if self.step else numbers}

    def __str__(self) -> str:
        by = f" by {shown(self.step)}" if self.step else ""
        if self.shape is not None:
            return f"{self.kind} {shown(self.shape[0])}, {shown(self.shape[1])}{by}"
        return f"{self.kind} {shown(self.low)} to {shown(self.high)}{by}"


def _special() -> Any:
    """scipy's special functions, which take a moment to import that most specs do not owe."""
    from scipy import special  # noqa: PLC0415

    return special


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
        raw: a mapping of a kind to its two numbers, and to a step if there is one.
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
    ((name, numbers),) = raw.items()
    kind = cast(RangeKind, name)
    sizes = (2,) if kind == "int" else (2, 3)
    if not isinstance(numbers, list) or len(numbers) not in sizes:
        ends = "[first, second]" if kind in SHAPED else "[low, high]"
        raise RejectedError(f"got {shown(raw)}, allowed: {kind} {ends}")
    if field.kind == "any":
        is_whole = kind == "int" or (len(numbers) > 2 and {*map(type, numbers)} == {int})
        field = replace(field, kind="int" if is_whole else "float")
    step = _step(raw, numbers, field, yaml_text) if len(numbers) > 2 else 0
    whole = kind == "int" or (bool(step) and isinstance(step, int))
    if field.kind not in ("int", "float") or (field.kind == "int") != whole:
        raise RejectedError(
            f"got {shown(raw)}, allowed: {field.allowed()}",
            f"{field.name} is {'an integer: int' if field.kind == 'int' else 'not drawn so'}"
            if field.kind != "float"
            else f"{field.name} is a number: uniform or loguniform",
        )
    if kind in SHAPED:
        return _shaped(raw, kind, numbers, step, field, yaml_text)
    low, high = (cast(float, field.normalise(end, yaml_text=yaml_text)) for end in numbers[:2])
    if not low < high:
        raise RejectedError(f"got {shown(raw)}, allowed: a low end below the high one")
    if kind == "loguniform" and low <= 0:
        raise RejectedError(f"got {shown(raw)}, allowed: loguniform from a number above 0")
    if step and math.ceil(low / step) > math.floor(high / step):
        raise RejectedError(f"got {shown(raw)}, allowed: a step with a multiple between the ends")
    return Range(kind, low, high, step)


_NUMBER = Field("number", "float", 0.0, "of a distribution")
_POSITIVE = Field("number", "float", 1.0, "of a distribution", above=0)


def _step(
    raw: Mapping[str, object], numbers: list[object], field: Field, yaml_text: bool
) -> int | float:
    """The third number of a range: an integer where the field is one."""
    step = cast(float, _POSITIVE.normalise(numbers[2], yaml_text=yaml_text))
    if field.kind != "int":
        return step
    if step != int(step):
        raise RejectedError(f"got {shown(raw)}, allowed: a whole step, for an integer")
    return int(step)


def _shaped(
    raw: Mapping[str, object],
    kind: RangeKind,
    numbers: list[object],
    step: float,
    field: Field,
    yaml_text: bool,
) -> Range:
    """A distribution of two numbers, cut to what its field allows.

    Raises:
        RejectedError: there is none with these, or the field allows nothing of it.
    """
    first_of = _POSITIVE if kind == "beta_distribution" else _NUMBER
    first = cast(float, first_of.normalise(numbers[0], yaml_text=yaml_text))
    second = cast(float, _POSITIVE.normalise(numbers[1], yaml_text=yaml_text))
    endless = Range(kind, -math.inf, math.inf, shape=(first, second))
    low, high = 0.0, 1.0
    if kind != "beta_distribution":
        low, high = (endless.quantile(share) for share in (TAIL, 1.0 - TAIL))
    if kind == "lognormal":
        low = 0.0
    if field.minimum is not None:
        low = max(low, field.minimum)
    if field.above is not None:
        low = max(low, field.above + TAIL)
    if field.maximum is not None:
        high = min(high, field.maximum)
    if not low < high:
        raise RejectedError(f"got {shown(raw)}, of which nothing is {field.allowed()}")
    return Range(kind, low, high, step, (first, second))


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
