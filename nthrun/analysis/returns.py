"""What is shown of a run: values, and how many training steps each of them counts for.

An episode of training counts for its own steps. A solver trains without episodes, and is known by
its evaluations only: each counts for the steps since the one before, so that the first, before any
training, counts for none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nthrun.errors import DataFileError
from nthrun.records.data import Entry
from nthrun.records.schema import OMITTED_FROM_JSON, Run

NUM_POINTS = 500
EVALUATION = ("eval_episode_rewards", "eval_episode_steps", "timesteps_at_eval", "eval_metrics")

Values = tuple[np.ndarray, np.ndarray]
"""Values and the steps each of them counts for, both `(num_values,)`."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is shown of runs.

    Attributes:
        label: of an axis.
        keys: of `EVALUATION`, those that it is made of.
        values: of one run.
    """

    label: str
    keys: tuple[str, ...]
    values: Callable[[Run], Values]

    def read(self, entry: Entry) -> tuple[Run, np.ndarray, np.ndarray]:
        """A run without what is not needed, its values and the steps each counts for."""
        unused = (key for key in EVALUATION if key not in self.keys)
        run = entry.load((*OMITTED_FROM_JSON, *unused))
        return run, *self.values(run)


def _of_training(run: Run) -> Values:
    return run["train_episode_rewards"], run["train_episode_steps"]


def _of_evaluations(run: Run) -> Values:
    returns = [np.mean(episodes) for episodes in run["eval_episode_rewards"]]
    return _by_evaluation(run, np.array(returns, np.float64))


def _by_evaluation(run: Run, values: np.ndarray) -> Values:
    steps = np.diff(run["timesteps_at_eval"], prepend=0)
    return values[steps > 0], steps[steps > 0]


TRAINING_RETURN = Quantity("return (step-weighted)", (), _of_training)
EVALUATION_RETURN = Quantity(
    "evaluation return", ("eval_episode_rewards", "timesteps_at_eval"), _of_evaluations
)


def return_of(entries: Iterable[Entry]) -> Quantity:
    """The returns of evaluations where no run has a training episode, else those of training."""
    bulk = (*OMITTED_FROM_JSON, *EVALUATION)
    trained = any(entry.load(bulk)["total_train_episodes"] for entry in entries)
    return TRAINING_RETURN if trained else EVALUATION_RETURN


def evaluation_metric(name: str, entries: Sequence[Entry], source: str) -> Quantity:
    """One of `eval_metrics`.

    Args:
        name: of the metric.
        entries: the runs it is to be shown of; one that lacks it has no values.
        source: where they are from, for the error.

    Raises:
        DataFileError: no run has it.
    """
    bulk = (*OMITTED_FROM_JSON, *(key for key in EVALUATION if key != "eval_metrics"))
    known = sorted({key for entry in entries for key in entry.load(bulk).get("eval_metrics", {})})
    if name not in known:
        found = ", ".join(known) or "none"
        raise DataFileError(f"{source}: no evaluation metric {name!r}", f"recorded: {found}")

    def values(run: Run) -> Values:
        recorded = run.get("eval_metrics", {}).get(name)
        if recorded is None:
            return np.empty(0), np.empty(0, np.int64)
        return _by_evaluation(run, recorded)

    return Quantity(name, ("eval_metrics", "timesteps_at_eval"), values)


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
    shown = np.asarray(values, np.float64)[np.minimum(episode, len(steps) - 1)]
    return np.where(np.asarray(grid) < 1, np.nan, shown)


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
