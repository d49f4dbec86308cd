"""The space of a search: what its hyperparameters take, when they count, and what must hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from nthrun.specs.field import Value
from nthrun.specs.search.expression import Expression
from nthrun.specs.search.ranges import Range, Values

COUPLER = "/"


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
