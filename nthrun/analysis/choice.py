"""The choice of a setting: the winner, how good it is, and the settings that compete with it.

The runs that chose the winner flatter it, the more so the more settings it was chosen from. So its
interval is one that holds for all of these settings at once, and whichever is chosen.

The choice itself is made again from 10,000 resamples of the runs, see `resampling`. A setting's
share of these choices says how firm the choice is. It is not the probability that the setting is
the best, which no resample of the same lucky runs can tell.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from nthrun.analysis.compatibility_checks import require_one_metric, require_shared
from nthrun.analysis.estimates import Estimate, estimate_of_chosen
from nthrun.analysis.hyperparameters import SettingKey, setting_key
from nthrun.analysis.intervals import CONFIDENCE, NUM_RESAMPLES
from nthrun.analysis.ranking import (
    RunsBySetting,
    averaged,
    best_positions,
    ecdf,
    runs_by_setting,
    share_and_mean,
)
from nthrun.analysis.resampling import resampled_wins
from nthrun.analysis.scores import Scores
from nthrun.errors import DataFileError

Scale = Literal["metric", "ecdf"]
"""What settings are compared by: the metric, or ranks among an environment's runs, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A setting that would be chosen from other draws of the runs.

    Attributes:
        settings: its number in each experiment.
        probability: of being chosen again: its share of the resamples, which equals share. It is
            not the probability of being the best.
        score: its mean over experiments on the scale of the choice.
        num_runs, num_lost, num_pruned: over all experiments; the lost and the pruned are among the
            runs.
    """

    settings: tuple[int, ...]
    probability: float
    score: float
    num_runs: int
    num_lost: int
    num_pruned: int


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The winner and what competes with it.

    Attributes:
        sources: the experiments it was chosen in.
        metric, higher_is_better, scale: what it was chosen by.
        settings: the winner's number in each experiment.
        parameters: its hyperparameters.
        estimates: its mean in each experiment, by the metric. It is biased towards the better, as
            the runs that it is of are those it was chosen by; its interval is one of all the
            settings at once.
        score: its mean over experiments on the scale, of the runs that are not lost, or of the lost
            ones where all are.
        low, high: bounds of the mean, as of the estimate, where the scale is the metric; NaN of
            ranks, which are relative to the runs that there are.
        equals: the numbers, as in `settings`, of the other settings that are as good.
        contenders: likeliest first; their probabilities add up to 1, less the resamples in which
            no setting had a value.
        paired: whether settings were resampled together, by seed.
        num_settings, num_runs, num_lost, num_pruned: that were compared; the lost and the pruned
            are among the runs.
        num_unsure: settings with fewer than two completed runs in an experiment, whose spread is
            unknown, so that the contenders' probabilities are too sure.
        num_resamples: of the runs.
        confidence: of the intervals.
        up_to: of each experiment, the training step up to which its runs were compared; None is
            all of each.
        lengths: of each experiment, the different steps of its completed runs, rising.
        num_left_out: settings with runs in some of the experiments only, which are not compared.
        num_repeated: settings, over all experiments, with the hyperparameters of one of lower
            number, which stands for them: their runs, of the same seeds, are not compared.
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
    equals: tuple[tuple[int, ...], ...]
    contenders: tuple[Contender, ...]
    paired: bool
    num_settings: int
    num_runs: int
    num_lost: int
    num_pruned: int
    num_unsure: int
    num_resamples: int
    confidence: float
    up_to: tuple[int | None, ...]
    lengths: tuple[tuple[int, ...], ...]
    num_left_out: int = 0
    num_repeated: int = 0

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
    in_all = set(numbers[0]).intersection(*numbers[1:])
    shared = sorted(in_all, key=lambda key: numbers[0][key])
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
    best = _require_any(group, best_positions(experiments))
    settings, *equals = (_numbers(experiments, position) for position in best.tolist())
    sign = 1.0 if group[0].higher_is_better or scale == "ecdf" else -1.0
    num_settings = len(experiments[0].numbers)
    estimates = tuple(
        estimate_of_chosen(scores, number, num_settings, confidence)
        for scores, number in zip(group, settings, strict=True)
    )
    low, high = (estimates[0].low, estimates[0].high) if scale == "metric" else (math.nan, math.nan)
    return Choice(
        sources=tuple(scores.source for scores in group),
        metric=group[0].metric,
        higher_is_better=group[0].higher_is_better,
        scale=scale,
        settings=settings,
        parameters=group[0].parameters[settings[0]],
        estimates=estimates,
        score=sign * float(_means(experiments)[best[0]]),
        low=low,
        high=high,
        equals=tuple(equals),
        contenders=_contenders(group, experiments, num_resamples, sign),
        paired=all(runs.paired for runs in experiments),
        num_settings=num_settings,
        num_runs=sum(int(runs.num_runs.sum()) for runs in experiments),
        num_lost=sum(int(runs.num_lost.sum()) for runs in experiments),
        num_pruned=int(_num_pruned(group, experiments).sum()),
        num_unsure=int(np.any([runs.num_kept < 2 for runs in experiments], axis=0).sum()),
        num_resamples=num_resamples,
        confidence=confidence,
        up_to=tuple(scores.up_to for scores in group),
        lengths=tuple(scores.lengths for scores in group),
    )


def _require_any(group: Sequence[Scores], best: np.ndarray) -> np.ndarray:
    """The positions of the best settings.

    Raises:
        DataFileError: there are none, as no run has a value.
    """
    if not len(best):
        raise DataFileError(
            f"{', '.join(scores.source for scores in group)}: no run has a finite value of metric "
            f"{group[0].metric!r}",
            "train for longer than an episode, or give another --metric",
        )
    return best


def _means(experiments: Sequence[RunsBySetting]) -> np.ndarray:
    """The mean of each setting over experiments, the higher the better."""
    return averaged([share_and_mean(runs) for runs in experiments])[1]


def _contenders(
    group: Sequence[Scores],
    experiments: Sequence[RunsBySetting],
    num_resamples: int,
    sign: float,
) -> tuple[Contender, ...]:
    """The settings that won a resample, or shared one, likeliest first."""
    wins = resampled_wins(experiments, num_resamples)
    means = _means(experiments)
    num_runs, num_lost = (
        np.sum([getattr(runs, name) for runs in experiments], axis=0)
        for name in ("num_runs", "num_lost")
    )
    num_pruned = _num_pruned(group, experiments)
    contenders = [
        Contender(
            settings=_numbers(experiments, position),
            probability=float(wins[position]),
            score=sign * float(means[position]),
            num_runs=int(num_runs[position]),
            num_lost=int(num_lost[position]),
            num_pruned=int(num_pruned[position]),
        )
        for position in np.flatnonzero(wins).tolist()
    ]
    return tuple(sorted(contenders, key=lambda each: (-each.probability, each.settings)))


def _num_pruned(group: Sequence[Scores], experiments: Sequence[RunsBySetting]) -> np.ndarray:
    """Pruned runs of each setting, over all experiments, `(num_settings,)`."""
    total = np.zeros(len(experiments[0].numbers), np.int64)
    for scores, runs in zip(group, experiments, strict=True):
        counts = Counter(scores.settings[scores.pruned].tolist())
        total += [counts[number] for number in runs.numbers.tolist()]
    return total


def _numbers(experiments: Sequence[RunsBySetting], position: int) -> tuple[int, ...]:
    return tuple(int(runs.numbers[position]) for runs in experiments)
