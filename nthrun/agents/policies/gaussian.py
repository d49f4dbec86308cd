"""A normal variate, clamped to the bounds of actions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nthrun.agents.policies.base import Policy, Sample
from nthrun.agents.policies.clipping import clipped
from nthrun.agents.policies.sizes import PolicySpec
from nthrun.agents.policies.special import HALF_LOG_TWO_PI

LEAST_PROBABILITY = 1e-8
"""Of being clamped, within a logarithm; less is not told from 0 in float32."""


class Gaussian(Policy):
    """u normal with mean tanh(m) and standard deviation σ; the action a is u clamped to [-1, 1].

    The network puts out (m, log σ), `(lanes, batch, 2 action_dim)`. The raw value is a, and the
    density is that of u at a, as in the program of Neumann et al. (2023); at the bounds a itself
    has none. The mean of -log of it, like u's entropy, grows with σ without end, while values
    depend on σ less and less. What is maximised by gradient is therefore `entropy`. A likelihood
    ratio is not exact, and needs a baseline: the mean of ∇ log π over clamped actions is not 0.

    No gradient flows through a clamped action. The deterministic action is tanh(m).
    """

    def __init__(self, spec: PolicySpec) -> None:
        self.num_outputs, self.num_draws = spec.num_outputs, spec.num_draws
        self._max_log_std = math.log(spec.clip_stddev)

    def sample(self, outputs: Tensor, noise: Tensor) -> Sample:
        mean, log_std = self._split(outputs)
        action = torch.addcmul(mean, log_std.exp(), noise).clamp(-1.0, 1.0)
        return Sample(action, _log_density(mean, log_std, action), action)

    def sample_action(self, outputs: Tensor, noise: Tensor) -> Tensor:
        mean, log_std = self._split(outputs)
        return torch.addcmul(mean, log_std.exp(), noise).clamp(-1.0, 1.0)

    def log_density(self, outputs: Tensor, raw: Tensor) -> Tensor:
        return _log_density(*self._split(outputs), raw)

    def raw_of(self, action: Tensor) -> Tensor:
        return action

    def mode(self, outputs: Tensor) -> Tensor:
        return torch.tanh(outputs.chunk(2, -1)[0])

    def strata(self, outputs: Tensor, noise: Tensor) -> tuple[Sample, Tensor | None]:
        """See `Policy`; the sample's log-density is its mean, minus the entropy."""
        action = self.sample_action(outputs, noise)
        return Sample(action, -self.entropy(outputs, noise), action), None

    def entropy(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """See `Policy`; exact, of the clamped action, whose distribution is a density p = N(μ, σ)
        within the bounds and a probability on either of them, P and P':

            H = -∫_{-1}^1 p(u) log p(u) du - P log P - P' log P'

        At most log 4 for each component, it is largest near σ = 1.5 and log 2 for infinite σ. With
        l = (1 + μ)/σ and h = (1 - μ)/σ, φ and Φ of the standard normal:

            P = Φ(-l),  P' = Φ(-h),  I = 1 - P - P'
            H = I (log σ + log √(2π) + ½) - (l φ(l) + h φ(h))/2 - P log P - P' log P'
        """
        del noise
        mean, log_std = self._split(outputs)
        inverse = torch.exp(-log_std)
        bounds = torch.stack(((1.0 + mean) * inverse, (1.0 - mean) * inverse))
        density = torch.exp(-0.5 * bounds * bounds - HALF_LOG_TWO_PI)
        place = bounds.detach()
        slope = density.detach() * (bounds - place)  # it is 0; autograd of erf takes a power
        within = 0.5 * torch.erf(place * math.sqrt(0.5)) + slope
        beyond = 0.5 - within
        surprise = -beyond * torch.log(beyond.clamp(min=LEAST_PROBABILITY))
        low, high = (surprise - 0.5 * bounds * density).unbind(0)
        inside = (within[0] + within[1]) * (log_std + (HALF_LOG_TWO_PI + 0.5))
        return (inside + (low + high)).sum(-1)

    def _split(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = outputs.chunk(2, -1)
        return torch.tanh(mean), clipped(log_std, self._max_log_std)


def _log_density(mean: Tensor, log_std: Tensor, raw: Tensor) -> Tensor:
    """Σ log N(a; μ, σ), `(lanes, batch)`."""
    error = (raw - mean) * torch.exp(-log_std)
    surprise = torch.addcmul(log_std, error, error, value=0.5)
    return -HALF_LOG_TWO_PI * error.shape[-1] - surprise.sum(-1)
