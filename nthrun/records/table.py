"""One row a run: the numbers that selection and statistics start from."""

from __future__ import annotations

from typing import Any

import numpy as np

from nthrun.records.data import Data
from nthrun.records.schema import FLOATS, INTEGERS, OMITTED_FROM_JSON, TEXTS


def table(data: Data) -> dict[str, np.ndarray]:
    """The runs of an experiment as columns of equal length, sorted by identity.

    Columns: every integer, float and text of the record; `agent_params.<name>` for every
    hyperparameter; `mean_return`, the step-weighted mean of training returns (NaN without a
    finished episode); `final_eval_return`, the mean of the last evaluation (NaN without one).
    """
    rows: list[dict[str, Any]] = []
    for entry in data.entries:
        run = entry.load(OMITTED_FROM_JSON)
        row = {name: run[name] for name in (*INTEGERS, *FLOATS, *TEXTS)}
        row |= {f"agent_params.{name}": value for name, value in run["agent_params"].items()}
        row["mean_return"] = step_weighted_return(
            run["train_episode_rewards"], run["train_episode_steps"]
        )
        evaluations = run["eval_episode_rewards"]
        row["final_eval_return"] = float(evaluations[-1].mean()) if evaluations.size else np.nan
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _column([row.get(name) for row in rows]) for name in names}


def step_weighted_return(returns: np.ndarray, steps: np.ndarray) -> float:
    """Mean over steps of the return of the episode each step belongs to.

    Args:
        returns, steps: return and length of each episode, both `(num_episodes,)`.
    """
    total = int(steps.sum())
    return float((returns * steps).sum() / total) if total else float("nan")


def _column(values: list[Any]) -> np.ndarray:
    """An array of plain values of one kind, else of objects."""
    kinds = {str if isinstance(value, str) else type(value) for value in values}
    if kinds & {list, dict, type(None)} or (str in kinds and len(kinds) > 1):
        column = np.empty(len(values), dtype=object)
        for place, value in enumerate(values):
            column[place] = value
        return column
    return np.array(values)
