"""A normal variate squashed by tanh."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nthrun.agents.policies.base import Policy, Sample
from nthrun.agents.policies.clipping import clipped
from nthrun.agents.policies.sizes import PolicySpec
from nthrun.agents.policies.special import HALF_LOG_TWO_PI, LOG_TWO, artanh, log_two_cosh


class SquashedGaussian(Policy):
    """a = tanh(u), u normal with mean μ and standard deviation σ (Haarnoja et al., 2018, app. C).

    The network puts out (μ, log σ), `(lanes, batch, 2 action_dim)`; the raw value is u. The
    deterministic action is tanh(μ).
    """

    def __init__(self, spec: PolicySpec) -> None:
        self.num_outputs, self.num_draws = spec.num_outputs, spec.num_draws
        self._max_log_std = math.log(spec.clip_stddev)

    def sample(self, outputs: Tensor, noise: Tensor) -> Sample:
        """See `Policy`; the log-density is

            log π(a) = Σ [ log N(u; μ, σ) - log(1 - tanh² u) ]
                     = Σ [ -ε²/2 - log σ + 2 (|u| + log(1 + exp(-2|u|))) - log √(2π) - 2 log 2 ]

        with ε = (u - μ)/σ, which is exact and finite for every u.
        """
        mean, log_std = self._split(outputs)
        raw = torch.addcmul(mean, log_std.exp(), noise)
        log_density = _log_density(log_std, noise, raw)
        return Sample(torch.tanh(raw), log_density, raw)

    def sample_action(self, outputs: Tensor, noise: Tensor) -> Tensor:
        mean, log_std = self._split(outputs)
        return torch.tanh(torch.addcmul(mean, log_std.exp(), noise))

    def log_density(self, outputs: Tensor, raw: Tensor) -> Tensor:
        mean, log_std = self._split(outputs)
        return _log_density(log_std, (raw - mean) * torch.exp(-log_std), raw)

    def raw_of(self, action: Tensor) -> Tensor:
        return artanh(action)

    def mode(self, outputs: Tensor) -> Tensor:
        return torch.tanh(outputs.chunk(2, -1)[0])

    def _split(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = outputs.chunk(2, -1)
        return mean, clipped(log_std, self._max_log_std)


def _log_density(log_std: Tensor, error: Tensor, raw: Tensor) -> Tensor:
    """`(lanes, batch)`; error is (u - μ)/σ."""
    log_cosh = log_two_cosh(raw)
    surprise = torch.addcmul(log_std, error, error, value=0.5).sub(log_cosh, alpha=2.0)
    constant = (HALF_LOG_TWO_PI + 2.0 * LOG_TWO) * raw.shape[-1]
    return -constant - surprise.sum(-1)
