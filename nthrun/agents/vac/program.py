"""Vanilla actor-critic (Sutton, 1984), as in the comparisons of Neumann, Lim, Joseph, Pan, White
and White, 2023, "Greedy Actor-Critic".

    critic   y = r + γ (1 - d) Q̄(s', a'),  a' ~ π(·|s'),    J_Q = E[(Q(s, a) - y)²]
    actor    ascend  J = E_s E_{a ~ π}[Q(s, a) - α log π(a|s)]

The critic's values are hard: only the actor's objective has an entropy. The gradient of J is
exact for discrete actions and a likelihood ratio for continuous ones (`likelihood_ratio`), whose
baseline holds the entropy term, as what it is subtracted from does. Of the `num_samples` actions of
a state the authors' program scores one, with the others as its baseline; here each is scored so.
A single action has no baseline, without which a clamped Gaussian's σ may run away.
"""

from __future__ import annotations

from torch import Tensor

from nthrun.agents.base import Experience, State, adam_tick
from nthrun.agents.likelihood_ratio import SamplingAgent


class VanillaActorCritic(SamplingAgent):
    """VAC, over continuous or discrete actions."""

    def learn(
        self, state: State, batch: Experience, normal: Tensor, count: Tensor
    ) -> dict[str, Tensor]:
        normal = self.draws(normal, 1 + self.num_samples)
        clock = adam_tick(state)
        next_action = self.sampled(state["actor"], batch.next_observation, normal[:, 0])
        next_value = self.critic.value(state["target_critic"], batch.next_observation, next_action)
        critic_loss = self.update_critic(state, batch, next_value, clock)
        self.update_targets(state, count)
        actor_metrics = self.ascend(state, batch.observation, normal[:, 1:], clock)
        return {"critic_loss": critic_loss, **actor_metrics}
