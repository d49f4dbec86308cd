"""Normal variates: clamped to the bounds of actions, squashed by tanh, and mixed and squashed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nthrun.agents.policies.base import (
    HALF_LOG_TWO_PI,
    LOG_TWO,
    Policy,
    Sample,
    artanh,
    clipped,
    log_two_cosh,
    partial_sums,
    repeated,
    uniform_of,
)
from nthrun.agents.sizes import PolicySpec

LEAST_PROBABILITY = 1e-8
"""Least probability of being clamped that a logarithm is taken of; float32 takes less for 0."""


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
        fixed = bounds.detach()
        slope = density.detach() * (bounds - fixed)  # it is 0; autograd of erf takes a power
        within = 0.5 * torch.erf(fixed * math.sqrt(0.5)) + slope
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


class UnboundedGaussian:
    """a normal with mean μ and standard deviation σ, not bounded: whoever plays it cuts it.

    Its outputs are (μ, log σ), `(lanes, batch, 2 action_dim)`, and the deterministic action is μ.
    """

    def sample_action(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """Actions, `(lanes, batch, action_dim)`.

        Args:
            outputs: `(lanes, batch, 2 action_dim)`.
            noise: standard normal, `(lanes, batch, action_dim)`.
        """
        mean, log_std = outputs.chunk(2, -1)
        return torch.addcmul(mean, log_std.exp(), noise)

    def log_density(self, outputs: Tensor, action: Tensor) -> Tensor:
        """log π(a|s) of actions `(lanes, batch, action_dim)`, `(lanes, batch)`."""
        mean, log_std = outputs.chunk(2, -1)
        return _log_density(mean, log_std, action)

    def entropy(self, outputs: Tensor) -> Tensor:
        """Σ (log σ + log √(2πe)), `(lanes, batch)`."""
        log_std = outputs.chunk(2, -1)[1]
        return (log_std + (HALF_LOG_TWO_PI + 0.5)).sum(-1)

    def mode(self, outputs: Tensor) -> Tensor:
        """The most probable action, `(lanes, batch, action_dim)`."""
        return outputs.chunk(2, -1)[0]


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
        log_density = _squashed_log_density(log_std, noise, raw)
        return Sample(torch.tanh(raw), log_density, raw)

    def sample_action(self, outputs: Tensor, noise: Tensor) -> Tensor:
        mean, log_std = self._split(outputs)
        return torch.tanh(torch.addcmul(mean, log_std.exp(), noise))

    def log_density(self, outputs: Tensor, raw: Tensor) -> Tensor:
        mean, log_std = self._split(outputs)
        return _squashed_log_density(log_std, (raw - mean) * torch.exp(-log_std), raw)

    def raw_of(self, action: Tensor) -> Tensor:
        return artanh(action)

    def mode(self, outputs: Tensor) -> Tensor:
        return torch.tanh(outputs.chunk(2, -1)[0])

    def _split(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = outputs.chunk(2, -1)
        return mean, clipped(log_std, self._max_log_std)


def _squashed_log_density(log_std: Tensor, error: Tensor, raw: Tensor) -> Tensor:
    """`(lanes, batch)`; error is (u - μ)/σ."""
    log_cosh = log_two_cosh(raw)
    surprise = torch.addcmul(log_std, error, error, value=0.5).sub(log_cosh, alpha=2.0)
    constant = (HALF_LOG_TWO_PI + 2.0 * LOG_TWO) * raw.shape[-1]
    return -constant - surprise.sum(-1)


class SquashedGaussianMixture(Policy):
    """a = tanh(u), u of a mixture: Σ_k w_k N(u; μ_k, σ_k), normal over all components of an action.

    The network puts out the logits of w, then every μ_k, then every log σ_k,
    `(lanes, batch, K (1 + 2 action_dim))`; the raw value is u. The deterministic action is
    tanh(μ_k) of the largest w_k.
    """

    def __init__(self, spec: PolicySpec) -> None:
        self.num_outputs, self.num_draws = spec.num_outputs, spec.num_draws
        self.num_strata = spec.num_components
        self._size = spec.action_size
        self._max_log_std = math.log(spec.clip_stddev)

    def sample(self, outputs: Tensor, noise: Tensor) -> Sample:
        """See `Policy`. Which component an action comes from has no gradient here, so that the
        gradient of an expectation needs `strata`."""
        raw = self._sampled(outputs, noise)
        return Sample(torch.tanh(raw), self.log_density(outputs, raw), raw)

    def sample_action(self, outputs: Tensor, noise: Tensor) -> Tensor:
        return torch.tanh(self._sampled(outputs, noise))

    def log_density(self, outputs: Tensor, raw: Tensor) -> Tensor:
        """log Σ_k w_k N(u; μ_k, σ_k) - Σ log(1 - tanh² u)."""
        logits, means, log_stds = self._split(outputs)
        error = (raw.unsqueeze(2) - means) * torch.exp(-log_stds)
        surprise = torch.addcmul(log_stds, error, error, value=0.5).sum(-1)
        log_mixed = torch.logsumexp(torch.log_softmax(logits, -1) - surprise, -1)
        constant = (HALF_LOG_TWO_PI + 2.0 * LOG_TWO) * self._size
        return log_mixed + 2.0 * log_two_cosh(raw).sum(-1) - constant

    def raw_of(self, action: Tensor) -> Tensor:
        return artanh(action)

    def mode(self, outputs: Tensor) -> Tensor:
        logits, means, _ = self._split(outputs)
        return torch.tanh(_chosen(means, logits.argmax(-1, keepdim=True)))

    def strata(self, outputs: Tensor, noise: Tensor) -> tuple[Sample, Tensor]:
        """See `Policy`: one sample of each component, all from the same normal numbers."""
        logits, means, log_stds = self._split(outputs)
        raw = torch.addcmul(means, log_stds.exp(), noise[..., : self._size].unsqueeze(2))
        raw = raw.transpose(1, 2).flatten(1, 2)
        log_density = self.log_density(repeated(outputs, self.num_strata), raw)
        weight = torch.softmax(logits, -1).transpose(1, 2).flatten(1)
        return Sample(torch.tanh(raw), log_density, raw), weight

    def _sampled(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """u of a component that the last random number chooses, `(lanes, batch, action_dim)`."""
        logits, means, log_stds = self._split(outputs)
        normal, choice = noise.split((self._size, 1), -1)
        upper = partial_sums(torch.softmax(logits, -1))
        index = (uniform_of(choice) >= upper).sum(-1, keepdim=True)
        return torch.addcmul(_chosen(means, index), _chosen(log_stds, index).exp(), normal)

    def _split(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits `(lanes, batch, K)`, and μ and log σ `(lanes, batch, K, action_dim)`."""
        components, size = self.num_strata, self._size
        logits, means, log_stds = outputs.split((components, *[components * size] * 2), -1)
        log_stds = clipped(log_stds, self._max_log_std)
        shape = (components, size)
        return logits, means.unflatten(-1, shape), log_stds.unflatten(-1, shape)


def _chosen(values: Tensor, index: Tensor) -> Tensor:
    """One component's `(lanes, batch, action_dim)`, its index being `(lanes, batch, 1)`."""
    indices = index.unsqueeze(-1).expand(-1, -1, 1, values.shape[-1])
    return values.gather(2, indices).squeeze(2)
