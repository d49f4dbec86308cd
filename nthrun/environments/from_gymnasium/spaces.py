"""Gymnasium's spaces as an interface, and their elements as flat float32 arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium import spaces

from nthrun.specs.interface import Interface

SEED_DRAWS = 2
"""Uniform numbers that make the seed of one episode."""
HOST_BYTES = 16 << 20
"""Memory of the worlds of one lane, one to train in and one to evaluate in [measured: HalfCheetah
takes 6 MB, Humanoid 11 MB]."""


class UnsupportedSpaceError(ValueError):
    """A space of actions or observations that no agent here takes."""


def interface_of(observations: spaces.Space[Any], actions: spaces.Space[Any]) -> Interface:
    """The interface of an environment on the host with these spaces.

    Raises:
        UnsupportedSpaceError: actions are neither discrete nor bounded, or observations are of no
            fixed size.
    """
    if not observations.is_np_flattenable:
        raise UnsupportedSpaceError(f"observations {observations} have no fixed size")
    flat = spaces.flatten_space(observations)
    assert isinstance(flat, spaces.Box)
    seen = Interface(
        *_bounds(flat), num_reset_draws=SEED_DRAWS, terminates=True, host_bytes=HOST_BYTES
    )
    if isinstance(actions, spaces.Discrete):
        return replace(seen, num_actions=int(actions.n))
    if not isinstance(actions, spaces.Box) or not np.issubdtype(actions.dtype, np.floating):
        raise UnsupportedSpaceError(f"actions {actions}, allowed: Discrete or Box of numbers")
    if not actions.is_bounded():
        raise UnsupportedSpaceError(f"actions {actions} are not bounded")
    low, high = _bounds(actions)
    return replace(seen, action_low=low, action_high=high)


def _bounds(box: spaces.Box) -> tuple[tuple[float, ...], tuple[float, ...]]:
    low, high = (bound.astype(float).ravel().tolist() for bound in (box.low, box.high))
    return tuple(low), tuple(high)


def flattener(space: spaces.Space[Any]) -> Callable[[Any], np.ndarray]:
    """What turns an observation into float32, `(observation_dim,)`."""
    if isinstance(space, spaces.Box):
        return lambda observation: np.asarray(observation, np.float32).reshape(-1)
    return lambda observation: np.asarray(spaces.flatten(space, observation), np.float32)


def shaper(space: spaces.Space[Any]) -> Callable[[np.ndarray], Any]:
    """What turns a flat float32 action into an element of its space."""
    if isinstance(space, spaces.Discrete):
        start = int(space.start)
        return lambda action: int(action[0]) + start
    shape = space.shape
    return lambda action: action.reshape(shape)
