"""A block of steps on its way from tensors to the recorder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.training.program import StepOutput
from nthrun.training.recorder import Event

EXPERIENCE_SERIES = {
    "train_states": "observation",
    "train_actions": "action",
    "train_rewards": "reward",
    "train_next_states": "next_observation",
}


def block_event(
    outputs: Sequence[StepOutput], learned: np.ndarray, series: frozenset[str]
) -> Event:
    """A block's steps as a recorder event.

    Args:
        outputs: one a step.
        learned: whether the agent updated, `(steps,)`.
        series: names of the series to keep.
    """
    rewards = _joined([output.experience.reward for output in outputs])[..., 0]
    metrics = [output.metrics for output in outputs if output.metrics]
    names = metrics[0] if metrics else ()
    updates = {name: _stacked([values[name] for values in metrics]) for name in names}
    health = rewards.copy()
    for values in updates.values():
        health[:, learned] += values
    event = {
        "reward": rewards,
        "ended": _joined([output.ended for output in outputs])[..., 0],
        "learned": np.tile(learned, (len(rewards), 1)),
        "health": health,
    }
    for name, part in EXPERIENCE_SERIES.items():
        if name in series:
            values = _joined([getattr(output.experience, part) for output in outputs])
            event[f"series/{name}"] = values[..., 0] if name == "train_rewards" else values
    if "metrics" in series:
        event |= {f"updates/metrics/{name}": values for name, values in updates.items()}
    return event


def _joined(steps: Sequence[Tensor]) -> np.ndarray:
    """`(lanes, steps, dim)` on the host, from one `(lanes, 1, dim)` tensor a step."""
    joined: np.ndarray = torch.cat(tuple(steps), 1).numpy(force=True)
    return joined


def _stacked(steps: Sequence[Tensor]) -> np.ndarray:
    """`(lanes, steps, ...)` on the host, from one `(lanes, ...)` tensor a step."""
    stacked: np.ndarray = torch.stack(tuple(steps), 1).numpy(force=True)
    return stacked
