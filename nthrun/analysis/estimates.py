"""Estimates: one setting's runs as a sample, a statistic of it, and its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nthrun.analysis.intervals import (
    CONFIDENCE,
    NUM_RESAMPLES,
    Statistic,
    location,
    percentile_bootstrap,
    student_interval,
)
from nthrun.analysis.scores import Scores
from nthrun.errors import DataFileError, NthrunError

Method = Literal["bootstrap", "student"]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The runs of one setting, by one metric.

    Attributes:
        source, setting: whose runs.
        higher_is_better: which runs are good.
        values: `(num_kept,)` of the runs that are not lost.
        seeds: `(num_kept, 2)` their stages and run numbers.
        lost_seeds: `(num_lost, 2)` those of the lost ones: not completed, or without a value.
        num_missing: seeds that another setting has been run with and this one has not.
    """

    source: str
    setting: int
    higher_is_better: bool
    values: np.ndarray
    seeds: np.ndarray
    lost_seeds: np.ndarray
    num_missing: int

    @property
    def num_lost(self) -> int:
        """Recorded runs that were lost."""
        return len(self.lost_seeds)

    @property
    def num_runs(self) -> int:
        """Runs recorded, lost ones included."""
        return len(self.values) + self.num_lost

    @property
    def ranked(self) -> np.ndarray:
        """`(num_runs,)` the higher the better, a lost run below all others: -inf."""
        oriented = self.values if self.higher_is_better else -self.values
        return np.append(oriented, np.full(self.num_lost, -np.inf))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic of runs, with what it leaves out.

    Attributes:
        statistic, method: of what, and how its interval was made.
        value: NaN if every run was lost.
        low, high: NaN of fewer than two runs, which have no interval.
        confidence: of the interval.
        num_runs, num_lost, num_missing: see `Sample`; the lost are counted among the runs.
    """

    statistic: Statistic
    method: Method
    value: float
    low: float
    high: float
    confidence: float
    num_runs: int
    num_lost: int
    num_missing: int

    def text(self) -> str:
        """In words: `-161.2 (95 % bootstrap interval -170.1 to -150.3; 30 runs, 1 lost)`."""
        return f"{self.value:.6g} ({self._interval()}; {self._runs()})"

    def _interval(self) -> str:
        if math.isnan(self.low):
            return "too few runs for an interval"
        share = f"{100 * self.confidence:g} % {self.method} interval"
        return f"{share} {self.low:.6g} to {self.high:.6g}"

    def _runs(self) -> str:
        text = f"{self.num_runs} run{'' if self.num_runs == 1 else 's'}, {self.num_lost} lost"
        return text + (f", {self.num_missing} missing" if self.num_missing else "")


def sample(scores: Scores, setting: int) -> Sample:
    """The runs of one setting.

    Raises:
        DataFileError: it has none.
    """
    own = scores.settings == setting
    if not own.any():
        raise DataFileError(
            f"{scores.source}: no run of setting {setting}",
            f"settings with runs: {len(scores.parameters)}, from {min(scores.parameters)} to "
            f"{max(scores.parameters)}",
        )
    seeds = np.stack([scores.stages, scores.run_numbers], axis=1)
    kept, lost = own & ~scores.lost, own & scores.lost
    return Sample(
        source=scores.source,
        setting=setting,
        higher_is_better=scores.higher_is_better,
        values=scores.values[kept],
        seeds=seeds[kept],
        lost_seeds=seeds[lost],
        num_missing=len(np.unique(seeds, axis=0)) - int(own.sum()),
    )


def estimate(
    runs: Sample,
    statistic: Statistic = "mean",
    method: Method = "bootstrap",
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
) -> Estimate:
    """A statistic of the runs that are not lost, and its interval, see `intervals`.

    Raises:
        NthrunError: Student's interval of the median, of which there is none.
    """
    if method == "student" and statistic == "median":
        raise NthrunError("method: got 'student' for the median, allowed: bootstrap")
    low = high = math.nan
    column = runs.values[:, None]
    if len(column) > 1 and method == "bootstrap":
        bounds = percentile_bootstrap(column, confidence, num_resamples, statistic=statistic)
        low, high = (float(bound[0]) for bound in bounds)
    elif len(column) > 1:
        low, high = (float(b[0]) for b in student_interval(column, confidence, statistic))
    return Estimate(
        statistic=statistic,
        method=method,
        value=float(location(column, statistic)[0]),
        low=low,
        high=high,
        confidence=confidence,
        num_runs=runs.num_runs,
        num_lost=runs.num_lost,
        num_missing=runs.num_missing,
    )
