"""The choice of a setting, made again from resamples of the runs.

Of every setting runs are drawn with replacement, and the best setting of these is chosen as it was
of the runs themselves; settings that are equally good in a resample share it. Settings whose runs
share seeds are resampled together, by run number, since what a seed does to one it may do to all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nthrun.analysis.exact_means import rounded_mean
from nthrun.analysis.intervals import MAX_VALUES_AT_ONCE, NUM_RESAMPLES, block_sizes
from nthrun.analysis.ranking import RunsBySetting, ShareAndMean, averaged, comparable_share


def resampled_wins(
    experiments: Sequence[RunsBySetting], num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> np.ndarray:
    """How much of the resamples each setting is the best of, `(num_settings,)` shares.

    They add up to 1, less the resamples in which no setting had a value. A block of settings of
    equally many runs shares its resamples, each setting beginning at another of them. So within a
    resample settings are drawn independently, as they should be where they share no seeds, though
    one matrix product makes the means of all.

    Args:
        experiments: with the same settings at the same positions; drawn from independently.
        num_resamples: how often; memory does not grow with it times the runs of a setting.
        seed: of the resampling; the same seed gives the same shares.
    """
    generator = np.random.default_rng(seed)
    most = sum(runs.values.shape[1] for runs in experiments)
    wins = np.zeros(len(experiments[0].numbers))
    for size in block_sizes(num_resamples, most):
        wins += _wins(experiments, size, generator)
    return wins / num_resamples


@dataclass(frozen=True, slots=True, eq=False)
class _BlockBest:
    """The best of a block of settings in each resample.

    Attributes:
        positions: of the settings.
        share, mean: of the best of them, `(num_resamples,)`.
        ties: which settings have these, `(num_resamples, num_settings)`, eight to a byte.
    """

    positions: np.ndarray
    share: np.ndarray
    mean: np.ndarray
    ties: np.ndarray

    def winners(self, of: np.ndarray) -> np.ndarray:
        """Which settings are the best in some of the resamples, `(num_some, num_settings)`."""
        return np.unpackbits(self.ties[of], axis=1, count=len(self.positions))


def _wins(
    experiments: Sequence[RunsBySetting], num_resamples: int, generator: np.random.Generator
) -> np.ndarray:
    """How many of so many resamples, all drawn at once, each setting is the best of."""
    draw = _Draws(experiments, num_resamples, generator)
    blocks = [_block_best(draw, positions) for positions in _blocks(experiments, num_resamples)]
    share = np.min([block.share for block in blocks], axis=0)
    means = [np.where(block.share == share, block.mean, -np.inf) for block in blocks]
    mean = np.max(means, axis=0)
    wins, number = np.zeros(len(experiments[0].numbers)), np.zeros(num_resamples)
    own = [np.flatnonzero((of_block == mean) & np.isfinite(mean)) for of_block in means]
    for block, rows in zip(blocks, own, strict=True):
        number[rows] += block.winners(rows).sum(axis=1)
    for block, rows in zip(blocks, own, strict=True):
        wins[block.positions] += (1 / number[rows]) @ block.winners(rows)
    return wins


def _block_best(draw: _Draws, positions: np.ndarray) -> _BlockBest:
    share, mean = draw.share_and_mean(positions)
    share = comparable_share(share, mean)
    least = share.min(axis=1)
    first = share == least[:, None]
    highest = np.where(first, mean, -np.inf).max(axis=1)
    ties = np.packbits(first & (mean == highest[:, None]), axis=1)
    return _BlockBest(positions, least, highest, ties)


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
            self._counts(int(runs.num_runs[0])) if runs.paired else None for runs in experiments
        ]

    def share_and_mean(self, positions: np.ndarray) -> ShareAndMean:
        """Share and mean of some settings in each resample, both `(num_resamples, num_settings)`.

        Args:
            positions: of settings that have equally many runs in each experiment.
        """
        each = []
        for runs, shared in zip(self._experiments, self._shared, strict=True):
            size = int(runs.num_runs[positions[0]])
            counts = self._counts(size) if shared is None else shared
            share, mean = _resampled(runs.take(positions), size, counts)
            each.append(
                (share, mean) if shared is not None else (_staggered(share), _staggered(mean))
            )
        return averaged(each)

    def _counts(self, size: int) -> np.ndarray:
        """How often each run was drawn, `(num_resamples, size)`."""
        drawn = self._generator.multinomial(size, np.full(size, 1 / size), self._num_resamples)
        return np.asarray(drawn, np.float64)


def _resampled(runs: RunsBySetting, size: int, counts: np.ndarray) -> ShareAndMean:
    """The share lost and the mean of some settings, of `size` runs each, drawn so often."""
    num_kept, means = _drawn(runs, ~runs.lost, size, counts)
    if not num_kept.all():
        _, of_lost = _drawn(runs, runs.lost & np.isfinite(runs.values), size, counts)
        means = np.where(num_kept > 0, means, of_lost)
    return 1 - num_kept / size, means


def _drawn(
    runs: RunsBySetting, counted: np.ndarray, size: int, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many runs of a kind were drawn, and their mean, which is -inf of none."""
    parts = runs.summands(counted)
    high, low, each = (part[:, :size].T for part in (parts.high, parts.low, counted))
    shape = len(counts), len(runs.numbers)
    number = np.full(shape, size) if each.all() else counts @ each.astype(np.float64)
    means = rounded_mean(counts @ high, counts @ low, np.maximum(number, 1), parts.exponents)
    return number, np.where(number > 0, means, -np.inf)


def _staggered(block: np.ndarray) -> np.ndarray:
    """Column j of `(num_resamples, num_settings)` begun at its row j."""
    num_rows, num_columns = block.shape
    columns = np.arange(num_columns)
    return np.asarray(block[(np.arange(num_rows)[:, None] + columns) % num_rows, columns])


def _blocks(experiments: Sequence[RunsBySetting], num_resamples: int) -> Iterator[np.ndarray]:
    """Positions of settings that have equally many runs, as many as fit the memory at once, and no
    more than there are resamples to begin at."""
    sizes = np.stack([runs.num_runs for runs in experiments])
    kinds = np.unique(sizes, axis=1, return_inverse=True)[1].ravel()
    width = max(1, min(num_resamples, MAX_VALUES_AT_ONCE // num_resamples))
    order = np.argsort(kinds, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(kinds[order])) + 1):
        yield from np.split(group, range(width, len(group), width))
