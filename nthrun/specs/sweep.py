"""The sweep: settings by number, and indices as settings and run numbers.

What a setting number means is the business of the search: see `GridSweep`
for the Cartesian product of lists and `nthrun.specs.search.sweeps` for the others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

from nthrun.errors import IndexSpecError
from nthrun.index import MAX_INDEX, MAX_RUN_NUMBER, join_index, split_index
from nthrun.specs.field import Value
from nthrun.specs.search.space import COUPLER, split


class Sweep(ABC):
    """The settings of an experiment."""

    @property
    @abstractmethod
    def num_settings(self) -> int:
        """How many there are or may be, at least 1; fixed for good."""

    @property
    @abstractmethod
    def varying(self) -> tuple[str, ...]:
        """The hyperparameters that do not have the same value in every setting."""

    @abstractmethod
    def setting(self, setting_number: int) -> dict[str, Any]:
        """The hyperparameters of one setting.

        Args:
            setting_number: `0 <= setting_number < num_settings`.

        Raises:
            IndexSpecError: the number is out of range, or the setting is not known.
        """

    @abstractmethod
    def examples(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Settings that show how some hyperparameters may come together; every way, of a grid."""

    def planned(self, setting_number: int) -> dict[str, Any]:
        """What to plan time and memory of a setting with: the setting, where it is known."""
        return self.setting(setting_number)

    def class_of(self, names: Iterable[str]) -> Callable[[int], Hashable]:
        """A map from indices to labels; indices of one label agree in these hyperparameters."""
        varying = [name for name in names if name in self.varying]
        if not varying:
            return lambda index: None
        return lambda index: tuple(map(self.planned(self.locate(index)[0]).get, varying))

    def locate(self, index: int) -> tuple[int, int]:
        """(setting number, run number) of an index.

        Raises:
            IndexSpecError: the index is negative or beyond the last run number.
        """
        if index < 0:
            raise IndexSpecError(f"index {index}: allowed: 0 and up (counting starts at 0)")
        setting_number, run_number = split_index(index, self.num_settings)
        last = min(self.num_settings * (MAX_RUN_NUMBER + 1) - 1, MAX_INDEX)
        if index > last:
            raise IndexSpecError(f"index {index}: allowed at most {last}")
        return setting_number, run_number

    def index(self, setting_number: int, run_number: int) -> int:
        """The index of a setting and a run number: the inverse of `locate`."""
        return join_index(setting_number, run_number, self.num_settings)

    def require(self, setting_number: int) -> None:
        """Check a setting number.

        Raises:
            IndexSpecError: it is out of range.
        """
        if not 0 <= setting_number < self.num_settings:
            raise IndexSpecError(f"setting {setting_number}: allowed 0 to {self.num_settings - 1}")


@dataclass(frozen=True)
class GridSweep(Sweep):
    """The Cartesian product of hyperparameter lists; the FIRST key varies fastest.

        digit of key k = (setting number div product of the lengths of earlier keys) mod len(k)

    Attributes:
        parameters: key -> values, in file order. A coupled key joins hyperparameter names with `/`
            and its values are tuples, one entry a name.
        defaults: hyperparameters the spec does not name, with their declared defaults.
    """

    parameters: Mapping[str, tuple[Value, ...]]
    defaults: Mapping[str, Value] = field(default_factory=dict)

    @cached_property
    def num_settings(self) -> int:
        """Number of combinations, at least 1."""
        return prod(len(values) for values in self.parameters.values())

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """The hyperparameters of keys with several values."""
        keys = (key for key, values in self.parameters.items() if len(values) > 1)
        return tuple(name for key in keys for name in key.split(COUPLER))

    @cached_property
    def _constant(self) -> dict[str, Value]:
        """Every hyperparameter at its first value, in documented order: defaults come last."""
        setting: dict[str, Value] = {}
        for key, values in self.parameters.items():
            setting.update(split(key, values[0]))
        return {**setting, **self.defaults}

    @cached_property
    def _assignments(self) -> tuple[tuple[tuple[dict[str, Value], ...], int], ...]:
        """A pair for each key of several values: (assignments, product of earlier lengths)."""
        return tuple(
            (tuple(split(key, value) for value in values), stride)
            for key, values, stride in self.digits()
            if len(values) > 1
        )

    def setting(self, setting_number: int) -> dict[str, Value]:
        """The hyperparameters of one setting.

        Raises:
            IndexSpecError: the number is out of range.
        """
        self.require(setting_number)
        setting = self._constant.copy()
        for assignments, stride in self._assignments:
            setting.update(assignments[setting_number // stride % len(assignments)])
        return setting

    def examples(self, names: Iterable[str]) -> Iterator[dict[str, Value]]:
        """One setting for each combination of the digits that the names have."""
        wanted = set(names)
        offsets = [
            range(0, stride * (len(values) if wanted & {*key.split(COUPLER)} else 1), stride)
            for key, values, stride in self.digits()
        ]
        for chosen in product(*reversed(offsets)):  # the first key varies fastest
            yield self.setting(sum(chosen))

    def class_of(self, names: Iterable[str]) -> Callable[[int], Hashable]:
        """A function from indices to the names' digits, so that millions take a second."""
        wanted = set(names)
        digits = [
            (stride, len(values))
            for key, values, stride in self.digits()
            if len(values) > 1 and wanted & {*key.split(COUPLER)}
        ]
        return lambda index: tuple([index // stride % length for stride, length in digits])

    def digits(self) -> Iterator[tuple[str, tuple[Value, ...], int]]:
        """(key, values, stride) in digit order; indices `stride` apart step through the values."""
        stride = 1
        for key, values in self.parameters.items():
            yield key, values, stride
            stride *= len(values)
