"""The ranking of settings: which is best, and the table of how each did.

A setting without lost runs beats any with one; then the smallest share lost wins, then the highest
mean of the others, or of the lost ones where all are lost. Equals rank by their numbers, and are
told. A setting without any value ranks below all others. Where settings have runs in several
experiments, shares and means are averaged over these. A run that was pruned is not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nthrun.analysis.exact_means import Summands, rounded_mean, summands
from nthrun.analysis.hyperparameters import value_key, varying_values
from nthrun.analysis.scores import Scores
from nthrun.errors import NthrunError

ShareAndMean = tuple[np.ndarray, np.ndarray]
"""The share of lost runs and the mean of settings; the mean is -inf without any value."""
DIGITS = 12
"""Decimals of shares and ranks averaged over experiments, beyond which they are rounding errors."""


@dataclass(frozen=True, slots=True, eq=False)
class RunsBySetting:
    """The runs of the settings of an experiment, side by side; the higher value is the better.

    Attributes:
        numbers: `(num_settings,)` setting numbers, rising.
        num_runs: `(num_settings,)` of each.
        values: `(num_settings, most_runs)`, -inf beyond a setting's runs and where there is none.
        lost: `(num_settings, most_runs)` bool, see `Scores`; true beyond a setting's runs.
        paired: whether all settings have runs of the same stages and run numbers, in that order,
            and so of the same seeds.
    """

    numbers: np.ndarray
    num_runs: np.ndarray
    values: np.ndarray
    lost: np.ndarray
    paired: bool

    @property
    def num_kept(self) -> np.ndarray:
        """Runs of each setting that are not lost, `(num_settings,)`."""
        return np.asarray((~self.lost).sum(axis=1))

    @property
    def num_lost(self) -> np.ndarray:
        """Lost runs of each setting, `(num_settings,)`."""
        return np.asarray(self.num_runs - self.num_kept)

    def summands(self, counted: np.ndarray) -> Summands:
        """The values as parts that add up exactly, and 0 where they do not count: one that is huge,
        as of a lost run, would leave no digits for those that do.

        Args:
            counted: `(num_settings, most_runs)` bool; such values are finite.
        """
        return summands(np.where(counted, self.values, 0.0))

    def take(self, positions: np.ndarray) -> RunsBySetting:
        """Some of the settings, in another order."""
        return RunsBySetting(
            self.numbers[positions],
            self.num_runs[positions],
            self.values[positions],
            self.lost[positions],
            self.paired,
        )


@dataclass(frozen=True, slots=True, eq=False)
class RankedSettings:
    """The settings of an experiment: how each did, and how they rank.

    Attributes:
        scores: of their runs.
        numbers: `(num_settings,)` rising.
        num_runs, num_lost, num_pruned: `(num_settings,)` of each; the lost and the pruned are among
            the runs.
        means: `(num_settings,)` over the runs not lost; over the lost ones with a value if all
            are; NaN if none has one.
        ranks: `(num_settings,)` of each, the best setting's being 0.
        rows: for each setting its runs, as positions in `scores`.
    """

    scores: Scores
    numbers: np.ndarray
    num_runs: np.ndarray
    num_lost: np.ndarray
    num_pruned: np.ndarray
    means: np.ndarray
    ranks: np.ndarray
    rows: Sequence[np.ndarray]

    @property
    def order(self) -> np.ndarray:
        """Positions of the settings, the best first."""
        return np.argsort(self.ranks)

    def equals(self) -> list[int]:
        """The numbers of the settings that are as good as the best, itself left out."""
        best = self.best()
        shares = self.num_lost / self.num_runs
        same = (shares == shares[best]) & (self.means == self.means[best])
        return [number for number in self.numbers[same].tolist() if number != self.numbers[best]]

    def best(self, among: np.ndarray | None = None) -> int:
        """The position of the best setting, of all or of those at some positions."""
        return int(self.order[0]) if among is None else int(among[np.argmin(self.ranks[among])])

    def kept(self, position: int) -> np.ndarray:
        """Scores of a setting's runs that are not lost, or of the lost ones if all are."""
        rows = self.rows[position]
        values, lost = self.scores.values[rows], self.scores.lost[rows]
        chosen = values if lost.all() else values[~lost]
        return np.asarray(chosen[np.isfinite(chosen)])

    def varying(self) -> list[str]:
        """The hyperparameters that the settings differ in, in their order."""
        return list(varying_values(self.scores.parameters.values()))

    def values(self, name: str) -> list[Any]:
        """A hyperparameter's value of each setting; None where a setting does not have it."""
        return [self.scores.parameters[number].get(name) for number in self.numbers.tolist()]

    def keys(self, name: str) -> np.ndarray:
        """A hyperparameter's value of each setting, as texts that equal values share."""
        return np.array([value_key(value) for value in self.values(name)])


def ranked_settings(scores: Scores) -> RankedSettings:
    """The settings of an experiment, ranked by their runs."""
    runs = runs_by_setting(scores)
    share_lost, mean = share_and_mean(runs)
    means = np.where(np.isfinite(mean), mean if scores.higher_is_better else -mean, np.nan)
    rows = np.split(np.argsort(scores.settings, kind="stable"), np.cumsum(runs.num_runs)[:-1])
    return RankedSettings(
        scores=scores,
        numbers=runs.numbers,
        num_runs=runs.num_runs,
        num_lost=runs.num_lost,
        num_pruned=np.array([int(scores.pruned[own].sum()) for own in rows], np.int64),
        means=means,
        ranks=np.argsort(ranking(share_lost, mean)),
        rows=rows,
    )


def require_varying(settings: RankedSettings, names: Sequence[str]) -> list[str]:
    """The hyperparameters asked for; all that settings differ in if none is.

    Raises:
        NthrunError: a name that is not among them, or there are none.
    """
    varying, source = settings.varying(), settings.scores.source
    if not varying:
        raise NthrunError(
            f"{source}: all settings have the same hyperparameters", "give the data of a sweep"
        )
    for name in names:
        if name not in varying:
            problem = f"{source}: hyperparameter: got {name!r}, allowed: {', '.join(varying)}"
            raise NthrunError(problem, "name one that the settings differ in")
    return list(names) or varying


def tied(settings: RankedSettings, name: str) -> set[str]:
    """Hyperparameters that vary together with one, itself included: a value of it, one of each."""
    keys = settings.keys(name)
    number = len(np.unique(keys))
    together = {name}
    for other in settings.varying():
        others = settings.keys(other)
        pairs = {*zip(keys.tolist(), others.tolist(), strict=True)}
        if len(pairs) == number == len(np.unique(others)):
            together.add(other)
    return together


def runs_by_setting(scores: Scores) -> RunsBySetting:
    """The runs of an experiment, setting by setting."""
    numbers, firsts, num_runs = np.unique(scores.settings, return_index=True, return_counts=True)
    rows = np.repeat(np.arange(len(numbers)), num_runs)
    columns = np.arange(len(scores)) - np.repeat(firsts, num_runs)
    shape = len(numbers), int(num_runs.max(initial=0))
    oriented = scores.values if scores.higher_is_better else -scores.values
    values, lost = np.full(shape, -np.inf), np.ones(shape, np.bool_)
    values[rows, columns] = np.where(np.isfinite(oriented), oriented, -np.inf)
    lost[rows, columns] = scores.lost
    seeds = np.full((2, *shape), -1)
    seeds[:, rows, columns] = np.stack([scores.stages, scores.run_numbers])
    paired = bool((seeds == seeds[:, :1]).all()) if len(numbers) else True
    return RunsBySetting(numbers, num_runs, values, lost, paired)


def ecdf(runs: RunsBySetting) -> RunsBySetting:
    """Runs ranked among all completed ones of the experiment, from 0 to 1.

        F(x) = (#{x_i < x} + #{x_i <= x}) / (2 N)

    the empirical distribution function, ties at the middle of their step.
    """
    known = np.sort(runs.values[~runs.lost])
    below, up_to = (np.searchsorted(known, runs.values, side) for side in ("left", "right"))
    ranks = (below + up_to) / max(2 * len(known), 1)
    return replace(runs, values=np.where(np.isfinite(runs.values), ranks, -np.inf))


def share_and_mean(runs: RunsBySetting) -> ShareAndMean:
    """The share of lost runs and the mean of each setting, both `(num_settings,)`."""
    recorded = np.arange(runs.values.shape[1]) < runs.num_runs[:, None]
    kept = recorded & ~runs.lost
    some = kept.any(axis=1, keepdims=True)
    counted = np.where(some, kept, np.isfinite(runs.values))
    num = counted.sum(axis=1)
    parts = runs.summands(counted)
    high, low = parts.high.sum(axis=1), parts.low.sum(axis=1)
    means = rounded_mean(high, low, np.maximum(num, 1), parts.exponents)
    return (recorded & runs.lost).sum(axis=1) / runs.num_runs, np.where(num > 0, means, -np.inf)


def averaged(each: Sequence[ShareAndMean]) -> ShareAndMean:
    """Shares and means over experiments, of the same settings in each.

    Over several they are shares and ranks, at most 1, and rounded, so that equal ones are equal.
    """
    if len(each) == 1:
        return each[0]
    share, mean = (np.mean(column, axis=0).round(DIGITS) for column in zip(*each, strict=True))
    return share, mean


def ranking(share_lost: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Positions of settings, the best first, from `(num_settings,)` shares and means."""
    return np.lexsort((np.arange(len(mean)), -mean, comparable_share(share_lost, mean)))


def best_positions(experiments: Sequence[RunsBySetting]) -> np.ndarray:
    """The positions of the best setting and of those that are as good, rising.

    Args:
        experiments: with the same settings at the same positions.

    Returns:
        none where no setting has a value.
    """
    share, mean = averaged([share_and_mean(runs) for runs in experiments])
    share = comparable_share(share, mean)
    best = ranking(share, mean)[:1]
    equal = (share == share[best]) & (mean == mean[best])
    return np.flatnonzero(equal & np.isfinite(mean))


def comparable_share(share_lost: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Shares of lost runs, infinite where no run has a value: nothing ranks below that."""
    return np.where(mean > -np.inf, share_lost, np.inf)
