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

    The network puts out (μ, log σ), `(lanes, batch, 2 action_dim)`.

    Args:
        max_log_std: log σ is clipped to ± this.
    """

    num_outputs_per_action = 2

    def __init__(self, max_log_std: float) -> None:
        self._max_log_std = max_log_std

    def sample(self, outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """A reparameterised action and its log-density.

        Args:
            outputs: `(lanes, batch, 2 action_dim)`.
            noise: standard normal ε, `(lanes, batch, action_dim)`.

        Returns:
            action `(lanes, batch, action_dim)` and log-density `(lanes, batch)`:

                log π(a) = Σ [ log N(u; μ, σ) - log(1 - tanh² u) ]
                         = Σ [ -ε²/2 - log σ + 2 (|u| + log(1 + exp(-2|u|))) - log √(2π) - 2 log 2 ]

            which is exact and finite for every u.
        """
        mean, log_std = self._split(outputs)
        unsquashed = torch.addcmul(mean, log_std.exp(), noise)
        size = unsquashed.abs()
        log_cosh = size + torch.log1p(torch.exp(-2.0 * size))
        surprise = torch.addcmul(log_std, noise, noise, value=0.5).sub(log_cosh, alpha=2.0)
        constant = (HALF_LOG_TWO_PI + 2.0 * LOG_TWO) * noise.shape[-1]
        return torch.tanh(unsquashed), -constant - surprise.sum(-1)

    def sample_action(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """The action of `sample` alone."""
        mean, log_std = self._split(outputs)
        return torch.tanh(torch.addcmul(mean, log_std.exp(), noise))

    def mode(self, outputs: Tensor) -> Tensor:
        """The deterministic action tanh(μ), `(lanes, batch, action_dim)`."""
        return torch.tanh(outputs.chunk(2, -1)[0])

    def _split(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = outputs.chunk(2, -1)
        return mean, log_std.clamp(-self._max_log_std, self._max_log_std)
