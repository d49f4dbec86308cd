"""The choice of a setting: the winner, and the settings that could as well be it.

The choice itself is bootstrapped: of every setting runs are drawn with replacement, a setting is
chosen from them, and so 10,000 times. A setting's share of these choices is how likely it would be
chosen again from other runs. Settings whose runs share seeds are resampled together, by run number,
since what a seed does to one it may do to all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from nthrun.analysis.compatibility_checks import require_one_metric, require_shared
from nthrun.analysis.estimates import Estimate, estimate, sample
from nthrun.analysis.hyperparameters import SettingKey, setting_key
from nthrun.analysis.intervals import (
    CONFIDENCE,
    MAX_VALUES_AT_ONCE,
    NUM_RESAMPLES,
    block_sizes,
    resampled,
)
from nthrun.analysis.ranking import (
    RunsBySetting,
    ShareAndMean,
    best_position,
    comparable_share,
    ecdf,
    runs_by_setting,
    share_and_mean,
)
from nthrun.analysis.scores import Scores
from nthrun.errors import DataFileError

Scale = Literal["metric", "ecdf"]
"""What settings are compared by: the metric, or ranks among an environment's runs, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A setting that could be the winner.

    Attributes:
        settings: its number in each experiment.
        probability: share of the resamples that it won.
        score: its mean over experiments on the scale of the choice.
        num_runs, num_lost: over all experiments; the lost are among the runs.
    """

    settings: tuple[int, ...]
    probability: float
    score: float
    num_runs: int
    num_lost: int


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The winner and what else could be.

    Attributes:
        sources: the experiments it was chosen in.
        metric, higher_is_better, scale: what it was chosen by.
        settings: the winner's number in each experiment.
        parameters: its hyperparameters.
        estimates: its mean in each experiment, by the metric. It is biased towards the better, as
            the runs that it is of are those it was chosen by.
        score, low, high: its mean over experiments on the scale, with its interval, of the runs
            that are not lost, or the mean of the lost ones where all are; the bounds are NaN of a
            winner with one run that is not lost, or none.
        contenders: likeliest first; their probabilities add up to 1, less the resamples in which
            no setting had a value.
        paired: whether settings were resampled together, by seed.
        num_settings, num_runs, num_lost: that were compared; the lost are among the runs.
        num_unsure: settings with fewer than two completed runs in an experiment, whose spread is
            unknown, so that the contenders' probabilities are too sure.
        num_left_out: settings with runs in some of the experiments only, which are not compared.
        num_repeated: settings, over all experiments, with the hyperparameters of one of lower
            number, which stands for them: their runs, of the same seeds, are not compared.
        num_resamples, confidence: of the bootstrap.
    """

    sources: tuple[str, ...]
    metric: str
    higher_is_better: bool
    scale: Scale
    settings: tuple[int, ...]
    parameters: Mapping[str, Any]
    estimates: tuple[Estimate, ...]
    score: float
    low: float
    high: float
    contenders: tuple[Contender, ...]
    paired: bool
    num_settings: int
    num_runs: int
    num_lost: int
    num_unsure: int
    num_left_out: int
    num_repeated: int
    num_resamples: int
    confidence: float

    @property
    def lost_all(self) -> bool:
        """Whether every run of the winner was lost, and so none completed that could choose."""
        return all(math.isnan(estimate.value) for estimate in self.estimates)


def choose(
    scores: Scores, num_resamples: int = NUM_RESAMPLES, confidence: float = CONFIDENCE
) -> Choice:
    """The best setting of an experiment, see `ranking`.

    Raises:
        DataFileError: no run has a value.
    """
    return _choice([scores], [runs_by_setting(scores)], "metric", num_resamples, confidence)


def choose_across(
    group: Sequence[Scores], num_resamples: int = NUM_RESAMPLES, confidence: float = CONFIDENCE
) -> Choice:
    """One setting for several environments: the highest mean, over them, of the mean rank.

    Ranks are those of `ecdf` among all completed runs of an environment, so that no environment
    counts for more because of its units; they stay as they are while runs are resampled.

    Args:
        group: scores of one agent in each environment. Settings are the same when their
            hyperparameters are, whatever their numbers; of several with runs in one environment
            the lowest number counts.

    Raises:
        DataFileError: the scores are of different metrics, or no setting has runs, or values, in
            all of them.
    """
    require_one_metric(group)
    numbers = [_first_numbers(scores) for scores in group]
    shared = [key for key in numbers[0] if all(key in number_of for number_of in numbers)]
    require_shared(group, shared)
    aligned = []
    for scores, number_of in zip(group, numbers, strict=True):
        every = runs_by_setting(scores)
        runs = ecdf(every.take(np.searchsorted(every.numbers, sorted(number_of.values()))))
        aligned.append(runs.take(np.searchsorted(runs.numbers, [number_of[key] for key in shared])))
    choice = _choice(group, aligned, "ecdf", num_resamples, confidence)
    return replace(
        choice,
        num_left_out=len(set().union(*numbers)) - len(shared),
        num_repeated=sum(len(s.parameters) - len(n) for s, n in zip(group, numbers, strict=True)),
    )


def _first_numbers(scores: Scores) -> dict[SettingKey, int]:
    """Hyperparameters -> the lowest number of a setting that has them."""
    falling = sorted(scores.parameters.items(), reverse=True)
    return {setting_key(parameters): number for number, parameters in falling}


def _choice(
    group: Sequence[Scores],
    experiments: Sequence[RunsBySetting],
    scale: Scale,
    num_resamples: int,
    confidence: float,
) -> Choice:
    """The choice among settings that stand at the same positions of every experiment."""
    position = best_position(experiments)
    if position is None:
        raise DataFileError(
            f"{', '.join(scores.source for scores in group)}: no run has a finite value of metric "
            f"{group[0].metric!r}",
            "train for longer than an episode, or give another --metric",
        )
    first = group[0]
    settings = _numbers(experiments, position)
    score, low, high = _score(experiments, position, num_resamples, confidence)
    sign = 1.0 if first.higher_is_better or scale == "ecdf" else -1.0
    low, high = sorted((sign * low, sign * high))
    return Choice(
        sources=tuple(scores.source for scores in group),
        metric=first.metric,
        higher_is_better=first.higher_is_better,
        scale=scale,
        settings=settings,
        parameters=first.parameters[settings[0]],
        estimates=tuple(
            estimate(sample(s, n), confidence=confidence, num_resamples=num_resamples)
            for s, n in zip(group, settings, strict=True)
        ),
        score=sign * score,
        low=low,
        high=high,
        contenders=_contenders(experiments, num_resamples, sign),
        paired=all(runs.paired for runs in experiments),
        num_settings=len(experiments[0].numbers),
        num_runs=sum(int(runs.num_runs.sum()) for runs in experiments),
        num_lost=sum(int(runs.num_lost.sum()) for runs in experiments),
        num_unsure=int(np.any([runs.num_kept < 2 for runs in experiments], axis=0).sum()),
        num_left_out=0,
        num_repeated=0,
        num_resamples=num_resamples,
        confidence=confidence,
    )


def _score(
    experiments: Sequence[RunsBySetting], position: int, num_resamples: int, confidence: float
) -> tuple[float, float, float]:
    """Mean over experiments, and its interval, both of the runs that are not lost."""
    score = float(np.mean([share_and_mean(runs)[1][position] for runs in experiments]))
    if min(runs.num_kept[position] for runs in experiments) < 2:
        return score, math.nan, math.nan
    generator = np.random.default_rng(0)
    kept = [runs.values[position][~runs.lost[position]][:, None] for runs in experiments]
    means = np.mean([resampled(runs, num_resamples, generator, "mean") for runs in kept], axis=0)
    low, high = np.quantile(means[0], ((1 - confidence) / 2, (1 + confidence) / 2))
    return score, float(low), float(high)


def _contenders(
    experiments: Sequence[RunsBySetting], num_resamples: int, sign: float
) -> tuple[Contender, ...]:
    """The settings that won a resample, likeliest first."""
    winners = resampled_positions(experiments, num_resamples)
    positions, counts = np.unique(winners[winners >= 0], return_counts=True)
    means = np.mean([share_and_mean(runs)[1] for runs in experiments], axis=0)
    num_runs = np.sum([runs.num_runs for runs in experiments], axis=0)
    num_lost = np.sum([runs.num_lost for runs in experiments], axis=0)
    contenders = [
        Contender(
            settings=_numbers(experiments, position),
            probability=count / num_resamples,
            score=sign * float(means[position]),
            num_runs=int(num_runs[position]),
            num_lost=int(num_lost[position]),
        )
        for position, count in zip(positions.tolist(), counts.tolist(), strict=True)
    ]
    return tuple(sorted(contenders, key=lambda each: (-each.probability, each.settings)))


def _numbers(experiments: Sequence[RunsBySetting], position: int) -> tuple[int, ...]:
    return tuple(int(runs.numbers[position]) for runs in experiments)


def resampled_positions(
    experiments: Sequence[RunsBySetting], num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> np.ndarray:
    """The position of the best setting in each resample.

    A block of settings of equally many runs shares its resamples, each setting beginning at another
    of them. So within a resample settings are drawn independently, as they should be where they
    share no seeds, though one matrix product makes the means of all.

    Args:
        experiments: with the same settings at the same positions; drawn from independently.
        num_resamples: how often; memory does not grow with it times the runs of a setting.
        seed: of the resampling; the same seed gives the same positions.

    Returns:
        `(num_resamples,)` int64; -1 where no setting had a value.
    """
    generator = np.random.default_rng(seed)
    most = sum(runs.values.shape[1] for runs in experiments)
    sizes = block_sizes(num_resamples, most)
    return np.concatenate([_best_positions(experiments, size, generator) for size in sizes])


def _best_positions(
    experiments: Sequence[RunsBySetting], num_resamples: int, generator: np.random.Generator
) -> np.ndarray:
    """The best position in each of so many resamples, all drawn at once."""
    draw = _Draws(experiments, num_resamples, generator)
    best_share, best_mean = np.full(num_resamples, np.inf), np.full(num_resamples, -np.inf)
    best = np.full(num_resamples, -1)
    rows = np.arange(num_resamples)
    for positions in _blocks(experiments, num_resamples):
        share, mean = draw.share_and_mean(positions)
        share = comparable_share(share, mean)
        least = share.min(axis=1)
        column = np.where(share == least[:, None], mean, -np.inf).argmax(axis=1)
        highest, position = mean[rows, column], positions[column]
        same = least == best_share
        better = (least < best_share) | (same & (highest > best_mean))
        better |= same & (highest == best_mean) & (position < best)
        best_share[better], best_mean[better] = least[better], highest[better]
        best[better] = position[better]
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
            self._counts(int(runs.num_runs[0])) if runs.paired else None for runs in experiments
        ]

    def share_and_mean(self, positions: np.ndarray) -> ShareAndMean:
        """Share and mean of some settings in each resample, both `(num_resamples, num_settings)`.

        Args:
            positions: of settings that have equally many runs in each experiment.
        """
        total_share = np.zeros((self._num_resamples, len(positions)))
        total_mean = np.zeros_like(total_share)
        for runs, shared in zip(self._experiments, self._shared, strict=True):
            size = int(runs.num_runs[positions[0]])
            counts = self._counts(size) if shared is None else shared
            share, mean = _resampled(runs, positions, size, counts)
            total_share += share if shared is not None else _staggered(share)
            total_mean += mean if shared is not None else _staggered(mean)
        count = len(self._experiments)
        return (total_share / count).round(12), total_mean / count

    def _counts(self, size: int) -> np.ndarray:
        """How often each run was drawn, `(num_resamples, size)`."""
        drawn = self._generator.multinomial(size, np.full(size, 1 / size), self._num_resamples)
        return np.asarray(drawn, np.float64)


def _resampled(
    runs: RunsBySetting, positions: np.ndarray, size: int, counts: np.ndarray
) -> ShareAndMean:
    """The share lost and the mean of some settings, of runs drawn so often."""
    values, lost = runs.values[positions, :size].T, runs.lost[positions, :size].T
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
