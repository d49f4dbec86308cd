"""Adam (Kingma and Ba, 2015) on stacked parameters, with each lane's own step size and betas."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nthrun.agents.base import State, lane_column
from nthrun.specs.declaration import Setting

EPSILON = 1e-8


def adam_state(name: str, parameters: Tensor) -> State:
    """Moments and powers of one parameter block `(lanes, P)`, under `<name>.*`."""
    return {
        f"{name}.mean": torch.zeros_like(parameters),
        f"{name}.square": torch.zeros_like(parameters),
        f"{name}.powers": torch.ones(parameters.shape[0], 2),
    }


def adam_hyperparameters(settings: Sequence[Setting]) -> State:
    """`betas` `(lanes, 2)` and the weights `1 - β` `(lanes, 1)`, from each setting's `betas`."""
    betas = [lane_column(settings, lambda setting, i=i: setting["betas"][i]) for i in (0, 1)]
    return {
        "betas": torch.cat(betas, 1),
        "mean_weight": 1.0 - betas[0],
        "square_weight": 1.0 - betas[1],
    }


def adam_step(state: State, name: str, slope: Tensor, learning_rate: Tensor) -> None:
    """One step on `state[name]`, in place.

        m ← m + (1-β₁)(g - m)        v ← v + (1-β₂)(g² - v)
        θ ← θ - lr m̂ / (√v̂ + ε),    m̂ = m / (1-β₁ᵗ),  v̂ = v / (1-β₂ᵗ)

    Args:
        slope: the gradient, `(lanes, P)`.
        learning_rate: `(lanes, 1)`.
    """
    mean = state[f"{name}.mean"].lerp_(slope, state["mean_weight"])
    square = state[f"{name}.square"].lerp_(slope * slope, state["square_weight"])
    mean_bias, square_bias = (1.0 - state[f"{name}.powers"].mul_(state["betas"])).split(1, 1)
    root = (square / square_bias).sqrt_().add_(EPSILON)
    state[name].addcdiv_(mean * (learning_rate / mean_bias), root, value=-1.0)
