"""Tensors that several programs need: start states, Gaussian noise, angles, powers, constants."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from nthrun.specs.environment_spec import EnvironmentSpec

TINY = 1e-30
"""Smallest number taken under a logarithm, whose gradient at 0 is no number."""


def start_states(spec: EnvironmentSpec, drawn: Tensor) -> Tensor:
    """The states at which episodes begin, `(lanes, episodes, state_dim)`.

    Args:
        drawn: states an environment draws where the spec fixes none.
    """
    fixed = spec.items("start_state")
    if not fixed:
        return drawn
    start = torch.tensor(fixed, dtype=drawn.dtype, device=drawn.device)
    return start.expand_as(drawn).clone()


def same_start_states(spec: EnvironmentSpec, draws: Tensor, *state: float) -> Tensor:
    """The same for an environment that draws nothing: episodes begin at `state`.

    Args:
        draws: `(lanes, episodes, 0)`.
    """
    start = torch.tensor(state, dtype=draws.dtype, device=draws.device)
    return start_states(spec, start.expand(*draws.shape[:-1], len(state)).clone())


def normal(uniform: Tensor) -> Tensor:
    """Standard normal numbers from pairs of uniform ones, z = √(-2 ln(1 - u₁)) cos 2πu₂.

    Box and Muller (1958), A note on the generation of random normal deviates.

    Args:
        uniform: on [0, 1), `(..., 2 n)`: the u₁ of all n, then the u₂.

    Returns:
        `(..., n)`, finite.
    """
    first, second = uniform.split(uniform.shape[-1] // 2, -1)
    return torch.sqrt(-2.0 * torch.log1p(-first)) * torch.cos(2.0 * math.pi * second)


def bump(x: Tensor, center: float, stddev: float) -> Tensor:
    """exp(-((x - center) / stddev)² / 2), which is 1 at its center."""
    distance = (x - center) / stddev
    return torch.exp(-0.5 * (distance * distance))


def power(base: Tensor, exponent: float) -> Tensor:
    """base^exponent, of a base of at least 1e-30: exp(p log x), whose bits do not depend on where
    in memory x lies."""
    return torch.exp(exponent * torch.log(base.clamp(min=TINY)))


def wrap(angle: Tensor) -> Tensor:
    """The same angle, in radians, on [-π, π)."""
    return torch.remainder(angle + math.pi, 2.0 * math.pi) - math.pi


class Constants:
    """Constant tensors, on every device that they are asked for on.

    They are made on the CPU and outside of any step, so that a tracer finds real tensors, which it
    can take into its program, and no operation that makes them.

    Args:
        tensors: on the CPU.
    """

    def __init__(self, *tensors: Tensor) -> None:
        self._held = {torch.device("cpu"): tensors}

    def on(self, device: torch.device) -> tuple[Tensor, ...]:
        """The tensors on a device, copied there once; a tracer records no copying."""
        if device not in self._held:
            with _disable_current_modes():
                held = self._held[torch.device("cpu")]
                self._held[device] = tuple(tensor.to(device) for tensor in held)
        return self._held[device]
