"""Greedification by KL divergences to the Boltzmann policy (Chan, Silva, Lim, Kozuno, Mahmood and
White, 2022, "Greedification Operators for Policy Optimization: Investigating Forward and Reverse
KL Divergences").

    Boltzmann   B(a|s) ∝ exp(Q(s, a)/α)
    critic      y = r + γ (1 - d) (Q̄(s', a') - α log π(a'|s')),  a' ~ π(·|s')
                J_Q = E[(Q(s, a) - y)²];  without the entropy if values are hard
    forward     KL(B ‖ π):    descend  E_{a ~ B}[-log π(a|s)]
    reverse     α KL(π ‖ B):  descend  E_{a ~ π}[α log π(a|s) - Q(s, a)]

For discrete actions all expectations over a and a' are exact. For continuous ones the expectation
over B is estimated with actions of π by weighted importance sampling,

    Σ_i w_i f(a_i),  w_i ∝ exp(Q(s, a_i)/α) / π(a_i|s),  Σ_i w_i = 1,  a_i ~ π(·|s)

and the reverse divergence by a likelihood ratio (`likelihood_ratio`). A squashed Gaussian is a
density on the bounded actions themselves, as B is. A clamped one is not: its density is that of the
normal variate at the clamped action, so that its weights are not exact near the bounds.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.agents.base import AdamClock, Experience, State, adam_tick
from nthrun.agents.fkl.declaration import fkl_parts
from nthrun.agents.likelihood_ratio import SamplingAgent


class KLGreedification(SamplingAgent):
    """FKL, over continuous or discrete actions."""

    parts_of = staticmethod(fkl_parts)

    def learn(
        self, state: State, batch: Experience, normal: Tensor, count: Tensor
    ) -> dict[str, Tensor]:
        normal = normal if self.discrete else self.draws(normal, 1 + self.num_samples)
        clock = adam_tick(state)
        next_value = self._next_value(state, batch.next_observation, normal)
        critic_loss = self.update_critic(state, batch, next_value, clock)
        self.update_targets(state, count)
        if self.statics["kl"] == "reverse":
            actor_metrics = self.ascend(state, batch.observation, normal[:, 1:], clock)
        elif self.discrete:
            actor_metrics = self._cover_exactly(state, batch.observation, clock)
        else:
            actor_metrics = self._cover(state, batch.observation, normal[:, 1:], clock)
        return {"critic_loss": critic_loss, **actor_metrics}

    def _next_value(self, state: State, observation: Tensor, normal: Tensor) -> Tensor:
        """v̄(s'), `(lanes, batch)`.

        Args:
            normal: of an update's actions, the first of which are a', `(lanes, 1 + num_samples,
                batch, num_draws)`; for discrete actions none are needed.
        """
        outputs = self.actor(state["actor"], observation)
        soft = state["alpha"] if self.statics["soft_q"] else 0.0
        if self.discrete:
            values = self.critic.values(state["target_critic"], observation)
            expected = (self.softmax.probabilities(outputs) * values).sum(-1)
            return expected + soft * self.softmax.entropy(outputs)
        action, log_density, _ = self.policy.sample(outputs, normal[:, 0])
        return self.critic.value(state["target_critic"], observation, action) - soft * log_density

    def _cover(
        self, state: State, observation: Tensor, normal: Tensor, clock: AdamClock
    ) -> dict[str, Tensor]:
        """One step on the forward divergence by weighted importance sampling."""
        judged = self.judged(state, observation, normal)
        ratio = judged.value / state["alpha"].unsqueeze(2) - judged.log_density
        weight = self.num_samples * torch.softmax(ratio, 1)
        actor_loss = self.raise_likelihood(state, observation, judged.raw, weight, clock)
        return {"actor_loss": actor_loss, "entropy": -judged.log_density.mean((1, 2))}

    def _cover_exactly(
        self, state: State, observation: Tensor, clock: AdamClock
    ) -> dict[str, Tensor]:
        """One step on the forward divergence over all discrete actions."""
        values = self.critic.values(state["critic"], observation)
        boltzmann = torch.softmax(values / state["alpha"].unsqueeze(2), -1)

        def loss(actor: Tensor) -> tuple[Tensor, Tensor]:
            outputs = self.actor(actor, observation)
            log_probability = self.softmax.log_probabilities(outputs)
            return -(boltzmann * log_probability).sum(-1).mean(1), self.softmax.entropy(outputs)

        actor_loss, entropy = self.descend(state, loss, clock)
        return {"actor_loss": actor_loss, "entropy": entropy.mean(1)}
