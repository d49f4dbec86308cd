"""A block of steps on its way from tensors to the recorder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from nthrun.training.recorder import Event
from nthrun.training.stepping import METRICS, Block

EXPERIENCE_SERIES = {
    "train_states": "observation",
    "train_actions": "action",
    "train_rewards": "reward",
    "train_next_states": "next_observation",
}


def block_event(block: Block, learned: np.ndarray, series: frozenset[str]) -> Event:
    """A block's steps as a recorder event.

    Args:
        block: as a stepper gives it.
        learned: whether the agent updated, `(steps,)`.
        series: names of the series to keep.
    """
    shown = {name: part.numpy(force=True) for name, part in block.items()}
    rewards = shown["reward"][..., 0]
    updates = {name: part for name, part in shown.items() if name.startswith(METRICS)}
    event = {
        "reward": rewards,
        "ended": shown["ended"][..., 0],
        "learned": np.tile(learned, (len(rewards), 1)),
        "health": _health(rewards, updates, learned),
    }
    for name, part in EXPERIENCE_SERIES.items():
        if name in series:
            event[f"series/{name}"] = rewards if name == "train_rewards" else shown[part]
    if "metrics" in series:
        event |= {f"updates/{name}": values for name, values in updates.items()}
    return event


def joined(blocks: Sequence[Block]) -> Block:
    """Blocks of steps one after the other as one; metrics may begin in a later one."""
    if len(blocks) == 1:
        return blocks[0]
    names = {name: None for block in blocks for name in block}
    return {name: torch.cat([b[name] for b in blocks if name in b], 1) for name in names}


def _health(
    rewards: np.ndarray, updates: Mapping[str, np.ndarray], learned: np.ndarray
) -> np.ndarray:
    """Non-finite where a step's reward or one of its metrics is, `(lanes, steps)`."""
    health = rewards.copy()
    for values in updates.values():
        health[:, learned] += values
    return health
