"""Comparisons of two settings, or of two agents' settings, by one metric."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from nthrun.analysis.estimates import Estimate, Sample, estimate
from nthrun.analysis.intervals import CONFIDENCE, NUM_RESAMPLES


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


def paired_comparison(
    first: Sample,
    second: Sample,
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
) -> Paired:
    """Differences between runs of equal stage and run number, which had the same seed.

    What a seed does to both settings falls out of their difference, so that fewer runs show one.
    The interval is the percentile bootstrap's of the mean difference, drawn pair by pair.
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
    mean = estimate(pairs, confidence=confidence, num_resamples=num_resamples)
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
        parts = ranks[: len(others)], ranks[len(others) :]
        found = stats.mannwhitneyu(*parts, alternative="two-sided")
        statistic, p_value = float(found.statistic), float(found.pvalue)
    return Test(
        "Mann-Whitney U", statistic, p_value, math.nan, math.nan, math.nan, *_counts(first, second)
    )


def welch(first: Sample, second: Sample, confidence: float = CONFIDENCE) -> Test:
    """The t test of equal means of runs of unequal variances (Welch, 1947).

    Of the runs that are not lost; it asks for means, which lost runs have no part in.
    """
    statistic = p_value = difference = low = high = math.nan
    if len(first.values) > 1 and len(second.values) > 1:
        found = stats.ttest_ind(second.values, first.values, equal_var=False)
        interval = found.confidence_interval(confidence)
        statistic, p_value = float(found.statistic), float(found.pvalue)
        difference = float(second.values.mean() - first.values.mean())
        low, high = float(interval.low), float(interval.high)
    return Test("Welch t", statistic, p_value, difference, low, high, *_counts(first, second))


def _counts(first: Sample, second: Sample) -> tuple[tuple[int, int], tuple[int, int]]:
    return (first.num_runs, second.num_runs), (first.num_lost, second.num_lost)


def _by_seed(runs: Sample) -> dict[tuple[int, ...], float]:
    """(stage, run number) -> value, NaN of a lost run."""
    kept = zip(map(tuple, runs.seeds.tolist()), runs.values.tolist(), strict=True)
    return dict(kept) | {tuple(seed): math.nan for seed in runs.lost_seeds.tolist()}
