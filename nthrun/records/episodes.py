"""Training episodes of many runs: those that finished, and the one that a run's end cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nthrun.records.record_table import Ragged, RecordTable, ends

UNFINISHED = ("unfinished_episode_reward", "unfinished_episode_steps")


@dataclass(frozen=True, slots=True, eq=False)
class UnfinishedSteps:
    """How many steps of runs lie in no finished training episode.

    Attributes:
        steps: `(num_runs,)` of them.
        total: `(num_runs,)` steps of the run.
        recorded: `(num_runs,)` whether the episode that they are of is recorded; it is not where
            a record was made before such episodes were.
    """

    steps: np.ndarray
    total: np.ndarray
    recorded: np.ndarray


def unfinished_steps(runs: RecordTable) -> UnfinishedSteps:
    """The steps of each run that lie in no finished episode.

    Args:
        runs: with `train_episode_steps`.
    """
    total = runs.numbers["total_timesteps"]
    kept = runs.numbers["unfinished_episode_steps"]
    lengths = runs.ragged("train_episode_steps")
    finished = np.concatenate([[0], np.cumsum(lengths.values.astype(np.int64))])
    left = total - np.diff(finished[lengths.offsets])
    return UnfinishedSteps(np.where(kept >= 0, kept, left), total.copy(), kept >= 0)


def counted_episodes(
    returns: Ragged, lengths: Ragged, reward: np.ndarray, steps: np.ndarray
) -> tuple[Ragged, Ragged]:
    """Return and steps of every episode, and behind them of the one that the run's end cut off.

    That one counts with its steps and its return so far, where that is a finite number.

    Args:
        returns, lengths: of the finished episodes of `num_runs` runs.
        reward, steps: `(num_runs,)` of the unfinished ones; 0 or -1 steps where there is none.
    """
    cut_off = (steps > 0) & np.isfinite(reward)
    return _followed_by(returns, reward, cut_off), _followed_by(lengths, steps, cut_off)


def _followed_by(column: Ragged, values: np.ndarray, chosen: np.ndarray) -> Ragged:
    """One more value behind the others of each chosen run."""
    if not chosen.any():
        return column
    longer = np.insert(
        column.values.astype(values.dtype), column.offsets[1:][chosen], values[chosen]
    )
    return Ragged(longer, ends(column.sizes + chosen))
