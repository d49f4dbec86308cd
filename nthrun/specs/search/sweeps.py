"""Settings drawn by number, listed one by one, or suggested one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nthrun.errors import IndexSpecError
from nthrun.specs.field import RejectedError
from nthrun.specs.search.points import Points
from nthrun.specs.search.space import Space, texts_of
from nthrun.specs.sweep import Sweep

MAX_CAPACITY = 2**30
MAX_ATTEMPTS = 1000
NUM_EXAMPLES = 64


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
        return tuple(n for n in first if any(one[n] != first[n] for one in self.settings[1:]))

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
