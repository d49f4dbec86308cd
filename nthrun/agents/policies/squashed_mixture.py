"""A mixture of squashed normal variates."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nthrun.agents.policies.base import Policy, Sample, repeated
from nthrun.agents.policies.clipping import clipped
from nthrun.agents.policies.sizes import PolicySpec
from nthrun.agents.policies.special import (
    HALF_LOG_TWO_PI,
    LOG_TWO,
    artanh,
    log_two_cosh,
    partial_sums,
    uniform_of,
)


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
        normal, place = noise.split((self._size, 1), -1)
        upper = partial_sums(torch.softmax(logits, -1))
        index = (uniform_of(place) >= upper).sum(-1, keepdim=True)
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
    place = index.unsqueeze(-1).expand(-1, -1, 1, values.shape[-1])
    return values.gather(2, place).squeeze(2)
