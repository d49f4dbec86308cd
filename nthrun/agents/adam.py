"""Adam (Kingma and Ba, 2015) on stacked parameters, with each lane's own step size and betas.

    m ← m + (1-β₁)(g - m)        v ← v + (1-β₂)(g² - v)
    θ ← θ - lr m̂ / (√v̂ + ε),    m̂ = m / (1-β₁ᵗ),  v̂ = v / (1-β₂ᵗ)

computed as θ ← θ - (lr √(1-β₂ᵗ)/(1-β₁ᵗ)) m / (√v + ε√(1-β₂ᵗ)). The powers of β are running
products, shared by all parameters that are updated together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nthrun.agents.base import State, lane_column
from nthrun.specs.declaration import Setting

EPSILON = 1e-8


class AdamClock(NamedTuple):
    """Bias corrections of one update, `(lanes, 1)`: √(1-β₂ᵗ)/(1-β₁ᵗ) and ε√(1-β₂ᵗ)."""

    scale: Tensor
    epsilon: Tensor


def adam_state(settings: Sequence[Setting], parameters: State) -> State:
    """What Adam keeps: moments of each block `(lanes, P)`; β, 1-β and βᵗ, `(lanes, 2)`."""
    betas = torch.cat([lane_column([s["betas"][i] for s in settings]) for i in (0, 1)], 1)
    state = {
        "adam.betas": betas,
        "adam.weights": 1.0 - betas,
        "adam.powers": torch.ones_like(betas),
    }
    for name, block in parameters.items():
        state[f"{name}.mean"] = torch.zeros_like(block)
        state[f"{name}.square"] = torch.zeros_like(block)
    return state


def adam_tick(state: State) -> AdamClock:
    """Count one update; its steps on several parameter blocks share the result."""
    powers = state["adam.powers"].mul_(state["adam.betas"])
    mean_bias, square_bias = (1.0 - powers).split(1, 1)
    root = square_bias.sqrt()
    return AdamClock(root / mean_bias, root * EPSILON)


def adam_step(
    state: State, name: str, slope: Tensor, learning_rate: Tensor, clock: AdamClock
) -> None:
    """One step on `state[name]`, in place.

    Args:
        slope: the gradient, `(lanes, P)`.
        learning_rate: `(lanes, 1)`.
        clock: of this update.
    """
    mean_weight, square_weight = state["adam.weights"].split(1, 1)
    mean = state[f"{name}.mean"].lerp_(slope, mean_weight)
    square = state[f"{name}.square"].lerp_(slope * slope, square_weight)
    root = square.sqrt().add_(clock.epsilon)
    state[name].addcdiv_(mean * (learning_rate * clock.scale), root, value=-1.0)
