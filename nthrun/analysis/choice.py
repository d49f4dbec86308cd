"""The choice of a setting: the winner, and the settings that could as well be it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from nthrun.analysis.compatibility_checks import require_one_metric, require_shared
from nthrun.analysis.estimates import Estimate, estimate, sample
from nthrun.analysis.intervals import CONFIDENCE, NUM_RESAMPLES, resampled
from nthrun.analysis.ranking import (
    Key,
    RunsBySetting,
    as_recorded,
    best_place,
    ecdf,
    resampled_places,
    runs_by_setting,
    setting_key,
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
        return all(math.isnan(found.value) for found in self.estimates)


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
    shared = [key for key in numbers[0] if all(key in found for found in numbers)]
    require_shared(group, shared)
    aligned = []
    for scores, found in zip(group, numbers, strict=True):
        every = runs_by_setting(scores)
        runs = ecdf(every.take(np.searchsorted(every.numbers, sorted(found.values()))))
        aligned.append(runs.take(np.searchsorted(runs.numbers, [found[key] for key in shared])))
    choice = _choice(group, aligned, "ecdf", num_resamples, confidence)
    return replace(
        choice,
        num_left_out=len(set().union(*numbers)) - len(shared),
        num_repeated=sum(len(s.parameters) - len(n) for s, n in zip(group, numbers, strict=True)),
    )


def _first_numbers(scores: Scores) -> dict[Key, int]:
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
    """The choice among settings that stand at the same places of every experiment."""
    place = best_place(experiments)
    if place is None:
        raise DataFileError(
            f"{', '.join(scores.source for scores in group)}: no run has a finite value of metric "
            f"{group[0].metric!r}",
            "train for longer than an episode, or give another --metric",
        )
    first = group[0]
    settings = _numbers(experiments, place)
    score, low, high = _score(experiments, place, num_resamples, confidence)
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
        num_runs=sum(int(runs.sizes.sum()) for runs in experiments),
        num_lost=sum(int(_num_lost(runs).sum()) for runs in experiments),
        num_unsure=int(np.any([_num_kept(runs) < 2 for runs in experiments], axis=0).sum()),
        num_left_out=0,
        num_repeated=0,
        num_resamples=num_resamples,
        confidence=confidence,
    )


def _score(
    experiments: Sequence[RunsBySetting], place: int, num_resamples: int, confidence: float
) -> tuple[float, float, float]:
    """Mean over experiments, and its interval, both of the runs that are not lost."""
    score = float(np.mean([as_recorded(runs)[1][place] for runs in experiments]))
    if min(_num_kept(runs)[place] for runs in experiments) < 2:
        return score, math.nan, math.nan
    generator = np.random.default_rng(0)
    kept = [runs.values[place][~runs.lost[place]][:, None] for runs in experiments]
    means = np.mean([resampled(part, num_resamples, generator, "mean") for part in kept], axis=0)
    low, high = np.quantile(means[0], ((1 - confidence) / 2, (1 + confidence) / 2))
    return score, float(low), float(high)


def _contenders(
    experiments: Sequence[RunsBySetting], num_resamples: int, sign: float
) -> tuple[Contender, ...]:
    places, counts = np.unique(resampled_places(experiments, num_resamples), return_counts=True)
    means = np.mean([as_recorded(runs)[1] for runs in experiments], axis=0)
    found = [
        Contender(
            settings=_numbers(experiments, place),
            probability=count / num_resamples,
            score=sign * float(means[place]),
            num_runs=sum(int(runs.sizes[place]) for runs in experiments),
            num_lost=sum(int(_num_lost(runs)[place]) for runs in experiments),
        )
        for place, count in zip(places.tolist(), counts.tolist(), strict=True)
        if place >= 0
    ]
    return tuple(sorted(found, key=lambda each: (-each.probability, each.settings)))


def _num_lost(runs: RunsBySetting) -> np.ndarray:
    """Lost runs of each setting, `(num_settings,)`."""
    return np.asarray(runs.sizes - _num_kept(runs))


def _num_kept(runs: RunsBySetting) -> np.ndarray:
    """Completed runs of each setting, `(num_settings,)`."""
    return np.asarray((~runs.lost).sum(axis=1))


def _numbers(experiments: Sequence[RunsBySetting], place: int) -> tuple[int, ...]:
    return tuple(int(runs.numbers[place]) for runs in experiments)
