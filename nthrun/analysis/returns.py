"""What is shown of runs: series of values, and how many training steps each of them counts for.

An episode of training counts for its own steps; those of several worlds, which play side by side,
as `nthrun.analysis.worlds` says. An evaluation counts for the steps since the one
before, so that the first, before any training, counts for none. A value of an update counts for
one. A number of a whole run, such as its time, is a series of one.

Where runs are compared by what they had up to a step, an evaluation counts that was made by then,
and an episode that goes on beyond it for its steps up to there, with as large a part of its return,
which stands for what it had so far. Of updates and of time there is no record of when, and as large
a part of them counts as of the run's steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from nthrun.analysis.worlds import by_world, side_by_side, worlds_of_episodes
from nthrun.records.episodes import UNFINISHED, counted_episodes
from nthrun.records.record_table import NO_ARRAY, Ragged, RecordTable, ends
from nthrun.records.schema import EPISODE_ENDS, FLOATS, INTEGERS
from nthrun.records.schema import EPISODES as EPISODE_ARRAYS
from nthrun.records.sources import Entry, read_table
from nthrun.specs.declaration import num_worlds

PEAK_MEMORY = "peak_memory_mb"
EVALUATED_AT = "timesteps_at_eval"

Arrays = Mapping[str, Ragged]
"""Name -> that array of the record, of all runs that are read."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Values of several runs, joined.

    Attributes:
        values: `(num_values,)` float64.
        steps: `(num_values,)` training steps that each counts for, positive.
        offsets: `(num_runs + 1,)` run n has the values from offsets[n] up to offsets[n + 1].
    """

    values: np.ndarray
    steps: np.ndarray
    offsets: np.ndarray


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is shown of runs.

    Attributes:
        name: of the metric.
        label: of an axis.
        higher_is_better: None where it is not known.
        arrays: of the record that it is made of; of `FLOATS`, `INTEGERS` and `PEAK_MEMORY`, one
            number a run.
        series: from those arrays.
        one_number: whether it is one number a run, which has no course.
        unit: what its values are of, which says what of them there is up to a step; of "updates",
            and of episodes that count alike, it is as large a part as of the steps.
    """

    name: str
    label: str
    higher_is_better: bool | None
    arrays: tuple[str, ...]
    series: Callable[[Arrays], Series]
    one_number: bool = False
    unit: Literal["steps", "updates", "time", "run"] = "steps"


def read_series(entries: Sequence[Entry], quantity: Quantity, up_to: int | None = None) -> Series:
    """What some runs show, in their order.

    Args:
        entries: the runs.
        quantity: what of them.
        up_to: the training step up to which it counts; None is all of it.
    """
    singles = {*FLOATS, *INTEGERS, PEAK_MEMORY}.intersection(quantity.arrays)
    documents = ("provenance",) if PEAK_MEMORY in singles else ()
    arrays = [name for name in quantity.arrays if name not in singles]
    in_worlds = (EPISODE_ENDS,) if EPISODE_ARRAYS[1] in arrays else ()
    table = read_table(entries, (*documents, *arrays, *in_worlds))
    numbers = {name: table.numbers[name] for name in singles if name != PEAK_MEMORY}
    if documents:
        peaks = (each.get("peak_memory_mb", np.nan) for each in table.documents("provenance"))
        numbers[PEAK_MEMORY] = np.fromiter(peaks, np.float64)
    one_each = np.arange(len(entries) + 1)
    columns = {name: table.ragged(name) for name in arrays} | {
        name: Ragged(column, one_each) for name, column in numbers.items()
    }
    if in_worlds and len(table.ragged(EPISODE_ENDS).values):
        columns[EPISODE_ENDS] = table.ragged(EPISODE_ENDS)
        return _of_worlds(entries, table, quantity, columns, up_to)
    if up_to is None:
        return quantity.series(columns)
    if EVALUATED_AT in columns:
        return quantity.series(_evaluated_by(columns, up_to))
    series, total = quantity.series(columns), table.numbers["total_timesteps"]
    share = np.minimum(up_to / np.maximum(total, 1), 1.0)
    if quantity.unit == "time":
        return replace(series, values=series.values * np.repeat(share, np.diff(series.offsets)))
    if quantity.unit == "updates":
        counted = np.add.reduceat(np.append(series.steps, 0), series.offsets[:-1])
        return _up_to(series, np.ceil(share * counted).astype(np.int64))
    return series if quantity.unit == "run" else _up_to(series, np.full(len(total), up_to))


def _of_worlds(
    entries: Sequence[Entry],
    table: RecordTable,
    quantity: Quantity,
    arrays: Arrays,
    up_to: int | None,
) -> Series:
    """What training episodes show of runs of which some act in several worlds.

    Args:
        entries: the runs.
        table: of them, with `EPISODE_ENDS`, which those of several worlds have.
        quantity: of their episodes.
        arrays: what it is made of, and `EPISODE_ENDS`.
        up_to: as `read_series`.
    """
    settings = read_table(entries, ("agent_params",)).documents("agent_params")
    several = zip(settings, table.shapes[EPISODE_ENDS], strict=True)
    worlds = np.array([1 if shape == NO_ARRAY else num_worlds(each) for each, shape in several])
    lengths, count = arrays[EPISODE_ARRAYS[1]], int(worlds.sum())
    rows = worlds_of_episodes(arrays[EPISODE_ENDS], lengths.sizes, worlds)
    parts = {name: by_world(arrays[name], rows, count) for name in EPISODE_ARRAYS if name in arrays}
    one_each = np.arange(count + 1)
    for name in arrays.keys() & set(UNFINISHED):
        parts[name] = Ragged(np.repeat(arrays[name].values, worlds), one_each)
    if UNFINISHED[1] in parts:
        of_world = parts[EPISODE_ARRAYS[1]]
        taken = np.append(0, np.cumsum(of_world.values))
        left = np.repeat(table.numbers["total_timesteps"] // worlds, worlds)
        left -= np.diff(taken[of_world.offsets])
        known = parts[UNFINISHED[1]].values > 0
        parts[UNFINISHED[1]] = Ragged(np.where(known, left, -1), one_each)
    series = quantity.series(parts)
    if up_to is not None:
        series = _up_to(series, np.repeat(up_to // worlds, worlds))
    means, steps = side_by_side(Ragged(series.values, series.offsets), series.steps, worlds)
    return Series(means.values, steps, means.offsets)


def _up_to(series: Series, limits: np.ndarray) -> Series:
    """The beginning of each run's series, of so many of the steps that it counts for.

    Of a value that goes on beyond there as large a part counts as of its steps: so does the return
    of an episode that a run's end cut off.
    """
    sizes = np.diff(series.offsets)
    ended = np.cumsum(series.steps)
    before = np.append(0, ended)[series.offsets[:-1]]
    begun = ended - series.steps - np.repeat(before, sizes)
    steps = np.clip(np.repeat(limits, sizes) - begun, 0, series.steps)
    kept = steps > 0
    values = series.values * (steps / series.steps)
    return Series(values[kept], steps[kept], ends(kept)[series.offsets])


def _evaluated_by(arrays: Arrays, step: int) -> Arrays:
    """The evaluations that were made by a step."""
    at = arrays[EVALUATED_AT]
    early = at.values <= step
    cut = {EVALUATED_AT: early}
    for name in arrays.keys() - cut.keys():
        each = arrays[name].sizes // np.maximum(at.sizes, 1)
        cut[name] = np.repeat(early, np.repeat(each, at.sizes))
    return {
        name: Ragged(arrays[name].values[kept], ends(kept)[arrays[name].offsets])
        for name, kept in cut.items()
    }


def _of_training(arrays: Arrays) -> Series:
    returns, steps = arrays["train_episode_rewards"], arrays["train_episode_steps"]
    return Series(returns.values.astype(np.float64), steps.values, returns.offsets)


def _of_training_and_unfinished(arrays: Arrays) -> Series:
    reward, steps = (arrays[name].values for name in UNFINISHED)
    returns, lengths = (arrays[name] for name in TRAINING_RETURN.arrays)
    returns, lengths = counted_episodes(returns, lengths, reward, steps)
    return Series(returns.values.astype(np.float64), lengths.values, returns.offsets)


def _of_evaluations(arrays: Arrays) -> Series:
    return _by_evaluation(_mean_evaluations(arrays), arrays[EVALUATED_AT])


def _of_last_evaluation(arrays: Arrays) -> Series:
    means = _mean_evaluations(arrays)
    some = means.sizes > 0
    last = means.values[means.offsets[1:][some] - 1]
    return Series(last, np.ones(len(last), np.int64), ends(some))


def _mean_evaluations(arrays: Arrays) -> Ragged:
    """The mean return of each evaluation; none of a run whose evaluations have no episodes."""
    returns = arrays["eval_episode_rewards"]
    rows = np.where(returns.sizes > 0, arrays[EVALUATED_AT].sizes, 0)
    episodes = np.repeat(returns.sizes // np.maximum(rows, 1), rows)
    starts = np.cumsum(episodes) - episodes
    sums = np.add.reduceat(returns.values, starts) if len(starts) else np.empty(0)
    return Ragged(sums / episodes, ends(rows))


def _by_evaluation(values: Ragged, at: Ragged) -> Series:
    """One value an evaluation, without those that no step of training lies before.

    Args:
        values: of each evaluation; a run may have none.
        at: steps trained before each evaluation.
    """
    trained = at.values[np.repeat(values.sizes > 0, at.sizes)]
    steps = np.diff(trained, prepend=0)
    firsts = values.offsets[:-1][values.sizes > 0]
    steps[firsts] = trained[firsts]
    counts = steps > 0
    return Series(
        values.values[counts].astype(np.float64), steps[counts], ends(counts)[values.offsets]
    )


def _as_one_step_each(values: Ragged) -> Series:
    ones = np.ones(len(values.values), np.int64)
    return Series(values.values.astype(np.float64), ones, values.offsets)


def _number(name: str, label: str, source: str, unit: Literal["time", "run"] = "time") -> Quantity:
    """A number of a whole run, the lower the better."""
    return Quantity(
        name, label, False, (source,), lambda arrays: _as_one_step_each(arrays[source]), True, unit
    )


TRAINING_RETURN = Quantity(
    "return",
    "return (step-weighted)",
    True,
    ("train_episode_rewards", "train_episode_steps"),
    _of_training,
)
WITH_UNFINISHED = replace(
    TRAINING_RETURN,
    arrays=(*TRAINING_RETURN.arrays, *UNFINISHED),
    series=_of_training_and_unfinished,
)
"""Training returns as they are scored: with those so far of episodes that runs' ends cut off."""
EPISODES = Quantity(
    "episodes",
    "return (mean over episodes)",
    True,
    TRAINING_RETURN.arrays[:1],
    lambda arrays: _as_one_step_each(arrays["train_episode_rewards"]),
    unit="updates",
)
"""Training returns of finished episodes, each of which counts alike, however long it is."""
EVALUATION_RETURN = Quantity(
    "evaluation",
    "evaluation return",
    True,
    ("eval_episode_rewards", EVALUATED_AT),
    _of_evaluations,
)
FINAL_EVALUATION = Quantity(
    "final_evaluation",
    "return of the last evaluation",
    True,
    EVALUATION_RETURN.arrays,
    _of_last_evaluation,
    one_number=True,
)
NAMED = {
    quantity.name: quantity
    for quantity in (
        TRAINING_RETURN,
        EPISODES,
        EVALUATION_RETURN,
        FINAL_EVALUATION,
        _number("train_time", "training time (s)", "train_time"),
        _number("eval_time", "evaluation time (s)", "eval_time"),
        _number("peak_memory", "peak memory (MB)", PEAK_MEMORY, "run"),
    )
}
"""Metrics of every record."""
LOWER_IS_BETTER = ("oracle_gap",)


def evaluation_metric(name: str) -> Quantity:
    """One of `eval_metrics`; a run without it has no values."""
    array = f"eval_metrics/{name}"
    return Quantity(
        name,
        name,
        False if name in LOWER_IS_BETTER else None,
        (array, EVALUATED_AT),
        lambda arrays: _by_evaluation(arrays[array], arrays[EVALUATED_AT]),
    )


def update_metric(name: str) -> Quantity:
    """One of `metrics`, a value an update; a run without it has no values."""
    array = f"metrics/{name}"
    return Quantity(
        name,
        f"{name} (by update)",
        False if name in LOWER_IS_BETTER else None,
        (array,),
        lambda arrays: _as_one_step_each(arrays[array]),
        unit="updates",
    )
