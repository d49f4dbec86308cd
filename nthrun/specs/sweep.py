"""The sweep: the Cartesian product of hyperparameter lists, addressed by number.

    setting number = index mod num_settings        run number = index div num_settings
    digit of key k = (setting number div product of the lengths of earlier keys) mod len(k)

so the FIRST key varies fastest and counting starts at 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

from nthrun.errors import IndexSpecError
from nthrun.specs.field import Value
from nthrun.specs.seeds import MAX_RUN_NUMBER

COUPLER = "/"


@dataclass(frozen=True)
class Sweep:
    """Swept keys and their values, in file order.

    Attributes:
        parameters: key -> values. A coupled key joins hyperparameter names with `/` and its
            values are tuples, one entry a name.
        defaults: hyperparameters the spec does not name, with their declared defaults.
    """

    parameters: Mapping[str, tuple[Value, ...]]
    defaults: Mapping[str, Value] = field(default_factory=dict)

    @cached_property
    def num_settings(self) -> int:
        """Number of combinations, at least 1."""
        return prod(len(values) for values in self.parameters.values())

    @cached_property
    def _constant(self) -> dict[str, Value]:
        """Every hyperparameter at its first value, in documented order: defaults come last."""
        setting: dict[str, Value] = {}
        for key, values in self.parameters.items():
            setting.update(_split(key, values[0]))
        return {**setting, **self.defaults}

    @cached_property
    def _varying(self) -> tuple[tuple[tuple[dict[str, Value], ...], int], ...]:
        """For each key with several values: (its assignments, product of earlier lengths)."""
        varying = []
        stride = 1
        for key, values in self.parameters.items():
            if len(values) > 1:
                varying.append((tuple(_split(key, value) for value in values), stride))
            stride *= len(values)
        return tuple(varying)

    def setting(self, setting_number: int) -> dict[str, Value]:
        """The hyperparameters of one setting.

        Args:
            setting_number: `0 <= setting_number < num_settings`.

        Raises:
            IndexSpecError: the number is out of range.
        """
        if not 0 <= setting_number < self.num_settings:
            raise IndexSpecError(f"setting {setting_number}: allowed 0 to {self.num_settings - 1}")
        setting = self._constant.copy()
        for assignments, stride in self._varying:
            setting.update(assignments[setting_number // stride % len(assignments)])
        return setting

    def locate(self, index: int) -> tuple[int, int]:
        """(setting number, run number) of an index.

        Raises:
            IndexSpecError: the index is negative or beyond the last run number.
        """
        if index < 0:
            raise IndexSpecError(f"index {index}: allowed: 0 and up (counting starts at 0)")
        run_number, setting_number = divmod(index, self.num_settings)
        if run_number > MAX_RUN_NUMBER:
            last = self.num_settings * (MAX_RUN_NUMBER + 1) - 1
            raise IndexSpecError(f"index {index}: allowed at most {last}")
        return setting_number, run_number

    def index(self, setting_number: int, run_number: int) -> int:
        """The index of a setting and a run number: the inverse of `locate`."""
        return run_number * self.num_settings + setting_number

    def digits(self) -> Iterator[tuple[str, tuple[Value, ...], int]]:
        """(key, values, stride) in digit order; indices `stride` apart step through the values."""
        stride = 1
        for key, values in self.parameters.items():
            yield key, values, stride
            stride *= len(values)


def _split(key: str, value: Value) -> dict[str, Value]:
    """One value of a key as hyperparameters: several for a coupled key."""
    if COUPLER not in key:
        return {key: value}
    assert isinstance(value, tuple)
    return dict(zip(key.split(COUPLER), value, strict=True))
