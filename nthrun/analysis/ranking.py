"""The ranking of settings: which is best, in the runs there are and in runs drawn from them.

A setting without lost runs beats any with one; then the smallest share lost wins, then the highest
mean of the others, or of the lost ones where all are lost; of equals, the first. Where settings
have runs in several experiments, shares and means are averaged over these.

The choice itself is bootstrapped: of every setting runs are drawn with replacement, a setting is
chosen from them, and so 10,000 times. A setting's share of these choices is how likely it would be
chosen again from other runs. Settings whose runs share seeds are resampled together, by run number,
since what a seed does to one it may do to all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nthrun.analysis.intervals import MAX_VALUES_AT_ONCE, NUM_RESAMPLES
from nthrun.analysis.scores import Scores

Key = str
"""A setting by what it is, its hyperparameters, whatever its number."""


@dataclass(frozen=True, slots=True, eq=False)
class RunsBySetting:
    """The runs of the settings of an experiment; of two values the higher is better.

    Attributes:
        numbers: `(num_settings,)` setting numbers, rising.
        sizes: `(num_settings,)` how many runs each has.
        values: `(num_settings, most_runs)`, -inf beyond a setting's runs and where there is none.
        lost: `(num_settings, most_runs)` bool, see `Scores`.
        paired: whether all settings have runs of the same stages and run numbers, in that order,
            and so of the same seeds.
    """

    numbers: np.ndarray
    sizes: np.ndarray
    values: np.ndarray
    lost: np.ndarray
    paired: bool

    def take(self, places: np.ndarray) -> RunsBySetting:
        """Some of the settings, in another order."""
        return RunsBySetting(
            self.numbers[places],
            self.sizes[places],
            self.values[places],
            self.lost[places],
            self.paired,
        )


def runs_by_setting(scores: Scores) -> RunsBySetting:
    """Runs of an experiment, setting by setting."""
    numbers, firsts, sizes = np.unique(scores.settings, return_index=True, return_counts=True)
    rows = np.repeat(np.arange(len(numbers)), sizes)
    columns = np.arange(len(scores)) - np.repeat(firsts, sizes)
    shape = len(numbers), int(sizes.max(initial=0))
    oriented = scores.values if scores.higher_is_better else -scores.values
    values, lost = np.full(shape, -np.inf), np.ones(shape, np.bool_)
    values[rows, columns] = np.where(np.isfinite(oriented), oriented, -np.inf)
    lost[rows, columns] = scores.lost
    seeds = np.stack([scores.stages, scores.run_numbers])
    table = np.full((2, *shape), -1)
    table[:, rows, columns] = seeds
    paired = bool((table == table[:, :1]).all()) if len(numbers) else True
    return RunsBySetting(numbers, sizes, values, lost, paired)


def setting_key(parameters: Mapping[str, Any]) -> Key:
    """Hyperparameters as a text that is equal where they are, in whatever order."""
    return json.dumps(parameters, sort_keys=True)


def ecdf(runs: RunsBySetting) -> RunsBySetting:
    """Runs ranked among all completed ones of the experiment, from 0 to 1.

        F(x) = (#{x_i < x} + #{x_i <= x}) / (2 N)

    the empirical distribution function, ties at the middle of their step.
    """
    known = np.sort(runs.values[~runs.lost])
    below, up_to = (np.searchsorted(known, runs.values, side) for side in ("left", "right"))
    ranks = (below + up_to) / max(2 * len(known), 1)
    values = np.where(np.isfinite(runs.values), ranks, -np.inf)
    return RunsBySetting(runs.numbers, runs.sizes, values, runs.lost, runs.paired)


Standings = tuple[np.ndarray, np.ndarray]
"""Share of lost runs and mean, both `(num_resamples, num_settings)`; the mean -inf without any."""


def best_place(experiments: Sequence[RunsBySetting]) -> int | None:
    """The place of the best setting.

    Args:
        experiments: with the same settings at the same places.

    Returns:
        None where no setting has a value.
    """
    standings = [as_recorded(runs) for runs in experiments]
    share, mean = (np.mean(part, axis=0) for part in zip(*standings, strict=True))
    if not np.isfinite(mean).any():
        return None
    return int(np.lexsort((np.arange(len(mean)), -mean, np.where(mean > -np.inf, share, 2.0)))[0])


def resampled_places(
    experiments: Sequence[RunsBySetting], num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> np.ndarray:
    """The place of the best setting in each resample.

    A block of settings of equally many runs shares its resamples, each setting beginning at another
    of them. So within a resample settings are drawn independently, as they should be where they
    share no seeds, though one matrix product makes the means of all.

    Args:
        experiments: with the same settings at the same places; drawn from independently.
        num_resamples: how often; memory does not grow with it times the runs of a setting.
        seed: of the resampling; the same seed gives the same places.

    Returns:
        `(num_resamples,)` int64; -1 where no setting had a value.
    """
    generator = np.random.default_rng(seed)
    most = sum(runs.values.shape[1] for runs in experiments)
    step = max(1, MAX_VALUES_AT_ONCE // max(most, 1))
    sizes = [min(step, num_resamples - start) for start in range(0, num_resamples, step)]
    return np.concatenate([_places(experiments, size, generator) for size in sizes])


def _places(
    experiments: Sequence[RunsBySetting], num_resamples: int, generator: np.random.Generator
) -> np.ndarray:
    """The best place in so many resamples at once."""
    draw = _Draws(experiments, num_resamples, generator)
    best_share, best_mean = np.full(num_resamples, np.inf), np.full(num_resamples, -np.inf)
    best = np.full(num_resamples, -1)
    rows = np.arange(num_resamples)
    for places in _blocks(experiments, num_resamples):
        share, mean = draw.standings(places)
        share[mean == -np.inf] = np.inf
        least = share.min(axis=1)
        column = np.where(share == least[:, None], mean, -np.inf).argmax(axis=1)
        found, place = mean[rows, column], places[column]
        same = least == best_share
        better = (least < best_share) | (same & (found > best_mean))
        better |= same & (found == best_mean) & (place < best)
        best_share[better], best_mean[better] = least[better], found[better]
        best[better] = place[better]
    return best


class _Draws:
    """Resamples of runs: of settings that share seeds the same, of others each its own."""

    def __init__(
        self,
        experiments: Sequence[RunsBySetting],
        num_resamples: int,
        generator: np.random.Generator,
    ) -> None:
        self._experiments = experiments
        self._num_resamples = num_resamples
        self._generator = generator
        self._shared = [
            self._counts(int(runs.sizes[0])) if runs.paired else None for runs in experiments
        ]

    def standings(self, places: np.ndarray) -> Standings:
        """Of some settings, of equally many runs in each experiment."""
        total_share = np.zeros((self._num_resamples, len(places)))
        total_mean = np.zeros_like(total_share)
        for runs, shared in zip(self._experiments, self._shared, strict=True):
            size = int(runs.sizes[places[0]])
            counts = self._counts(size) if shared is None else shared
            share, mean = _standings(runs, places, size, counts)
            total_share += share if shared is not None else _staggered(share)
            total_mean += mean if shared is not None else _staggered(mean)
        count = len(self._experiments)
        return (total_share / count).round(12), total_mean / count

    def _counts(self, size: int) -> np.ndarray:
        """How often each run was drawn, `(num_resamples, size)`."""
        drawn = self._generator.multinomial(size, np.full(size, 1 / size), self._num_resamples)
        return np.asarray(drawn, np.float64)


def _standings(runs: RunsBySetting, places: np.ndarray, size: int, counts: np.ndarray) -> Standings:
    values, lost = runs.values[places, :size].T, runs.lost[places, :size].T
    if not lost.any():
        means = counts @ values / size
        return np.zeros_like(means), means
    kept = (~lost).astype(np.float64)
    finite = np.isfinite(values)
    known = np.where(finite, values, 0.0)
    num_kept, num_finite = counts @ kept, counts @ finite.astype(np.float64)
    sums = np.where(num_kept > 0, counts @ (known * kept), counts @ known)
    num = np.where(num_kept > 0, num_kept, num_finite)
    mean = np.divide(sums, num, out=np.full_like(sums, -np.inf), where=num > 0)
    return 1 - num_kept / size, mean


def as_recorded(runs: RunsBySetting) -> Standings:
    """Share of lost runs and mean of each setting, both `(num_settings,)`."""
    there = np.arange(runs.values.shape[1]) < runs.sizes[:, None]
    kept = there & ~runs.lost
    some = kept.any(axis=1, keepdims=True)
    counted = np.where(some, kept, np.isfinite(runs.values))
    num = counted.sum(axis=1)
    sums = np.where(counted, runs.values, 0.0).sum(axis=1)
    mean = np.divide(sums, num, out=np.full(len(num), -np.inf), where=num > 0)
    return (there & runs.lost).sum(axis=1) / runs.sizes, mean


def _staggered(block: np.ndarray) -> np.ndarray:
    """Column j of `(num_resamples, num_settings)` begun at its row j."""
    num_rows, num_columns = block.shape
    columns = np.arange(num_columns)
    return np.asarray(block[(np.arange(num_rows)[:, None] + columns) % num_rows, columns])


def _blocks(experiments: Sequence[RunsBySetting], num_resamples: int) -> Iterator[np.ndarray]:
    """Places of settings that have equally many runs, as many as fit the memory at once, and no
    more than there are resamples to begin at."""
    sizes = np.stack([runs.sizes for runs in experiments])
    kinds = np.unique(sizes, axis=1, return_inverse=True)[1].ravel()
    width = max(1, min(num_resamples, MAX_VALUES_AT_ONCE // num_resamples))
    order = np.argsort(kinds, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(kinds[order])) + 1):
        yield from np.split(group, range(width, len(group), width))
