"""Which settings and how many runs of each: another way than indices to say what is to be run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nthrun.errors import IndexSpecError
from nthrun.index import MAX_INDICES, format_indices, join_index, parse_indices
from nthrun.specs.field import RejectedError
from nthrun.specs.search.adaptive_sweep import AdaptiveSweep
from nthrun.specs.search.expression import (
    Expression,
    parse_expression,
    require_alike,
    require_decimal,
)
from nthrun.specs.search.space import Space
from nthrun.specs.search.sweeps import grid_mask, in_any_case
from nthrun.specs.sweep import GridSweep, Sweep

MAX_SETTINGS = 1_000_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Runs 0 to `num_runs - 1` of some settings; or runs that are named one by one.

    Attributes:
        num_runs: of each setting.
        settings: setting numbers as `parse_indices` reads them; "" is every setting.
        named: indices as `parse_indices` reads them, which then count alone; "" names none.
    """

    num_runs: int
    settings: str = ""
    named: str = ""

    def indices(self, num_settings: int) -> Sequence[int]:
        """The indices, ascending.

        Args:
            num_settings: of the sweep.
        """
        if self.named:
            return parse_indices(self.named)
        if not self.settings:
            return range(num_settings * self.num_runs)
        numbers = parse_indices(self.settings, "--settings")
        return [
            join_index(number, run_number, num_settings)
            for run_number in range(self.num_runs)
            for number in numbers
        ]


def select(
    sweep: Sweep, space: Space, num_runs: int, settings: str | None, where: Sequence[str]
) -> Selection:
    """What the options of a command line select.

    Args:
        sweep, space: of the experiment.
        num_runs: `--runs`.
        settings: `--settings`; None is every setting.
        where: `--where`, expressions that all must hold of a setting.

    Raises:
        IndexSpecError: a setting or an index is out of range, an expression is not readable, no
            setting satisfies them, or there are too many to look at.
    """
    total = sweep.num_settings
    numbers: Sequence[int] = range(total)
    if settings is not None:
        numbers = parse_indices(settings, "--settings")
        _require(sweep, numbers[-1])
    count = total if settings is None else len(numbers)
    if count > MAX_SETTINGS:
        raise IndexSpecError(
            f"{count:,} settings, allowed at once: {MAX_SETTINGS:,}",
            "say which with --settings, for example --settings 0-99",
        )
    if where:
        numbers = _matching(sweep, space, numbers, where)
    if len(numbers) * num_runs > MAX_INDICES:
        raise IndexSpecError(
            f"{num_runs:,} runs of {len(numbers):,} settings, allowed at once: {MAX_INDICES:,}",
            "ask for fewer, and for more when these are done",
        )
    sweep.locate(join_index(numbers[-1], num_runs - 1, total))  # the last is in range
    everything = len(numbers) == total
    return Selection(num_runs, "" if everything else format_indices(numbers))


def _require(sweep: Sweep, number: int) -> None:
    """Check a setting number that was asked for.

    Raises:
        IndexSpecError: it is out of range.
    """
    try:
        sweep.require(number)
    except IndexSpecError as error:
        raise IndexSpecError(f"--settings: {error.message}", error.hint) from None


def _matching(
    sweep: Sweep, space: Space, numbers: Sequence[int], where: Sequence[str]
) -> list[int]:
    """The settings among some of which every expression holds.

    Raises:
        IndexSpecError: an expression is not readable, or nothing satisfies them.
    """
    try:
        first = sweep.planned(0)
        wanted = [parse_expression(text, first) for text in where]
        for text in where:
            require_decimal(text)
        for expression in wanted:
            require_alike(expression, first)
        matching = _holding(sweep, space, numbers, wanted)
    except RejectedError as rejected:
        raise IndexSpecError(f"--where {rejected.problem}", rejected.hint) from None
    if not matching:
        texts = " and ".join(where)
        raise IndexSpecError(f"--where {texts}: no setting has that", "--describe shows the values")
    return matching


def _holding(
    sweep: Sweep, space: Space, numbers: Sequence[int], wanted: Iterable[Expression]
) -> list[int]:
    if isinstance(sweep, GridSweep) and sweep.num_settings <= MAX_SETTINGS:
        kept = np.ones(sweep.num_settings, bool)
        for expression in wanted:
            kept &= grid_mask(sweep, space, expression.names, in_any_case(expression))
        return [number for number in numbers if kept[number]]
    if isinstance(sweep, AdaptiveSweep):
        numbers = [number for number in numbers if number in sweep.known]
    return [n for n in numbers if _all_hold(wanted, sweep.setting(n))]


def _all_hold(wanted: Iterable[Expression], setting: Mapping[str, Any]) -> bool:
    return all(expression.holds(setting) for expression in wanted)
