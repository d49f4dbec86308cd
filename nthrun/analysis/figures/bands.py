"""Bands: what is drawn around the mean or median over runs, and how it is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nthrun.analysis.intervals import (
    BETA,
    CONFIDENCE,
    FEW_RUNS,
    band,
    location,
    percentile_bootstrap,
    rank_interval,
    runs_needed,
    student_or_mean,
    tolerance_interval,
)
from nthrun.errors import NthrunError

Kind = Literal["bootstrap", "student", "rank", "tolerance", "stderr", "none"]
Statistic = Literal["mean", "median"]
STATISTICS: tuple[Statistic, ...] = ("mean", "median")
OFFERED: tuple[Kind, ...] = ("student", "rank", "bootstrap", "tolerance", "none")
"""Bands that commands offer; standard errors are left to `plot_utils`."""
TEXTS = {
    "bootstrap": f"{CONFIDENCE:.0%} bootstrap band",
    "student": f"{CONFIDENCE:.0%} Student band",
    "rank": f"rank band of at least {CONFIDENCE:.0%}",
    "tolerance": f"tolerance band of {BETA:.0%} of runs with a value",
    "stderr": "± standard error",
    "none": "",
}


FLATTERED = "best settings are chosen by the runs shown, which flatters them"


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A centre and its band.

    Attributes:
        centre, low, high: `(num_points,)`; NaN at points without a run.
        text: what the band is, for a legend; empty where there is none.
    """

    centre: np.ndarray
    low: np.ndarray
    high: np.ndarray
    text: str


def band_of(runs: np.ndarray, kind: Kind | None = None, statistic: Statistic = "mean") -> Band:
    """The centre of runs and its band, point by point over the runs with a finite value.

    Bands are those of `intervals`; `stderr` is the mean ± s / √n. With too few runs for a
    tolerance band it is the range of the runs, and the text says so. Nothing here knows of lost
    runs but by their values: who gives NaN for them has a band of completed runs.

    Args:
        runs: `(num_runs, num_points)`.
        kind: of the band; None is Student's, and of medians that of ranks.
        statistic: the centre.

    Raises:
        NthrunError: a Student band or a standard error of a median, or a band of ranks of a mean.
    """
    kind = kind or ("rank" if statistic == "median" else "student")
    if statistic == "median" and kind in ("student", "stderr"):
        raise NthrunError(
            f"band: got {kind} of a median, allowed: bootstrap, tolerance, rank, none",
            "choose another band, or the mean",
        )
    if statistic == "mean" and kind == "rank":
        raise NthrunError("band: got rank of a mean", "choose another band, or the median")
    centre, low, high = np.full((3, runs.shape[1]), np.nan)
    finite = np.isfinite(runs)
    patterns, pattern_of = np.unique(finite, axis=1, return_inverse=True)
    for number, present in enumerate(patterns.T):
        at = np.flatnonzero(pattern_of.ravel() == number)
        if present.any():
            values = runs[np.ix_(present, at)]
            centre[at] = location(values, statistic)
            low[at], high[at] = _bounds(values, kind)
    if kind == "bootstrap":
        low, high = percentile_bootstrap(runs, statistic=statistic)
    if kind in ("student", "rank"):
        low, high = band(runs, student_or_mean if kind == "student" else rank_interval)
    text = TEXTS[kind]
    counts = finite.sum(0)
    if kind == "bootstrap" and (counts[counts > 1] < FEW_RUNS).any():
        text += f", too narrow where runs are fewer than {FEW_RUNS}"
    few = counts[counts > 0] < runs_needed()
    if kind == "tolerance" and few.all():
        text = f"range of runs ({text} needs {runs_needed()})"
    elif kind == "tolerance" and few.any():
        text = f"{text}, range of runs where they are fewer than {runs_needed()}"
    return Band(centre, low, high, text)


def _bounds(values: np.ndarray, kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    """Low and high of tolerance bands and standard errors, of finite `(num_runs, num_points)`."""
    if kind == "tolerance" and len(values) < runs_needed():
        return values.min(axis=0), values.max(axis=0)
    if kind == "tolerance":
        limits = [tolerance_interval(column) for column in values.T]
        return np.array([each.low for each in limits]), np.array([each.high for each in limits])
    centre = location(values)
    if kind == "stderr" and len(values) > 1:
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        return centre - error, centre + error
    return centre, centre
