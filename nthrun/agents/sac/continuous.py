"""SAC's expectations over continuous actions, by samples."""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.agents.off_policy.shapes import policy_spec
from nthrun.agents.policies.base import Sample, repeated
from nthrun.agents.policies.catalogue import POLICIES
from nthrun.agents.sac.counts import num_baseline_actions
from nthrun.agents.sac.critics import Critics
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface


class SampledObjectives:
    """The objectives of Haarnoja et al. (2018), by reparameterisation or by likelihood ratios.

    Each has n = `num_samples` actions of every state, c(a) = α log π(a|s) - min_i Q_i(s, a):

        reparameterised    J_π = E[c(f_φ(ε; s))], gradients through f_φ                  (eq. 9)
        likelihood ratio   ∇J_π = E[∇log π(a|s) (c(a) + b(s))], b(s) = -mean_j c(a_j) over
                           `baseline_actions` further actions, or 0 without any

    A mixture's reparameterised action is one of each component, weighted by its probability. A
    clamped Gaussian's reparameterised log π is the clamped action's mean one, minus its entropy;
    elsewhere its log π is the normal variate's at the clamped action (`policies.gaussian`).
    """

    def __init__(self, statics: Setting, environment: Interface, critics: Critics) -> None:
        spec = policy_spec(statics, environment)
        self.policy = POLICIES[spec.policy_type](spec)
        self.target_entropy = -float(environment.action_dim)
        self._critics = critics
        self._batch_size: int = statics["batch_size"]
        self._soft: bool = statics["soft_q"]
        self._reparameterised: bool = statics["reparam_baseline"][0]
        self._num_samples: int = statics["num_samples"]
        self._num_baseline = num_baseline_actions(statics)

    def next_value(
        self, outputs: Tensor, observation: Tensor, normal: Tensor, alpha: Tensor, targets: Tensor
    ) -> Tensor:
        """min_i Q̄_i(s', a') - α log π(a'|s'), or without the last term if Q is not soft."""
        noise = normal[:, : self._batch_size]
        if not self._soft:
            action = self.policy.sample_action(outputs, noise)
            return self._critics.smallest(targets, observation, action)
        action, log_density, _ = self.policy.sample(outputs, noise)
        value = self._critics.smallest(targets, observation, action)
        return torch.addcmul(value, alpha, log_density, value=-1.0)

    def actor_loss(
        self, outputs: Tensor, observation: Tensor, normal: Tensor, alpha: Tensor, critics: Tensor
    ) -> tuple[Tensor, Tensor]:
        noise = normal[:, self._batch_size :]
        if self._reparameterised:
            return self._pathwise(outputs, observation, noise, alpha, critics)
        return self._likelihood_ratio(outputs, observation, noise, alpha, critics)

    def _pathwise(
        self, outputs: Tensor, observation: Tensor, noise: Tensor, alpha: Tensor, critics: Tensor
    ) -> tuple[Tensor, Tensor]:
        sample, weight = self.policy.strata(repeated(outputs, self._num_samples), noise)
        cost = self._cost(sample, observation, alpha, critics)
        if weight is None:
            return cost.mean(1), sample.log_density.mean(1)
        rows = self._num_samples * self._batch_size
        return (weight * cost).sum(1) / rows, (weight * sample.log_density).sum(1) / rows

    def _likelihood_ratio(
        self, outputs: Tensor, observation: Tensor, noise: Tensor, alpha: Tensor, critics: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Its value is E[c], its gradient that of the likelihood ratio."""
        n, m = self._num_samples, self._num_baseline
        fixed = outputs.detach()
        of_samples, of_baseline = noise.split((n * self._batch_size, m * self._batch_size), 1)
        sample = self.policy.sample(repeated(fixed, n), of_samples)
        cost = self._cost(sample, observation, alpha, critics)
        advantage = cost
        if m:
            other = self.policy.sample(repeated(fixed, m), of_baseline)
            others = self._cost(other, observation, alpha, critics).unflatten(1, (m, -1))
            advantage = (cost.unflatten(1, (n, -1)) - others.mean(1, keepdim=True)).flatten(1)
        log_density = self.policy.log_density(repeated(outputs, n), sample.raw)
        score = advantage * (log_density - log_density.detach())  # it is 0 and has the slope
        return (cost + score).mean(1), sample.log_density.mean(1)

    def _cost(self, sample: Sample, observation: Tensor, alpha: Tensor, critics: Tensor) -> Tensor:
        """c(a) of samples of the whole batch, one behind another, `(lanes, samples * batch)`."""
        states = repeated(observation, sample.action.shape[1] // self._batch_size)
        value = self._critics.smallest(critics, states, sample.action)
        return alpha * sample.log_density - value
