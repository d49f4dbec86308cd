"""Statistics over several environments at once, each with its own runs (Agarwal et al., 2021).

None is anyone's default: they say something about a set of environments, not about any of them.
Runs are resampled within each environment (stratified bootstrap), so that every resample has as
many runs of each as there are. Scores of different environments have to be on one scale first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nthrun.analysis.estimates import Sample
from nthrun.analysis.intervals import CONFIDENCE, NUM_RESAMPLES, location
from nthrun.errors import NthrunError


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """A statistic over environments.

    Attributes:
        name: of the statistic.
        value, low, high: `(num_points,)`, one point unless it is a profile; the bounds are NaN
            where no environment has two runs.
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
    parts = zip(samples, signs, strict=True)
    better = [(runs.ranked[:, None] > sign * thresholds).astype(np.float64) for runs, sign in parts]
    draws = _draws([len(part) for part in better], num_resamples, seed)
    value = np.mean([part.mean(axis=0) for part in better], axis=0)
    found = np.mean([c @ part / len(part) for c, part in zip(draws, better, strict=True)], axis=0)
    return _aggregate("performance profile", value, found, confidence, samples)


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
    wins = []
    for ones, others in zip(first, second, strict=True):
        x, y = ones.ranked[:, None], others.ranked
        wins.append((y > x) + 0.5 * (y == x))
    ours = _draws([part.shape[0] for part in wins], num_resamples, seed)
    theirs = _draws([part.shape[1] for part in wins], num_resamples, seed + 1)
    value = np.array([np.mean([part.mean() for part in wins])])
    found = np.mean(
        [((a @ p) * b).sum(axis=1) / p.size for a, p, b in zip(ours, wins, theirs, strict=True)],
        axis=0,
    )[:, None]
    return _aggregate("probability of improvement", value, found, confidence, [*first, *second])


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
    drawn = [
        part[generator.integers(len(part), size=(num_resamples, len(part)))]
        for part in values
        if len(part)
    ]
    pooled = np.concatenate(values or [np.empty(0)])[:, None]
    found = location(np.concatenate(drawn, axis=1).T, "iqm") if drawn else np.full(1, math.nan)
    value = location(pooled, "iqm")
    return _aggregate("interquartile mean", value, found[:, None], confidence, samples)


def _draws(sizes: Sequence[int], num_resamples: int, seed: int) -> list[np.ndarray]:
    """How often each run of each environment is drawn, `(num_resamples, size)`.

    Raises:
        NthrunError: an environment has no runs.
    """
    if not sizes or 0 in sizes:
        raise NthrunError("samples: got one without runs, allowed: at least one run of each")
    generator = np.random.default_rng(seed)
    return [
        generator.multinomial(size, np.full(size, 1 / size), num_resamples).astype(np.float64)
        for size in sizes
    ]


def _aggregate(
    name: str,
    value: np.ndarray,
    resampled: np.ndarray,
    confidence: float,
    samples: Sequence[Sample],
) -> Aggregate:
    """From `(num_points,)` and `(num_resamples, num_points)`."""
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    low, high = np.quantile(resampled, tails, axis=0)
    if max(runs.num_runs for runs in samples) < 2:
        low, high = np.full((2, len(value)), math.nan)
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
