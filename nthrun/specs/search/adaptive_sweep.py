"""Settings suggested one after the other, in the light of what earlier ones scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nthrun.errors import IndexSpecError
from nthrun.index import format_indices
from nthrun.specs.search.points import point_function
from nthrun.specs.search.space import Range, Space, split
from nthrun.specs.search.sweeps import NUM_EXAMPLES, drawn
from nthrun.specs.sweep import Sweep


@dataclass(frozen=True)
class AdaptiveSweep(Sweep):
    """Settings that are known once they were suggested.

    Attributes:
        space: that they are suggested from.
        capacity: how many settings there may ever be.
        seed: of the search.
        known: setting number -> setting, of those suggested so far.
    """

    space: Space
    capacity: int
    seed: int
    known: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def num_settings(self) -> int:
        """The capacity."""
        return self.capacity

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """The hyperparameters of keys with ranges or several values."""
        return self.space.differing

    def setting(self, setting_number: int) -> dict[str, Any]:
        """The hyperparameters of one setting.

        Raises:
            IndexSpecError: the number is out of range, or nothing was suggested for it yet.
        """
        self.require(setting_number)
        if setting_number not in self.known:
            raise IndexSpecError(
                f"setting {setting_number}: not suggested yet",
                "training it is what makes the search suggest it",
            )
        return dict(self.known[setting_number])

    def planned(self, setting_number: int) -> dict[str, Any]:
        """The setting or, where it is not known yet, one as large as any may be."""
        self.require(setting_number)
        return dict(self.known.get(setting_number, self._largest))

    def examples(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Random settings of the space."""
        point = point_function("random", len(self.space.varying), self.seed)
        return (drawn(self.space, point, number) for number in range(NUM_EXAMPLES))

    @cached_property
    def _largest(self) -> dict[str, Any]:
        """Every number at its largest, and of lists of numbers the one with the largest sum."""
        setting = self.space.constant.copy()
        for key in self.space.varying:
            values = self.space.parameters[key]
            if isinstance(values, Range):
                setting[key] = type(values.at(0))(values.high)
            else:
                setting.update(split(key, max(values, key=_size)))
        return self.space.resolved(setting)


def require_tried(sweep: Sweep, indices: Iterable[int], stage: int) -> None:
    """Check that what fresh seeds are to confirm was tried.

    Args:
        sweep: with what was suggested so far.
        indices: to be run.
        stage: of them; 0 is what tries.

    Raises:
        IndexSpecError: a setting was not.
    """
    if not stage or not isinstance(sweep, AdaptiveSweep):
        return
    if new := {sweep.locate(index)[0] for index in indices}.difference(sweep.known):
        raise IndexSpecError(
            f"setting {format_indices(new)}: not tried in stage 0, so nothing to confirm",
            "run it in stage 0 first; --describe shows which are known",
        )


def _size(value: object) -> float:
    if isinstance(value, (bool, int, float)):
        return float(value)
    return sum(map(_size, value)) if isinstance(value, tuple) else 0.0
