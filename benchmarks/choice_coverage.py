"""How often what `best` says of the setting it chooses is true, in simulated sweeps.

A sweep has 30 settings. They are equally good, or the first is better than the others by .5 or 1.5
of the standard deviation of its runs. Runs have

    normal        luck of their own
    common seeds  three quarters of their variance from the seed, which all settings share
    ties          scores rounded to whole standard deviations
    pruned        ten evaluations and the median rule after four of them; scores are those of the
                  last step that all runs reached
    low tail      scores 1 - Exp(1): a few runs are far worse than the others
    high tail     scores Exp(1) - 1

It prints a row for each: how often the interval stated of the chosen setting has its true mean,
how wide it is beside Student's plain interval of the same runs, and how often that would have the
mean; then the mean chance of being chosen again of the setting chosen, how often that is the best,
and how often the fewest settings whose chances add up to .95 have the best among them. Of equal
settings "the best" is one named beforehand.

    python benchmarks/choice_coverage.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.analysis.intervals import CONFIDENCE, for_each, student_interval
from nthrun.analysis.ranking import RunsBySetting, best_positions
from nthrun.analysis.resampling import resampled_wins

NUM_SETTINGS = 30
GAPS = {"equal": 0.0, "best by .5": 0.5, "best by 1.5": 1.5}
NUM_RUNS = (3, 5, 10)
NUM_RESAMPLES = 1000
SEED_SHARE = 0.75
"""Of the variance of runs with common seeds."""
EVALUATIONS, WARMUP = 10, 4
LUCK = 0.9
"""Standard deviation between runs that will be pruned, of what stays the same over training."""

Draw = Callable[[np.random.Generator, np.ndarray, tuple[int, int, int]], np.ndarray]
"""Scores of runs of some sweeps, `(sweeps, settings, runs)`, by the means of the settings."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table; shares are from 0 to 1.

    Attributes:
        kind, gap, num_runs: what was simulated.
        covered: of the intervals that are stated, those that have the true mean.
        width: of the interval, beside Student's plain one.
        plain: covered by Student's plain interval.
        again: mean chance of being chosen again of the setting chosen.
        right: sweeps in which that is the best.
        in_set: sweeps in which the fewest settings with chances of .95 have the best among them.
    """

    kind: str
    gap: str
    num_runs: int
    covered: float
    width: float
    plain: float
    again: float
    right: float
    in_set: float

    def __str__(self) -> str:
        shares = [self.covered, self.plain, self.again, self.right, self.in_set]
        covered, plain, *others = (f"{100 * share:.1f}" for share in shares)
        cells = [self.kind, self.gap, str(self.num_runs), covered, f"{self.width:.1f}"]
        return f"| {' | '.join([*cells, plain, *others])} |"


HEAD = """\
| runs | settings | runs of each | interval has the mean | width / plain | plain has it \
| chosen again | is the best | set of .95 has the best |
|---|---|---|---|---|---|---|---|---|"""


def normal(
    generator: np.random.Generator, means: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """Luck of the runs' own."""
    return means[:, None] + generator.normal(size=shape)


def common_seeds(
    generator: np.random.Generator, means: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """Luck of seeds, that all settings share, and some of the runs' own."""
    seeds = generator.normal(size=(shape[0], 1, shape[2])) * SEED_SHARE**0.5
    return means[:, None] + seeds + generator.normal(size=shape) * (1 - SEED_SHARE) ** 0.5


def ties(
    generator: np.random.Generator, means: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """Whole numbers."""
    return np.rint(normal(generator, means, shape))


def low_tail(
    generator: np.random.Generator, means: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """A few runs are far worse than the others."""
    return means[:, None] + 1 - generator.exponential(size=shape)


def high_tail(
    generator: np.random.Generator, means: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """A few runs are far better than the others."""
    return means[:, None] - 1 + generator.exponential(size=shape)


def pruned(
    generator: np.random.Generator, means: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """Scores up to the last evaluation that all runs reached, of runs that the median rule ends.

    The runs of one number train side by side, as in a pack, after those of lower numbers.
    """
    luck = means[:, None] + generator.normal(size=shape) * LUCK
    noise = ((1 - LUCK**2) * EVALUATIONS) ** 0.5
    values = luck[..., None] + generator.normal(size=(*shape, EVALUATIONS)) * noise
    best = np.maximum.accumulate(values, axis=3)
    reached = np.full(shape, EVALUATIONS)
    for run in range(shape[2]):
        for step in range(WARMUP - 1, EVALUATIONS - 1):
            there = reached[:, :, : run + 1] > step
            at_step = np.where(there, values[:, :, : run + 1, step], np.nan)
            median = _medians(at_step.reshape(shape[0], -1))
            ended = there[:, :, run] & (best[:, :, run, step] < median[:, None])
            reached[:, :, run][ended] = step + 1
    common = reached.min(axis=(1, 2))
    sums = np.cumsum(values, axis=3)
    return sums[np.arange(shape[0]), :, :, common - 1] / common[:, None, None]


def _medians(values: np.ndarray) -> np.ndarray:
    """The median of each row's numbers."""
    ranked = np.sort(values, axis=1)
    count = np.isfinite(values).sum(axis=1)
    rows = np.arange(len(values))
    return (ranked[rows, (count - 1) // 2] + ranked[rows, count // 2]) / 2


KINDS: dict[str, Draw] = {
    "normal": normal,
    "common seeds": common_seeds,
    "ties": ties,
    "pruned": pruned,
    "low tail": low_tail,
    "high tail": high_tail,
}


def simulated(kind: str, gap: str, num_runs: int, num_sweeps: int, num_resampled: int) -> Row:
    """A row of the table.

    Args:
        kind: of `KINDS`.
        gap: of `GAPS`.
        num_runs: of each setting.
        num_sweeps: that intervals are made of.
        num_resampled: of these, whose chances of being chosen again are made.
    """
    generator = np.random.default_rng([num_runs, *map(ord, kind + gap)])
    means = np.zeros(NUM_SETTINGS)
    means[0] = GAPS[gap]
    values = KINDS[kind](generator, means, (num_sweeps, NUM_SETTINGS, num_runs))
    chosen = np.array([_choose(runs) for runs in values])
    truth = np.array([_rounded_mean(mean) for mean in means]) if kind == "ties" else means
    of_chosen = values[np.arange(num_sweeps), chosen].T
    typical = np.sqrt(np.median(values.var(axis=2, ddof=1), axis=1))
    low, high = student_interval(
        of_chosen, for_each(CONFIDENCE, NUM_SETTINGS), least_deviation=typical
    )
    plain_low, plain_high = student_interval(of_chosen)
    again, in_set = _chosen_again(values[:num_resampled], chosen)
    widths = (high - low) / (plain_high - plain_low)
    return Row(
        kind,
        gap,
        num_runs,
        covered=_share_within(truth[chosen], low, high),
        width=float(np.nanmedian(widths)),
        plain=_share_within(truth[chosen], plain_low, plain_high),
        again=again,
        right=float((chosen == 0).mean()),
        in_set=in_set,
    )


def _share_within(true: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The share of the intervals that there are which have the true mean."""
    there = np.isfinite(low)
    return float(((low <= true) & (true <= high))[there].mean())


def _by_setting(values: np.ndarray) -> RunsBySetting:
    """The runs of a sweep `(settings, runs)`, as `best` has them."""
    numbers, num_runs = np.arange(len(values)), np.full(len(values), values.shape[1])
    return RunsBySetting(numbers, num_runs, values, np.zeros(values.shape, bool), True)


def _choose(values: np.ndarray) -> int:
    return int(best_positions([_by_setting(values)])[0])


def _chosen_again(values: np.ndarray, chosen: np.ndarray) -> tuple[float, float]:
    """The mean chance of the setting chosen, and how often the set of .95 has the first setting."""
    again, in_set = [], []
    for runs, winner in zip(values, chosen.tolist(), strict=False):
        chances = resampled_wins([_by_setting(runs)], NUM_RESAMPLES)
        order = np.argsort(-chances, kind="stable")
        size = int(np.searchsorted(np.cumsum(chances[order]), 0.95)) + 1
        again.append(chances[winner])
        in_set.append(0 in order[:size])
    return float(np.mean(again)), float(np.mean(in_set))


def _rounded_mean(mean: float) -> float:
    """The mean of a normal number of deviation 1, rounded to a whole one."""
    numbers = np.arange(-12, 13)
    return float(numbers @ np.diff(stats.norm.cdf(np.arange(-12.5, 13), mean)))


def table(num_sweeps: int, num_resampled: int) -> Iterator[Row]:
    """All rows."""
    for kind in KINDS:
        for gap in GAPS:
            for num_runs in NUM_RUNS:
                yield simulated(kind, gap, num_runs, num_sweeps, num_resampled)


@click.command()
@click.option("--sweeps", default=2000, show_default=True, help="Simulated for each row.")
@click.option("--resampled", default=300, show_default=True, help="Of these, for the chances.")
def main(sweeps: int, resampled: int) -> None:
    """Print the table."""
    click.echo(HEAD)
    for row in table(sweeps, resampled):
        click.echo(row)


if __name__ == "__main__":
    main()
