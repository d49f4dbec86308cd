"""What all environments that step on the host have in common, without importing one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nthrun.specs.interface import Interface

SEED_DRAWS = 2
"""Uniform numbers on [0, 1) that make the seed of one episode."""
HOST_BYTES = 16 << 20
"""Memory of the worlds of one lane, one to train in and one to evaluate in [measured: HalfCheetah
takes 6 MB, Humanoid 11 MB]."""
MAX_ACTION = 1e6
"""Largest bound of an action; a larger one is a way of saying that there is none."""


class UnsupportedSpaceError(ValueError):
    """A space of actions or observations that no agent here takes."""


def action_bounds(low: np.ndarray, high: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The bounds of every component of an action, `(action_dim,)` each.

    Raises:
        UnsupportedSpaceError: there is no component, or one is not bounded.
    """
    bounds = tuple(np.asarray(bound, float).ravel() for bound in (low, high))
    if not bounds[0].size:
        raise UnsupportedSpaceError("actions have no components")
    if not all((np.abs(bound) <= MAX_ACTION).all() for bound in bounds):
        span = f"from {bounds[0].min():g} to {bounds[1].max():g}"
        raise UnsupportedSpaceError(
            f"actions {span} are not bounded, allowed: within ±{MAX_ACTION:g}"
        )
    return tuple(bounds[0].tolist()), tuple(bounds[1].tolist())


def float32_bounds(
    low: Sequence[float] | np.ndarray, high: Sequence[float] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest float32 within bounds, `(action_dim,)` each.

    A bound that float32 rounds outwards is moved a step inwards; where nothing is left between the
    two, both are the nearest float32.
    """
    nearest = [np.array(bound, np.float32) for bound in (low, high)]
    outside = nearest[0] < np.array(low), nearest[1] > np.array(high)
    within = [
        np.where(out, np.nextafter(bound, np.float32(end)), bound)
        for bound, out, end in zip(nearest, outside, (np.inf, -np.inf), strict=True)
    ]
    empty = within[0] > within[1]
    least, greatest = (np.where(empty, nearest[0], bound) for bound in within)
    return least, greatest


def resting_action(interface: Interface) -> np.ndarray:
    """What is played in place of an action that is no number, `(action_dim,)` in float32: of a
    continuous one whatever is nearest to 0 within the bounds, of a discrete one number 0."""
    nothing = np.zeros(interface.action_dim, np.float32)
    if interface.discrete:
        return nothing
    return np.clip(nothing, *float32_bounds(interface.action_low, interface.action_high))


def playable(action: np.ndarray, resting: np.ndarray) -> np.ndarray:
    """The actions that worlds are given, `(..., action_dim)`: a copy of what agents chose.

    Args:
        action: what they chose.
        resting: what is played where any of it is no number.
    """
    finite = np.isfinite(action)
    if finite.all():
        return action.copy()
    return np.where(finite.all(-1, keepdims=True), action, resting)
