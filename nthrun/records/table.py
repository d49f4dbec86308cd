"""One row a run: the numbers that selection and statistics start from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nthrun.records.data import Data
from nthrun.records.ragged import Ragged

ARRAYS = (
    *("train_episode_rewards", "train_episode_steps"),
    *("eval_episode_rewards", "timesteps_at_eval"),
)


def table(data: Data) -> dict[str, np.ndarray]:
    """The runs of an experiment as columns of equal length, sorted by identity.

    Columns: every integer, float and text of the record; `agent_params.<name>` for every
    hyperparameter; `mean_return`, the step-weighted mean of training returns (NaN without a
    finished episode); `final_eval_return`, the mean of the last evaluation (NaN without one).
    """
    found = data.bulk(("agent_params", *ARRAYS))
    returns, steps, evaluations, evaluated = (found.ragged[name] for name in ARRAYS)
    columns = found.scalars() | _hyperparameters(found.documents["agent_params"])
    columns["mean_return"] = step_weighted_returns(returns, steps)
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


def _final_means(values: Ragged, num_rows: np.ndarray) -> np.ndarray:
    """Mean of the last of each run's rows, of which there are `num_rows`; NaN where it is empty."""
    sizes = values.sizes // np.maximum(num_rows, 1)
    means = np.full(len(values), np.nan)
    for size in np.unique(sizes[sizes > 0]):
        chosen = np.flatnonzero(sizes == size)
        places = values.offsets[1:][chosen, None] + np.arange(-size, 0)
        means[chosen] = values.values[places].mean(1)
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
    places = np.array([rows[id(setting)] for setting in settings], np.int64)
    names = dict.fromkeys(name for setting in distinct.values() for name in setting)
    return {
        f"agent_params.{name}": _column([s.get(name) for s in distinct.values()])[places]
        for name in names
    }


def _column(values: list[Any]) -> np.ndarray:
    """An array of plain values of one kind, else of objects."""
    kinds = {str if isinstance(value, str) else type(value) for value in values}
    if kinds & {list, dict, type(None)} or (str in kinds and len(kinds) > 1):
        column = np.empty(len(values), dtype=object)
        for place, value in enumerate(values):
            column[place] = value
        return column
    return np.array(values)
