"""Scores of sweeps made by hand, for figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from nthrun.analysis.scores import Scores

GRID = {"critic_lr": [1e-3, 1e-2, 1e-1], "actor_lr": [0.1, 0.2], "decay": [0.5, 0.9]}


def make_scores(
    grid: Mapping[str, Sequence[Any]],
    value: Callable[[Mapping[str, Any], int], float],
    num_runs: int = 3,
    *,
    lost: Callable[[Mapping[str, Any], int], bool] = lambda parameters, run: False,
    higher_is_better: bool = True,
) -> Scores:
    """The scores of a full sweep, the first hyperparameter varying fastest.

    Args:
        grid: hyperparameter -> its values.
        value: of a setting's hyperparameters and a run number.
        num_runs: of each setting.
        lost: which runs did not complete; those without a finite value are lost too.
        higher_is_better: which runs are good.
    """
    places = [combination[::-1] for combination in product(*list(grid.values())[::-1])]
    parameters = {n: dict(zip(grid, values, strict=True)) for n, values in enumerate(places)}
    pairs = [(number, run) for number in parameters for run in range(num_runs)]
    settings, runs = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    values = np.array([value(parameters[n], run) for n, run in pairs], np.float64)
    diverged = np.array([lost(parameters[n], run) for n, run in pairs])
    finite = np.isfinite(values)
    return Scores(
        source="data.json",
        metric="return",
        label="return (step-weighted)",
        higher_is_better=higher_is_better,
        settings=settings,
        stages=np.zeros_like(settings),
        run_numbers=runs,
        indices=settings + runs * len(parameters),
        statuses=np.where(diverged, "diverged", "completed"),
        values=np.where(finite, values, np.nan),
        lost=diverged | ~finite,
        parameters=parameters,
    )
