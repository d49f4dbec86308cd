"""Learning curves: what the runs of a setting say together over training, and their band.

Performance is step-weighted: at training step t a run's value is the return of the episode that
step t belongs to, however many episodes there are. Where no run trains in episodes, evaluations
take their place, see `returns`. Of several records of one identity the first counts; combining is
what names conflicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from nthrun.analysis.intervals import band, student_or_mean
from nthrun.analysis.ranking import ranked_settings
from nthrun.analysis.returns import TRAINING_RETURN, Quantity, read_series
from nthrun.analysis.scores import Stage, chosen_entries, find_quantity, read_scores
from nthrun.errors import DataFileError, NthrunError
from nthrun.records.data import Data
from nthrun.records.sources import Entry, read_table

NUM_POINTS = 500


@dataclass(frozen=True, eq=False)
class Curve:
    """The learning curve of one setting.

    Attributes:
        source: the file or directory the runs were read from.
        stage, setting_number: which runs they are.
        indices, statuses: of the runs, in the order of `runs`.
        grid: `(num_points,)` training steps.
        runs: `(num_runs, num_points)` returns; a run without a finished episode is all NaN.
        quantity: what `runs` are, if not returns of training.
        positive: whether they are shown as positive numbers, on a logarithmic axis.
    """

    source: str
    stage: int
    setting_number: int
    indices: tuple[int, ...]
    statuses: tuple[str, ...]
    grid: np.ndarray
    runs: np.ndarray
    quantity: str = TRAINING_RETURN.label
    positive: bool = False

    @cached_property
    def mean(self) -> np.ndarray:
        """`(num_points,)` over the runs that have a value."""
        return mean_over_runs(self.runs)

    @cached_property
    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """Low and high of the 95 % Student band of the mean, both `(num_points,)`.

        Of positive numbers it begins no lower than the least of them, where it would go below 0.
        """
        low, high = band(self.runs, student_or_mean)
        if self.positive:
            shown = self.runs[self.runs > 0]
            low = np.where(low > 0, low, shown.min(initial=np.inf) if shown.size else np.nan)
        return low, high

    @property
    def low(self) -> np.ndarray:
        """The lower end of the band."""
        return self.band[0]

    @property
    def high(self) -> np.ndarray:
        """The upper end of the band."""
        return self.band[1]

    def magnitudes(self) -> Curve:
        """The curve of its magnitudes, as a logarithmic axis shows them."""
        return replace(self, runs=np.abs(self.runs), quantity=f"|{self.quantity}|", positive=True)

    def smoothed(self, steps: int) -> Curve:
        """The curve of each run's mean over the last `steps` training steps up to each point."""
        return replace(self, runs=smoothed(self.runs, self.grid, steps))


def step_weighted_curve(values: np.ndarray, steps: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The return of the episode, or other value, that each training step belongs to.

    Args:
        values, steps: return and length of each finished episode, both `(num_episodes,)`.
        grid: `(num_points,)` training steps; the first step of training is 1.

    Returns:
        `(num_points,)`. Beyond the last finished episode its return is carried forward; before
        step 1, and everywhere without an episode, NaN.
    """
    if not len(steps):
        return np.full(len(grid), np.nan)
    episode = np.searchsorted(np.cumsum(steps), grid, side="left")
    at_grid = np.asarray(values, np.float64)[np.minimum(episode, len(steps) - 1)]
    return np.where(np.asarray(grid) < 1, np.nan, at_grid)


def common_grid(lengths: Iterable[np.ndarray], num_points: int = NUM_POINTS) -> np.ndarray:
    """Training steps at which runs are compared, evenly spaced.

    The grid goes from 1 to the last step of a finished episode of any run. A shorter run is not
    left out beyond its end: `step_weighted_curve` carries its last return forward, so that every
    point averages the same runs and the mean does not jump where one of them ends.

    Args:
        lengths: of the episodes of each run.
        num_points: of the grid, at most.

    Returns:
        int64, ascending, at most `num_points`; empty if no run has a finished episode.
    """
    longest = max((int(steps.sum()) for steps in lengths), default=0)
    return np.linspace(1, longest, min(num_points, longest)).round().astype(np.int64)


def mean_over_runs(curves: np.ndarray) -> np.ndarray:
    """Mean of `(num_runs, num_points)` over the runs with a finite value; NaN where none has."""
    present = np.isfinite(curves)
    num_present = present.sum(0)
    total = np.where(present, curves, 0.0).sum(0)
    return np.where(num_present, total / np.maximum(num_present, 1), np.nan)


def smoothed(runs: np.ndarray, grid: np.ndarray, steps: int) -> np.ndarray:
    """Mean of each run over the last `steps` training steps up to each point, of finite values.

    Args:
        runs: `(num_runs, num_points)`.
        grid: `(num_points,)` training steps, rising.
        steps: from which a point's mean is taken; at least the point itself counts.
    """
    starts = np.minimum(np.searchsorted(grid, grid - steps, side="right"), np.arange(len(grid)))
    finite = np.isfinite(runs)
    edge = np.zeros((len(runs), 1))
    totals = np.hstack([edge, np.cumsum(np.where(finite, runs, 0.0), axis=1)])
    counts = np.hstack([edge, np.cumsum(finite, axis=1)])
    ends = np.arange(1, len(grid) + 1)
    number = counts[:, ends] - counts[:, starts]
    total = totals[:, ends] - totals[:, starts]
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def learning_curve(
    data: Data, setting: int | None = None, stage: int | None = None, metric: str | None = None
) -> Curve:
    """The learning curve of one setting.

    Args:
        data: an opened shard, experiment directory, data.json or data.h5.
        setting: its number; None is the best one by `metric` where it is given and is known to be
            better higher or lower, else by the metric of the experiment's search.
        stage: None is the lowest one recorded.
        metric: of the curve, by name, see `read_scores`; None is the return.

    Raises:
        DataFileError: there are no such runs, or they have nothing to show.
        NthrunError: the metric is one number a run.
    """
    stage = _lowest(data) if stage is None else stage
    every = chosen_entries(data, stage)
    number = _best_number(data, every, metric) if setting is None else setting
    entries = _of_setting(data, every, number)
    trained = bool(read_table(every).numbers["total_train_episodes"].any())
    quantity = find_quantity(data, entries, metric or TRAINING_RETURN.name, trained)
    if quantity.one_number:
        raise NthrunError(f"metric: {quantity.name} is one number a run, which has no curve")
    curve = _curve(data, quantity, entries)
    if np.isfinite(curve.runs).any():
        return curve
    which = f"run of setting {number} in stage {stage}"
    raise _nothing_finished(data, which) if metric is None else _no_value(data, which, metric)


def curve_of(data: Data, quantity: Quantity, entries: Sequence[Entry]) -> Curve:
    """The curve of any quantity over training steps.

    Args:
        data: where the runs are from.
        quantity: which has a course.
        entries: runs of one setting and stage.

    Raises:
        DataFileError: no run has a value of it.
    """
    curve = _curve(data, quantity, entries)
    if not len(curve.grid):
        raise DataFileError(f"{data.source}: no run has a value of {quantity.name!r}")
    return curve


def _curve(data: Data, quantity: Quantity, entries: Sequence[Entry]) -> Curve:
    """The curve of runs of one setting; it has no points where no run has a value."""
    series = read_series(entries, quantity)
    runs = [slice(*pair) for pair in pairwise(series.offsets.tolist())]
    grid = common_grid(series.steps[run] for run in runs)
    return Curve(
        source=str(data.source),
        stage=entries[0].identity.stage,
        setting_number=entries[0].identity.setting_number,
        indices=tuple(read_table(entries).numbers["index"].tolist()),
        statuses=tuple(entry.status for entry in entries),
        grid=grid,
        runs=np.stack(
            [step_weighted_curve(series.values[run], series.steps[run], grid) for run in runs]
        ),
        quantity=quantity.label,
    )


def best_setting(data: Data, stage: Stage = None, metric: str | None = None) -> int:
    """The number of the setting whose runs have the best mean by a metric, see `ranking`.

    A run that diverged or failed has values only up to there, and one without a finished episode no
    return: a setting without such lost runs beats any with one.

    Args:
        data: an opened shard, experiment directory, data.json or data.h5.
        stage: whose runs to compare; None is the only one recorded, or the lowest of several.
        metric: by name; None is that of the experiment's search, with its goal.

    Raises:
        DataFileError: no run of the stage, or none with a value to show.
        NthrunError: it is not known whether the metric is better higher or lower.
    """
    stage = _lowest(data) if stage is None else stage
    scores = read_scores(data, metric, stage=stage)
    if np.isfinite(scores.values).any():
        settings = ranked_settings(scores)
        return int(settings.numbers[settings.best()])
    which = f"run of stage {stage}"
    if scores.metric == TRAINING_RETURN.name:
        raise _nothing_finished(data, which)
    raise _no_value(data, which, scores.metric)


def _best_number(data: Data, entries: Sequence[Entry], metric: str | None) -> int:
    """The best setting's number, to show a metric of it.

    Args:
        data: where the runs are from.
        entries: all of one stage.
        metric: that is shown; None is the return.
    """
    stage, numbers = entries[0].identity.stage, read_table(entries).numbers
    if (numbers["setting_number"] == numbers["setting_number"][0]).all():
        return int(numbers["setting_number"][0])
    searched = data["experiment"]["agent"].get("search", {}).get("metric")
    if metric is None or metric == searched:
        return best_setting(data, stage)
    trained = bool(numbers["total_train_episodes"].any())
    known = find_quantity(data, entries, metric, trained).higher_is_better is not None
    return best_setting(data, stage, metric if known else None)


def _lowest(data: Data) -> int:
    """The lowest stage recorded; 0 where there is none."""
    return min((entry.identity.stage for entry in data.entries), default=0)


def _of_setting(data: Data, entries: Sequence[Entry], number: int) -> list[Entry]:
    """Those of one setting.

    Raises:
        DataFileError: there are none.
    """
    own = [entry for entry in entries if entry.identity.setting_number == number]
    if not own:
        settings = {entry.identity.setting_number for entry in entries}
        which = f"run of setting {number} in stage {entries[0].identity.stage}"
        recorded = f"settings with runs: {len(settings)}, from {min(settings)} to {max(settings)}"
        raise DataFileError(f"{data.source}: no {which}", recorded)
    return own


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
