"""A normal variate, clamped to the bounds of actions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nthrun.agents.policies.base import Policy, Sample
from nthrun.agents.policies.sizes import PolicySpec
from nthrun.agents.policies.special import HALF_LOG_TWO_PI


class Gaussian(Policy):
    """u normal with mean tanh(m) and standard deviation σ; the action is u clamped to [-1, 1].

    The network puts out (m, log σ), `(lanes, batch, 2 action_dim)`. The raw value is u, and the
    density is that of u: beyond the bounds it is not the clamped action's, which has none. No
    gradient flows through a clamped action. The deterministic action is tanh(m).
    """

    def __init__(self, spec: PolicySpec) -> None:
        self.num_outputs, self.num_draws = spec.num_outputs, spec.num_draws
        self._max_log_std = math.log(spec.clip_stddev)

    def sample(self, outputs: Tensor, noise: Tensor) -> Sample:
        mean, log_std = self._split(outputs)
        raw = torch.addcmul(mean, log_std.exp(), noise)
        return Sample(raw.clamp(-1.0, 1.0), _log_density(log_std, noise), raw)

    def sample_action(self, outputs: Tensor, noise: Tensor) -> Tensor:
        mean, log_std = self._split(outputs)
        return torch.addcmul(mean, log_std.exp(), noise).clamp(-1.0, 1.0)

    def log_density(self, outputs: Tensor, raw: Tensor) -> Tensor:
        mean, log_std = self._split(outputs)
        return _log_density(log_std, (raw - mean) * torch.exp(-log_std))

    def raw_of(self, action: Tensor) -> Tensor:
        return action

    def mode(self, outputs: Tensor) -> Tensor:
        return torch.tanh(outputs.chunk(2, -1)[0])

    def _split(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = outputs.chunk(2, -1)
        return torch.tanh(mean), log_std.clamp(-self._max_log_std, self._max_log_std)


def _log_density(log_std: Tensor, error: Tensor) -> Tensor:
    """Σ log N(u; μ, σ), `(lanes, batch)`; error is (u - μ)/σ."""
    surprise = torch.addcmul(log_std, error, error, value=0.5)
    return -HALF_LOG_TWO_PI * error.shape[-1] - surprise.sum(-1)
