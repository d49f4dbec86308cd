"""What runs say together: learning curves, their bootstrap band, the best setting.

Performance is step-weighted: at training step t a run's value is the return of the episode that
step t belongs to, however many episodes there are. Where no run trains in episodes, evaluations
take their place, see `returns`. Of several records of one identity the first counts; combining is
what names conflicts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nthrun.analysis.returns import (
    TRAINING_RETURN,
    Quantity,
    common_grid,
    evaluation_metric,
    return_of,
    step_weighted_curve,
)
from nthrun.errors import DataFileError
from nthrun.records.data import Data, Entry
from nthrun.records.table import step_weighted_return

CONFIDENCE = 0.95
MAX_VALUES_AT_ONCE = 2**22  # in each of the bootstrap's arrays


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The learning curve of one setting.

    Attributes:
        source: the file or directory the runs were read from.
        stage, setting_number: which runs they are.
        indices, statuses: of the runs, in the order of `runs`.
        grid: `(num_points,)` training steps.
        runs: `(num_runs, num_points)` returns; a run without a finished episode is all NaN.
        mean: `(num_points,)` over the runs that have a value.
        low, high: `(num_points,)` 95 % percentile-bootstrap band of the mean.
        quantity: what `runs` are, if not returns of training.
    """

    source: str
    stage: int
    setting_number: int
    indices: tuple[int, ...]
    statuses: tuple[str, ...]
    grid: np.ndarray
    runs: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    quantity: str = TRAINING_RETURN.label


@dataclass(frozen=True, slots=True)
class SettingScore:
    """How one setting did.

    Attributes:
        setting_number, stage, num_runs: which runs were scored.
        num_lost: those that did not complete, or have no finite return to show.
        mean_return: mean step-weighted return of the runs not lost; of the lost ones if all are.
    """

    setting_number: int
    stage: int
    num_runs: int
    num_lost: int
    mean_return: float


def percentile_bootstrap(
    curves: np.ndarray,
    confidence: float = CONFIDENCE,
    num_resamples: int = 10_000,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile-bootstrap band of the mean over runs, point by point.

    Runs are resampled whole. At a point only runs with a finite value there take part; one such
    run is itself both bounds (it says nothing of other runs), none gives NaN. With few runs the
    band is too narrow, as is the method's way. The same seed gives the same band.

    Args:
        curves: `(num_runs, num_points)`.
        confidence: of each point's interval, in (0, 1).
        num_resamples: of the runs; memory does not grow with it times `num_points`.
        seed: of the resampling.

    Returns:
        low and high, both `(num_points,)`.
    """
    low, high = np.full((2, curves.shape[1]), np.nan)
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    patterns, pattern_of = np.unique(np.isfinite(curves), axis=1, return_inverse=True)
    width = max(1, MAX_VALUES_AT_ONCE // num_resamples)
    for number, present in enumerate(patterns.T):
        points = np.flatnonzero(pattern_of.ravel() == number)
        for part in np.split(points, range(width, len(points), width)):
            values = curves[np.ix_(present, part)]
            if len(values) == 1:
                low[part] = high[part] = values[0]
            elif len(values) > 1:
                means = _resampled_means(values, num_resamples, np.random.default_rng(seed))
                low[part], high[part] = np.quantile(means, tails, axis=1, overwrite_input=True)
    return low, high


def _resampled_means(
    values: np.ndarray, num_resamples: int, generator: np.random.Generator
) -> np.ndarray:
    """Means `(num_points, num_resamples)` over runs drawn with replacement.

    A resample is how often each run was drawn, so many of them are one matrix product.
    """
    num_runs, num_points = values.shape
    means = np.empty((num_points, num_resamples))
    step = max(1, MAX_VALUES_AT_ONCE // num_runs)
    for start in range(0, num_resamples, step):
        size = min(step, num_resamples - start)
        counts = generator.multinomial(num_runs, np.full(num_runs, 1 / num_runs), size)
        means[:, start : start + size] = values.T @ counts.T.astype(np.float64) / num_runs
    return means


def mean_over_runs(curves: np.ndarray) -> np.ndarray:
    """Mean of `(num_runs, num_points)` over the runs with a finite value; NaN where none has."""
    present = np.isfinite(curves)
    num_present = present.sum(0)
    total = np.where(present, curves, 0.0).sum(0)
    return np.where(num_present, total / np.maximum(num_present, 1), np.nan)


def learning_curve(
    data: Data, setting: int | None = None, stage: int | None = None, metric: str | None = None
) -> Curve:
    """The learning curve of one setting.

    Args:
        data: an opened shard, experiment directory, data.json or data.h5.
        setting: its number; None is the best one, see `best_setting`.
        stage: None is the lowest one recorded.
        metric: the curve is of this one of `eval_metrics` instead of returns.

    Raises:
        DataFileError: there are no such runs, or they have nothing to show.
    """
    stage, settings = _settings(data, stage)
    number = best_setting(data, stage).setting_number if setting is None else setting
    which = f"run of setting {number} in stage {stage}"
    if number not in settings:
        found = f"settings with runs: {len(settings)}, from {min(settings)} to {max(settings)}"
        raise DataFileError(f"{data.source}: no {which}", found)
    if metric is None:
        quantity = return_of(_all(settings))
    else:
        quantity = evaluation_metric(metric, settings[number], str(data.source))
    runs, values, steps = zip(*map(quantity.read, settings[number]), strict=True)
    grid = common_grid(steps)
    curves = np.stack([step_weighted_curve(*p, grid) for p in zip(values, steps, strict=True)])
    if not np.isfinite(curves).any():
        raise _nothing_finished(data, which) if metric is None else _no_value(data, which, metric)
    indices, statuses = (tuple(run[key] for run in runs) for key in ("index", "status"))
    identity = str(data.source), stage, number, indices, statuses
    band = percentile_bootstrap(curves)
    return Curve(*identity, grid, curves, mean_over_runs(curves), *band, quantity.label)


def best_setting(data: Data, stage: int | None = None) -> SettingScore:
    """The setting whose runs have the highest mean step-weighted return.

    A run that diverged, failed or was pruned has returns only up to there, and one without a
    finished episode none: such a lost run counts as minus infinity, so a setting without lost
    runs beats any with one. Where all settings lost some, the smallest share lost wins, then the
    mean of the others; of equals, the lowest number. A setting without any return is passed over.

    Args:
        data: an opened shard, experiment directory, data.json or data.h5.
        stage: whose runs to compare; None is the only one recorded, or the lowest of several.

    Raises:
        DataFileError: no run of the stage, or none with a return to show.
    """
    stage, settings = _settings(data, stage)
    quantity = return_of(_all(settings))
    scores = [_score(number, stage, runs, quantity) for number, runs in settings.items()]
    shown = [score for score in scores if math.isfinite(score.mean_return)]
    if not shown:
        raise _nothing_finished(data, f"run of stage {stage}")
    return min(shown, key=lambda s: (s.num_lost / s.num_runs, -s.mean_return, s.setting_number))


def _settings(data: Data, stage: int | None) -> tuple[int, dict[int, list[Entry]]]:
    """The stage (for None the lowest) and its runs by setting number, one entry a run."""
    stages = sorted({entry.identity.stage for entry in data.entries})
    if not stages:
        raise DataFileError(f"{data.source}: holds no runs", "train some, see main.py --help")
    if stage is not None and stage not in stages:
        found = ", ".join(map(str, stages))
        raise DataFileError(f"{data.source}: no run of stage {stage}", f"stages with runs: {found}")
    stage = stages[0] if stage is None else stage
    firsts = {e.identity: e for e in reversed(data.entries) if e.identity.stage == stage}
    settings: dict[int, list[Entry]] = {}
    for identity in sorted(firsts):
        settings.setdefault(identity.setting_number, []).append(firsts[identity])
    return stage, settings


def _all(settings: Mapping[int, Sequence[Entry]]) -> Iterator[Entry]:
    return (entry for entries in settings.values() for entry in entries)


def _score(
    setting_number: int, stage: int, entries: Sequence[Entry], quantity: Quantity
) -> SettingScore:
    """The score of one setting's runs; its mean is NaN if none has a finite return."""
    kept: list[float] = []
    lost: list[float] = []
    for entry in entries:
        run, returns, steps = quantity.read(entry)
        value = step_weighted_return(returns, steps)
        complete = run["status"] == "completed" and math.isfinite(value)
        (kept if complete else lost).append(value)
    finite = kept or [value for value in lost if math.isfinite(value)]
    mean = math.fsum(finite) / len(finite) if finite else math.nan
    return SettingScore(setting_number, stage, len(entries), len(lost), mean)


def _no_value(data: Data, which: str, metric: str) -> DataFileError:
    return DataFileError(
        f"{data.source}: no {which} has a finite value of {metric!r} after the first step",
        "give another --metric, or none for returns",
    )


def _nothing_finished(data: Data, which: str) -> DataFileError:
    return DataFileError(
        f"{data.source}: no {which} has a finished training episode of finite return or, where "
        "there are none, an evaluation after the first step",
        "train for longer than an episode, or lower steps_per_episode; a solver's evaluations need "
        "eval_episodes, and eval_interval_timesteps below total_timesteps",
    )
