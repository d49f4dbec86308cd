"""Policies: distributions over actions whose parameters a network puts out.

Actions are in [-1, 1] here; the agent scales them to the environment's bounds.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)
LOG_TWO = math.log(2.0)


class SquashedGaussian:
    """a = tanh(u), u normal with mean μ and standard deviation σ (Haarnoja et al., 2018, app. C).

    The network puts out (μ, log σ), `(lanes, batch, 2 action_dim)`; log σ is clipped to ±bound.
    """

    num_outputs_per_action = 2

    @staticmethod
    def sample(outputs: Tensor, noise: Tensor, log_std_bound: Tensor) -> tuple[Tensor, Tensor]:
        """A reparameterised action and its log-density.

        Args:
            outputs: `(lanes, batch, 2 action_dim)`.
            noise: standard normal, `(lanes, batch, action_dim)`.
            log_std_bound: `(lanes, 1, 1)`.

        Returns:
            action `(lanes, batch, action_dim)` and log-density `(lanes, batch)`:

                log π(a) = Σ [ log N(u; μ, σ) - log(1 - tanh² u) ]

            with log(1 - tanh² u) = 2 (log 2 - u - softplus(-2u)), exact for every u.
        """
        mean, log_std = SquashedGaussian._split(outputs, log_std_bound)
        unsquashed = mean + log_std.exp() * noise
        minus_two_u = -2.0 * unsquashed
        softplus = torch.log1p(torch.exp(-minus_two_u.abs())) + torch.relu(minus_two_u)
        log_normal = -0.5 * (noise * noise) - log_std
        log_density = log_normal - minus_two_u + 2.0 * softplus
        constant = HALF_LOG_TWO_PI + 2.0 * LOG_TWO
        return torch.tanh(unsquashed), log_density.sum(-1) - constant * noise.shape[-1]

    @staticmethod
    def sample_action(outputs: Tensor, noise: Tensor, log_std_bound: Tensor) -> Tensor:
        """The action of `sample` alone."""
        mean, log_std = SquashedGaussian._split(outputs, log_std_bound)
        return torch.tanh(mean + log_std.exp() * noise)

    @staticmethod
    def mode(outputs: Tensor) -> Tensor:
        """The deterministic action tanh(μ), `(lanes, batch, action_dim)`."""
        return torch.tanh(outputs.chunk(2, -1)[0])

    @staticmethod
    def _split(outputs: Tensor, log_std_bound: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = outputs.chunk(2, -1)
        return mean, torch.clamp(log_std, -log_std_bound, log_std_bound)
