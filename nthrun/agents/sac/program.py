"""Soft actor-critic (Haarnoja et al., 2018, "Soft Actor-Critic Algorithms and Applications").

    critic       y = r + γ (1 - d) (min_i Q̄_i(s', a') - α log π(a'|s')),  a' ~ π(·|s')
                 J_Q(θ) = Σ_i E[(Q_i(s, a) - y)²]                                      (eq. 5, 6)
    actor        J_π(φ) = E[α log π(a|s) - min_i Q_i(s, a)],  a ~ π_φ(·|s)             (eq. 9)
    temperature  J(α) = E[-log α (log π(a|s) + H̄)],  H̄ = -dim(A)                       (eq. 18)
    target       θ̄ ← θ̄ + τ (θ - θ̄)

d is 1 for a terminal state and 0 for a truncated episode. Expectations over continuous actions are
estimated by samples (`SampledObjectives`), those over discrete ones are exact (`ExactObjectives`).
Continuous actions are in [-1, 1] for the networks and scaled to the environment's bounds outside
them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import (
    AdamClock,
    Experience,
    State,
    adam_state,
    adam_step,
    adam_tick,
    gradient,
    lane_column,
)
from nthrun.agents.off_policy import POLICIES, ActorCriticAgent, Critic
from nthrun.agents.policies.base import Policy, Sample, repeated
from nthrun.agents.policies.softmax import Softmax
from nthrun.agents.sac.declaration import num_baseline_actions, sac_parts
from nthrun.agents.sizes import policy_spec
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface


class SoftActorCritic(ActorCriticAgent):
    """SAC with one critic or two, target critics and a fixed or tuned temperature."""

    parts_of = staticmethod(sac_parts)

    def __init__(self, statics: Setting, environment: Interface) -> None:
        super().__init__(statics, environment)
        kind = ExactObjectives if environment.discrete else SampledObjectives
        self.objectives: Objectives = kind(statics, environment, self.critic)

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        """See `Agent`; the temperature is learned by its logarithm."""
        state = super().initial_state(settings, gamma, generators)
        temperature = {"log_alpha": lane_column([math.log(s["alpha"]) for s in settings])}
        return state | temperature | adam_state(settings, temperature)

    def learn(
        self, state: State, batch: Experience, normal: Tensor, count: Tensor
    ) -> dict[str, Tensor]:
        normal = normal.unflatten(1, (-1, self.num_draws))
        clock = adam_tick(state)
        alpha = state["log_alpha"].exp()
        critic_loss = self._update_critic(state, batch, normal, alpha, clock)
        actor_loss, entropy = self._update_actor(state, batch.observation, normal, alpha, clock)
        if self.statics["automatic_entropy_tuning"]:
            slope = (entropy - self.objectives.target_entropy).unsqueeze(1)
            adam_step(state, "log_alpha", slope, state["alpha_lr"], clock)
        self.update_targets(state, count)
        return {"critic_loss": critic_loss, "actor_loss": actor_loss, "entropy": entropy}

    def _update_critic(
        self, state: State, batch: Experience, normal: Tensor, alpha: Tensor, clock: AdamClock
    ) -> Tensor:
        """One step on J_Q; returns it, `(lanes,)`."""
        outputs = self.actor(state["actor"], batch.next_observation)
        next_value = self.objectives.next_value(
            outputs, batch.next_observation, normal, alpha, state["target_critic"]
        )
        gamma, terminated = state["gamma"], batch.terminated.squeeze(-1)
        discount = torch.addcmul(gamma, gamma, terminated, value=-1.0)
        target = torch.addcmul(batch.reward.squeeze(-1), discount, next_value).unsqueeze(1)

        def loss(critic: Tensor) -> tuple[Tensor, Tensor]:
            error = self.critic.value(critic, batch.observation, batch.action) - target
            return (error * error).sum((1, 2)) / self.batch_size, error

        critic_loss, _, slope = gradient(loss, state["critic"])
        adam_step(state, "critic", slope, state["critic_lr"], clock)
        return critic_loss

    def _update_actor(
        self, state: State, observation: Tensor, normal: Tensor, alpha: Tensor, clock: AdamClock
    ) -> tuple[Tensor, Tensor]:
        """One step on J_π; returns it and the entropy, `(lanes,)` each."""

        def loss(actor: Tensor) -> tuple[Tensor, Tensor]:
            outputs = self.actor(actor, observation)
            return self.objectives.actor_loss(outputs, observation, normal, alpha, state["critic"])

        actor_loss, log_density, slope = gradient(loss, state["actor"])
        adam_step(state, "actor", slope, state["actor_lr"], clock)
        return actor_loss, -log_density


class Objectives(Protocol):
    """Expectations over a policy's actions; what they take is `(lanes, batch, ...)`.

    Attributes:
        target_entropy: H̄, what the temperature is tuned for.
    """

    target_entropy: float

    @property
    def policy(self) -> Policy | Softmax:
        """Whose outputs the actor network puts out."""

    def next_value(
        self, outputs: Tensor, observation: Tensor, normal: Tensor, alpha: Tensor, targets: Tensor
    ) -> Tensor:
        """The value v̄(s') of the critic's target, without gradient, `(lanes, batch)`.

        Args:
            outputs: of the actor at the next observation.
            observation: the next one.
            normal: standard normal numbers of a whole update, `(lanes, actions, num_draws)`.
            alpha: the temperature, `(lanes, 1)`.
            targets: parameters of the target critics.
        """

    def actor_loss(
        self, outputs: Tensor, observation: Tensor, normal: Tensor, alpha: Tensor, critics: Tensor
    ) -> tuple[Tensor, Tensor]:
        """J_π, whose gradient in the outputs is the update's, and E[log π]; `(lanes,)` each.

        Args:
            outputs: of the actor at the observation.
            critics: parameters of the critics.
        """


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

    def __init__(self, statics: Setting, environment: Interface, critic: Critic) -> None:
        spec = policy_spec(statics, environment)
        self.policy = POLICIES[spec.policy_type](spec)
        self.target_entropy = -float(environment.action_dim)
        self._critic = critic
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
            return self._critic.smallest(targets, observation, action)
        action, log_density, _ = self.policy.sample(outputs, noise)
        value = self._critic.smallest(targets, observation, action)
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
        value = self._critic.smallest(critics, states, sample.action)
        return alpha * sample.log_density - value


ENTROPY_FRACTION = 0.98


class ExactObjectives:
    """The objectives of Christodoulou (2019), "Soft Actor-Critic for Discrete Action Settings".

        v̄(s') = Σ_a' π(a'|s') (min_i Q̄_i(s', a') - α log π(a'|s'))                  (eq. 10)
        J_π = E_s[Σ_a π(a|s) (α log π(a|s) - min_i Q_i(s, a))]                      (eq. 12)
        H̄ = 0.98 log |A|

    v̄ has no α log π if Q is not soft.
    """

    def __init__(self, statics: Setting, environment: Interface, critic: Critic) -> None:
        self.policy = Softmax(policy_spec(statics, environment))
        self.target_entropy = ENTROPY_FRACTION * math.log(environment.num_actions)
        self._critic = critic
        self._soft: bool = statics["soft_q"]

    def next_value(
        self, outputs: Tensor, observation: Tensor, normal: Tensor, alpha: Tensor, targets: Tensor
    ) -> Tensor:
        values = self._critic.smallest_of_all(targets, observation)
        if self._soft:
            values = values - alpha.unsqueeze(2) * self.policy.log_probabilities(outputs)
        return (self.policy.probabilities(outputs) * values).sum(-1)

    def actor_loss(
        self, outputs: Tensor, observation: Tensor, normal: Tensor, alpha: Tensor, critics: Tensor
    ) -> tuple[Tensor, Tensor]:
        values = self._critic.smallest_of_all(critics, observation)
        log_density = self.policy.log_probabilities(outputs)
        cost = self.policy.probabilities(outputs) * (alpha.unsqueeze(2) * log_density - values)
        return cost.sum(-1).mean(1), -self.policy.entropy(outputs).mean(1)
