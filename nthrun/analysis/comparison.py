"""Comparisons of settings by one metric: of two seed by seed, by tests, and over environments.

Statistics over several environments at once (Agarwal et al., 2021) are nobody's default: they say
something about a set of environments, not about any of them. Runs are resampled within each
environment (stratified bootstrap), so that every resample has as many runs of each as there are.
Scores of different environments have to be on one scale first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from nthrun.analysis.estimates import Estimate, Sample, estimate
from nthrun.analysis.intervals import CONFIDENCE, NUM_RESAMPLES, block_sizes, location
from nthrun.errors import NthrunError


@dataclass(frozen=True, slots=True, eq=False)
class Paired:
    """Two settings compared seed by seed.

    Attributes:
        seeds: `(num_pairs, 2)` stages and run numbers that both completed.
        differences: `(num_pairs,)` the second's value minus the first's.
        mean: of the differences, with its interval; `num_lost` counts seeds that both were run
            with and one lost, `num_missing` seeds that only one was run with.
        share_won: of the pairs, by the second; ties count half. NaN without pairs.
        num_unpaired: runs of the first, and of the second, whose seed the other was not run with.
    """

    seeds: np.ndarray
    differences: np.ndarray
    mean: Estimate
    share_won: float
    num_unpaired: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Test:
    """A test of two samples.

    Attributes:
        name: of the test.
        statistic, p_value: NaN where there are too few runs; the p-value is two-sided.
        difference, low, high: second mean minus first and its interval, of Welch's test only.
        num_runs, num_lost: of the first and of the second sample; the lost are among the runs.
    """

    name: str
    statistic: float
    p_value: float
    difference: float
    low: float
    high: float
    num_runs: tuple[int, int]
    num_lost: tuple[int, int]


def paired_comparison(first: Sample, second: Sample, confidence: float = CONFIDENCE) -> Paired:
    """Differences between runs of equal stage and run number, which had the same seed.

    What a seed does to both settings falls out of their difference, so that fewer runs show one.
    The interval is Student's of the mean difference, which takes the pairs for a sample.
    """
    ones, others = _by_seed(first), _by_seed(second)
    both = sorted(ones.keys() & others.keys())
    kept = [seed for seed in both if not math.isnan(ones[seed] + others[seed])]
    lost = [seed for seed in both if math.isnan(ones[seed] + others[seed])]
    differences = np.array([others[seed] - ones[seed] for seed in kept])
    unpaired = len(ones) - len(both), len(others) - len(both)
    pairs = Sample(
        source=first.source,
        setting=first.setting,
        higher_is_better=first.higher_is_better,
        values=differences,
        seeds=np.array(kept, np.int64).reshape(-1, 2),
        lost_seeds=np.array(lost, np.int64).reshape(-1, 2),
        num_missing=sum(unpaired),
    )
    gains = differences if first.higher_is_better else -differences
    won = float(np.mean((gains > 0) + 0.5 * (gains == 0))) if kept else math.nan
    mean = estimate(pairs, confidence=confidence)
    return Paired(pairs.seeds, differences, mean, won, unpaired)


def mann_whitney(first: Sample, second: Sample) -> Test:
    """The rank-sum test that neither of two runs is likelier the better (Mann and Whitney, 1947).

    A lost run ranks below every other, equal to other lost ones: it is no missing datum that a run
    diverged. The statistic is U of the second: pairs of a run of each that it wins, ties half.
    """
    ones, others = first.ranked, second.ranked
    statistic = p_value = math.nan
    if len(ones) and len(others):
        ranks = stats.rankdata(np.concatenate([others, ones]))
        samples = ranks[: len(others)], ranks[len(others) :]
        test = stats.mannwhitneyu(*samples, alternative="two-sided")
        statistic, p_value = float(test.statistic), float(test.pvalue)
    return Test(
        "Mann-Whitney U", statistic, p_value, math.nan, math.nan, math.nan, *_counts(first, second)
    )


def welch(first: Sample, second: Sample, confidence: float = CONFIDENCE) -> Test:
    """The t test of equal means of runs of unequal variances (Welch, 1947).

    Of the runs that are not lost; it asks for means, which lost runs have no part in.
    """
    statistic = p_value = difference = low = high = math.nan
    if len(first.values) > 1 and len(second.values) > 1:
        test = stats.ttest_ind(second.values, first.values, equal_var=False)
        interval = test.confidence_interval(confidence)
        statistic, p_value = float(test.statistic), float(test.pvalue)
        difference = float(second.values.mean() - first.values.mean())
        low, high = float(interval.low), float(interval.high)
    return Test("Welch t", statistic, p_value, difference, low, high, *_counts(first, second))


def _counts(first: Sample, second: Sample) -> tuple[tuple[int, int], tuple[int, int]]:
    return (first.num_runs, second.num_runs), (first.num_lost, second.num_lost)


def _by_seed(runs: Sample) -> dict[tuple[int, ...], float]:
    """(stage, run number) -> value, NaN of a lost run."""
    kept = zip(map(tuple, runs.seeds.tolist()), runs.values.tolist(), strict=True)
    return dict(kept) | {tuple(seed): math.nan for seed in runs.lost_seeds.tolist()}


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """A statistic over environments.

    Attributes:
        name: of the statistic.
        value, low, high: `(num_points,)`, one point unless it is a profile; the bounds are NaN
            where no environment has two runs that take part, and so nothing to resample.
        confidence: of the interval, or of each point's.
        num_runs, num_lost, num_missing: over all environments and samples; the lost are among the
            runs.
    """

    name: str
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    confidence: float
    num_runs: int
    num_lost: int
    num_missing: int


def performance_profile(
    samples: Sequence[Sample],
    thresholds: np.ndarray,
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Aggregate:
    """The share of runs better than each threshold, averaged over environments.

        P(tau) = 1/M sum_m 1/N_m sum_n [x_mn > tau]

    (Dolan and More, 2002). "Better" is lower where lower is better. A lost run is better than none.

    Args:
        samples: one of each environment, with at least one run.
        thresholds: `(num_points,)`, in the metric's units.
    """
    signs = [1.0 if runs.higher_is_better else -1.0 for runs in samples]
    better = [
        (runs.ranked[:, None] > sign * thresholds).astype(np.float64)
        for runs, sign in zip(samples, signs, strict=True)
    ]
    blocks = [
        np.mean([c @ runs / len(runs) for c, runs in zip(draws, better, strict=True)], axis=0)
        for draws in _draws([len(runs) for runs in better], num_resamples, seed)
    ]
    value = np.mean([runs.mean(axis=0) for runs in better], axis=0)
    most = max(map(len, better))
    return _aggregate("performance profile", value, _joined(blocks, most), confidence, samples)


def probability_of_improvement(
    first: Sequence[Sample],
    second: Sequence[Sample],
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Aggregate:
    """How likely a run of the second is better than one of the first, averaged over environments.

        1/M sum_m 1/(N_m K_m) sum_n sum_k ([y_mk > x_mn] + [y_mk = x_mn] / 2)

    the Mann-Whitney U of each environment over its greatest value. A lost run is worse than any
    that is not, and equal to another lost one.

    Args:
        first, second: one sample of each environment, in the same order.
    """
    pairs = [
        (np.sort(ones.ranked), others.ranked) for ones, others in zip(first, second, strict=True)
    ]
    sizes = [(len(x), len(y)) for x, y in pairs]
    drawn = (  # of both samples at once, so that as many resamples fit
        [*zip(draws[: len(sizes)], draws[len(sizes) :], strict=True)]
        for draws in _draws(
            [size for both in zip(*sizes, strict=True) for size in both], num_resamples, seed
        )
    )
    blocks = [_improvement(pairs, draws)[:, None] for draws in drawn]
    value = _improvement(pairs, [(np.ones((1, n)), np.ones((1, k))) for n, k in sizes])
    most = max(map(max, sizes))
    samples = [*first, *second]
    return _aggregate(
        "probability of improvement", value, _joined(blocks, most), confidence, samples
    )


def _improvement(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], draws: Sequence[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """The mean over environments of the share of pairs won, `(num_resamples,)`.

    Args:
        pairs: runs of the first `(N,)`, rising, and of the second `(K,)`, of each environment.
        draws: how often each of them was drawn, `(num_resamples, N)` and `(num_resamples, K)`.
    """
    shares = []
    for (x, y), (ours, theirs) in zip(pairs, draws, strict=True):
        up_to = np.pad(np.cumsum(ours, axis=1), ((0, 0), (1, 0)))
        below = up_to[:, np.searchsorted(x, y)] + up_to[:, np.searchsorted(x, y, "right")]
        shares.append((below * theirs).sum(axis=1) / (2 * len(x) * len(y)))
    return np.asarray(np.mean(shares, axis=0))


def interquartile_mean(
    samples: Sequence[Sample],
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Aggregate:
    """The mean of the middle half of all environments' runs together (Agarwal et al., 2021).

    Lost runs are left out, and counted.

    Args:
        samples: one of each environment, on one scale.
    """
    values = [runs.values for runs in samples]
    generator = np.random.default_rng(seed)
    pooled = np.concatenate([*values, np.empty(0)])[:, None]
    blocks = []
    for size in block_sizes(num_resamples, len(pooled)):
        drawn = [
            runs[generator.integers(len(runs), size=(size, len(runs)))]
            for runs in values
            if len(runs)
        ]
        together = np.concatenate([*drawn, np.empty((size, 0))], axis=1)
        blocks.append(location(together.T, "iqm")[:, None])
    most = max(map(len, values), default=0)
    value = location(pooled, "iqm")
    return _aggregate("interquartile mean", value, _joined(blocks, most), confidence, samples)


def _draws(sizes: Sequence[int], num_resamples: int, seed: int) -> Iterator[list[np.ndarray]]:
    """How often each run of each sample is drawn, `(resamples, size)`, block by block.

    Raises:
        NthrunError: an environment has no runs.
    """
    if not sizes or 0 in sizes:
        raise NthrunError("samples: got one without runs, allowed: at least one run of each")
    generator = np.random.default_rng(seed)
    for block in block_sizes(num_resamples, sum(sizes)):
        yield [
            generator.multinomial(size, np.full(size, 1 / size), block).astype(np.float64)
            for size in sizes
        ]


def _joined(blocks: Sequence[np.ndarray], most_runs: int) -> np.ndarray:
    """Blocks of `(num_resamples, num_points)`; NaN where no sample has two runs to draw from."""
    joined = np.concatenate(blocks)
    return joined if most_runs > 1 else np.full_like(joined, math.nan)


def _aggregate(
    name: str,
    value: np.ndarray,
    resampled: np.ndarray,
    confidence: float,
    samples: Sequence[Sample],
) -> Aggregate:
    """The aggregate of a `(num_points,)` value and its `(num_resamples, num_points)` resamples."""
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    low, high = np.quantile(resampled, tails, axis=0)
    return Aggregate(
        name=name,
        value=value,
        low=low,
        high=high,
        confidence=confidence,
        num_runs=sum(runs.num_runs for runs in samples),
        num_lost=sum(runs.num_lost for runs in samples),
        num_missing=sum(runs.num_missing for runs in samples),
    )
