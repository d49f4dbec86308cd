"""Tables: the runs of an experiment, their training episodes or their evaluations, one a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nthrun.records.data import Data
from nthrun.records.episodes import UNFINISHED, counted_episodes
from nthrun.records.record_table import Ragged, RecordTable
from nthrun.records.schema import EPISODE_ENDS, EPISODES, EVALUATIONS

ARRAYS = (
    *("train_episode_rewards", "train_episode_steps"),
    *("eval_episode_rewards", "timesteps_at_eval"),
)
WHICH = ("index", "stage", "setting_number", "run_number")
"""Columns that say which run a row is of."""
TIMES = "timesteps_at_eval"
UNKNOWN_STEPS = -1
"""Stands for the steps of an episode that no record has."""


def table(data: Data) -> dict[str, np.ndarray]:
    """The runs of an experiment as columns of equal length, sorted by identity.

    Columns: every integer, float and text of the record; `agent_params.<name>` for every
    hyperparameter; `mean_return`, the step-weighted mean of training returns, the one so far of an
    episode that the run's end cut off included (NaN without an episode); `final_eval_return`, the
    mean of the last evaluation (NaN without one). A record made before such episodes were recorded
    has -1 `unfinished_episode_steps` and a NaN.
    """
    runs = data.read(("agent_params", *ARRAYS))
    returns, steps, evaluations, evaluated = map(runs.ragged, ARRAYS)
    episodes = counted_episodes(returns, steps, *(runs.numbers[name] for name in UNFINISHED))
    columns = runs.scalars() | _hyperparameters(runs.documents("agent_params"))
    columns["mean_return"] = step_weighted_returns(*episodes)
    columns["final_eval_return"] = _final_means(evaluations, evaluated.sizes)
    return columns


def step_weighted_returns(returns: Ragged, steps: Ragged) -> np.ndarray:
    """Mean over steps of the return of the episode each step belongs to, of every run.

    Args:
        returns, steps: return and length of each episode of `num_runs` runs.

    Returns:
        `(num_runs,)`, NaN of a run without a step.
    """
    totals = _sums(steps.values, steps.offsets).astype(np.float64)
    weighted = _sums(returns.values * steps.values, returns.offsets).astype(np.float64)
    means = np.full(len(totals), np.nan)
    np.divide(weighted, totals, out=means, where=totals > 0)
    return means


def episode_table(data: Data) -> dict[str, np.ndarray]:
    """The finished training episodes of all runs as columns of equal length, in order.

    Columns: those of `WHICH`; `episode`, from 0; `return`, undiscounted; `steps`; `end`, the number
    of environment steps that the run had taken when it ended.
    """
    runs = data.read((*EPISODES, EPISODE_ENDS))
    returns, steps, recorded = map(runs.ragged, (*EPISODES, EPISODE_ENDS))
    ends = np.cumsum(steps.values.astype(np.int64))
    before = np.concatenate([[0], ends])[steps.offsets[:-1]]
    ends -= np.repeat(before, steps.sizes)
    has_ends = np.repeat(recorded.sizes == steps.sizes, steps.sizes)
    ends[has_ends] = recorded.values[: has_ends.sum()].astype(np.int64)
    return {
        **_which(runs, returns.sizes),
        "episode": _counted(returns.sizes),
        "return": returns.values.astype(np.float64),
        "steps": steps.values.astype(np.int64),
        "end": ends,
    }


def evaluation_table(data: Data) -> dict[str, np.ndarray]:
    """The episodes of all evaluations of all runs as columns of equal length, in order.

    Columns: those of `WHICH`; `evaluation`, from 0; `timestep`, training steps before it;
    `episode`, from 0; `return`, undiscounted; `steps`, -1 where they are not known.
    """
    runs = data.read((*EVALUATIONS, TIMES))
    returns, steps, times = map(runs.ragged, (*EVALUATIONS, TIMES))
    episodes = returns.sizes // np.maximum(times.sizes, 1)
    widths = np.repeat(episodes, times.sizes)
    lengths = np.full(len(returns.values), UNKNOWN_STEPS)
    known = np.repeat(steps.sizes == returns.sizes, returns.sizes)
    lengths[known] = steps.values[: known.sum()]
    return {
        **_which(runs, returns.sizes),
        "evaluation": np.repeat(_counted(times.sizes), widths),
        "timestep": np.repeat(times.values.astype(np.int64), widths),
        "episode": _counted(widths),
        "return": returns.values.astype(np.float64),
        "steps": lengths,
    }


def _which(runs: RecordTable, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of `WHICH`, each run so often."""
    return {name: np.repeat(runs.numbers[name], sizes) for name in WHICH}


def _counted(sizes: np.ndarray) -> np.ndarray:
    """0, 1, 2 … of each stretch of some sizes, joined."""
    starts = np.cumsum(sizes) - sizes
    counted: np.ndarray = np.arange(int(sizes.sum())) - np.repeat(starts, sizes)
    return counted


def _final_means(values: Ragged, num_rows: np.ndarray) -> np.ndarray:
    """Mean of the last of each run's rows, of which there are `num_rows`; NaN where it is empty."""
    sizes = values.sizes // np.maximum(num_rows, 1)
    means = np.full(len(values), np.nan)
    for size in np.unique(sizes[sizes > 0]):
        chosen = np.flatnonzero(sizes == size)
        positions = values.offsets[1:][chosen, None] + np.arange(-size, 0)
        means[chosen] = values.values[positions].mean(1)
    return means


def _sums(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The sum of each stretch of `values`; 0 of an empty one."""
    sums: np.ndarray = np.zeros(len(offsets) - 1, values.dtype)
    filled = np.diff(offsets) > 0
    if filled.any():
        with np.errstate(invalid="ignore"):  # infinities of both signs give NaN
            sums[filled] = np.add.reduceat(values, offsets[:-1][filled])
    return sums


def _hyperparameters(settings: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    distinct = {id(setting): setting for setting in settings}
    rows = {key: row for row, key in enumerate(distinct)}
    positions = np.array([rows[id(setting)] for setting in settings], np.int64)
    names = dict.fromkeys(name for setting in distinct.values() for name in setting)
    return {
        f"agent_params.{name}": _column([s.get(name) for s in distinct.values()])[positions]
        for name in names
    }


def _column(values: list[Any]) -> np.ndarray:
    """An array of plain values of one kind, else of objects."""
    kinds = {str if isinstance(value, str) else type(value) for value in values}
    if kinds & {list, dict, type(None)} or (str in kinds and len(kinds) > 1):
        column = np.empty(len(values), dtype=object)
        for row, value in enumerate(values):
            column[row] = value
        return column
    return np.array(values)
