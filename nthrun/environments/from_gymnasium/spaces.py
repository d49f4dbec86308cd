"""Gymnasium's spaces as an interface, and their elements as flat arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium import spaces

from nthrun.environments.hosting import HOST_BYTES, UnsupportedSpaceError, action_bounds
from nthrun.specs.interface import Interface


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
    low, high = (tuple(bound.astype(float).ravel().tolist()) for bound in (flat.low, flat.high))
    seen = Interface(low, high, host_bytes=HOST_BYTES)
    if isinstance(actions, spaces.Discrete):
        return replace(seen, num_actions=int(actions.n))
    if not isinstance(actions, spaces.Box) or not np.issubdtype(actions.dtype, np.floating):
        raise UnsupportedSpaceError(f"actions {actions}, allowed: Discrete or Box of numbers")
    low, high = action_bounds(actions.low, actions.high)
    return replace(seen, action_low=low, action_high=high)


def flattener(space: spaces.Space[Any]) -> Callable[[Any], np.ndarray]:
    """What turns an observation into an array, `(observation_dim,)`."""
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return lambda observation: observation
    return lambda observation: np.asarray(spaces.flatten(space, observation))


def shaper(space: spaces.Space[Any]) -> Callable[[np.ndarray], Any] | None:
    """What turns a flat float32 action into an element of its space; None where it is one."""
    if isinstance(space, spaces.Discrete):
        start = int(space.start)
        return lambda action: int(action[0]) + start
    shape = space.shape
    assert shape is not None
    return None if len(shape) == 1 else lambda action: action.reshape(shape)
