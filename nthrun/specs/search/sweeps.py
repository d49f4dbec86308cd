"""Settings that are drawn by number, listed one by one, or left of a grid by its constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from nthrun.errors import IndexSpecError
from nthrun.specs.field import RejectedError
from nthrun.specs.search.expression import Expression
from nthrun.specs.search.points import Points
from nthrun.specs.search.space import COUPLER, Range, Space, split, texts_of
from nthrun.specs.sweep import GridSweep, Sweep

MAX_CAPACITY = 2**30
MAX_ATTEMPTS = 1000
NUM_EXAMPLES = 64
MAX_ENUMERATED = 1_000_000
Holds = Callable[[Mapping[str, Any], set[str]], bool]
"""A condition on a setting and on its hyperparameters that do not count and are not at their first
value."""


@dataclass(frozen=True)
class DrawnSweep(Sweep):
    """Settings drawn by number, `random`, `sobol` or `halton`: a function of spec and number.

    A draw that breaks a constraint is drawn again, at random, from the same number.

    Attributes:
        space: that they are drawn from.
        point: of the unit cube, by number and attempt.
        capacity: how many settings there may ever be.
    """

    space: Space
    point: Points
    capacity: int

    @property
    def num_settings(self) -> int:
        """The capacity."""
        return self.capacity

    @property
    def varying(self) -> tuple[str, ...]:
        """The hyperparameters of keys with ranges, several values or a condition."""
        return self.space.differing

    def setting(self, setting_number: int) -> dict[str, Any]:
        """The hyperparameters of one setting.

        Raises:
            IndexSpecError: the number is out of range, or no draw satisfies the constraints.
        """
        self.require(setting_number)
        return drawn(self.space, self.point, setting_number)

    def examples(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """The first settings, which mostly show every way."""
        return map(self.setting, range(min(self.num_settings, NUM_EXAMPLES)))


@dataclass(frozen=True)
class ListedSweep(Sweep):
    """Settings given one by one.

    Attributes:
        settings: whole ones.
    """

    settings: Sequence[Mapping[str, Any]]

    @property
    def num_settings(self) -> int:
        """How many are listed."""
        return len(self.settings)

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """The hyperparameters whose values differ."""
        first = self.settings[0]
        return tuple(n for n in first if any(other[n] != first[n] for other in self.settings[1:]))

    def setting(self, setting_number: int) -> dict[str, Any]:
        """The hyperparameters of one setting.

        Raises:
            IndexSpecError: the number is out of range.
        """
        self.require(setting_number)
        return dict(self.settings[setting_number])

    def examples(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """The first setting of each combination of values that the names take."""
        wanted = [name for name in names if name in self.varying]
        seen = {tuple(map(setting.get, wanted)): setting for setting in reversed(self.settings)}
        return map(dict, reversed(seen.values()))


def drawn(space: Space, point: Points, number: int) -> dict[str, Any]:
    """The setting of a number: the first allowed one of its draws.

    Raises:
        IndexSpecError: none is allowed, or an expression makes no sense with its values.
    """
    try:
        for attempt in range(MAX_ATTEMPTS):
            setting = space.at(point(number, attempt))
            if space.allows(setting):
                return setting
    except RejectedError as rejected:
        raise IndexSpecError(f"setting {number}: {rejected.problem}", rejected.hint) from None
    raise IndexSpecError(
        f"setting {number}: none of {MAX_ATTEMPTS} draws satisfies {texts_of(space.constraints)}",
        "widen the ranges or drop a constraint",
    )


@dataclass(frozen=True)
class FilteredSweep(Sweep):
    """A grid's settings, in its order, but those that constraints forbid and repetitions.

    Where a hyperparameter does not count, its values make no difference, and only the first is
    kept.

    Attributes:
        grid: the product of the lists.
        space: the same lists with conditions and constraints.
        numbers: `(num_settings,)` setting numbers of the grid that are kept, ascending.
    """

    grid: GridSweep
    space: Space
    numbers: np.ndarray = field(repr=False)

    @property
    def num_settings(self) -> int:
        """How many are kept."""
        return len(self.numbers)

    @property
    def varying(self) -> tuple[str, ...]:
        """The hyperparameters of keys with several values, or with a condition."""
        return self.space.differing

    def setting(self, setting_number: int) -> dict[str, Any]:
        """The hyperparameters of one setting.

        Raises:
            IndexSpecError: the number is out of range.
        """
        self.require(setting_number)
        return self.space.resolved(self.grid.setting(int(self.numbers[setting_number])))

    def examples(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """The first setting of each combination of values that the names take."""
        label = self.class_of(names)
        first = {label(number): number for number in reversed(range(self.num_settings))}
        return map(self.setting, sorted(first.values()))


def filtered_sweep(space: Space) -> FilteredSweep:
    """The allowed settings of the product of a space's lists.

    Raises:
        RejectedError: there are too many to look at, none is allowed, or an expression makes no
            sense with some values.
    """
    lists = {key: v for key, v in space.parameters.items() if not isinstance(v, Range)}
    grid = GridSweep(lists, space.defaults)
    if grid.num_settings > MAX_ENUMERATED:
        raise RejectedError(
            f"{grid.num_settings:,} combinations to enumerate, allowed: {MAX_ENUMERATED:,} at most",
            "list fewer values, or draw settings: method random",
        )
    kept = np.ones(grid.num_settings, bool)
    for name in space.conditions:
        kept &= grid_mask(grid, space, (name,), _not_repeated)
    for constraint in space.constraints:
        kept &= grid_mask(grid, space, constraint.names, in_any_case(constraint))
    if not kept.any():
        raise RejectedError(
            f"no setting satisfies {texts_of(space.constraints)}", "list other values"
        )
    return FilteredSweep(grid, space, np.flatnonzero(kept))


def grid_mask(
    grid: GridSweep,
    space: Space,
    names: Iterable[str],
    holds: Holds,
) -> np.ndarray:
    """Which settings of a grid satisfy something; looked up once a combination that matters.

    Args:
        grid: of the settings.
        space: says what counts in them.
        names: the hyperparameters that `holds` looks at.
        holds: takes a setting in which other hyperparameters have any value.

    Returns:
        `(grid.num_settings,)` bool.

    Raises:
        RejectedError: an expression makes no sense with some values.
    """
    involved = _involved(space, names)
    digits = [d for d in grid.digits() if involved & {*d[0].split(COUPLER)}]
    numbers = np.arange(grid.num_settings)
    labels, size = np.zeros(len(numbers), np.int64), 1
    for _, values, stride in digits:
        labels += numbers // stride % len(values) * size
        size *= len(values)
    table = np.empty(size, bool)
    for label in range(size):
        setting, first, rest = space.constant.copy(), set[str](), label
        for key, values, _ in digits:
            rest, digit = divmod(rest, len(values))
            setting.update(split(key, values[digit]))
            first |= {key} if digit == 0 else set()
        repeated = set(space.silence(setting)) - first
        table[label] = holds(setting, repeated & involved)
    return table[labels]


def in_any_case(expression: Expression) -> Holds:
    """Whether an expression holds of a setting, repeated or not."""
    return lambda setting, _: expression.holds(setting)


def _not_repeated(setting: Mapping[str, Any], repeated: set[str]) -> bool:
    return not repeated


def _involved(space: Space, names: Iterable[str]) -> set[str]:
    """Hyperparameters, those that their conditions look at, and so on."""
    involved: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in involved:
            involved.add(name)
            waiting += space.conditions[name].names if name in space.conditions else ()
    return involved
