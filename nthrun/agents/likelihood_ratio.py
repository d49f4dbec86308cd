"""Actor-critics whose actor's update samples actions of its own policy, or takes all of them.

The reverse KL divergence to the Boltzmann policy, times the temperature α, is the negative soft
policy objective (Chan et al., 2022, section 3):

    J(s) = E_{a ~ π}[Q(s, a) - α log π(a|s)]

    discrete     J(s) = Σ_a π(a|s) (Q(s, a) - α log π(a|s)),  whose gradient is exact
    continuous   ∇J(s) = E[∇log π(a|s) (g(a) - b)],  g(a) = Q(s, a) - α log π(a|s)

estimated by n actions, each with the mean of the others' g as its baseline b, which leaves the
estimate unbiased. A clamped Gaussian's density is that of the normal variate at the clamped action,
for which the estimate is not exact, and needs the baseline (`policies.gaussian`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from nthrun.agents.base import AdamClock, State, adam_step, gradient
from nthrun.agents.layouts import likelihood_ratio_parts
from nthrun.agents.off_policy import ActorCriticAgent
from nthrun.agents.policies.base import repeated
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface


class Judged(NamedTuple):
    """Sampled actions of every state and what they are worth.

    Attributes:
        raw: `(lanes, num_samples * batch, action_dim)`.
        log_density: log π(a|s), `(lanes, num_samples, batch)`.
        value: Q(s, a), `(lanes, num_samples, batch)`.
    """

    raw: Tensor
    log_density: Tensor
    value: Tensor


class SamplingAgent(ActorCriticAgent):
    """An actor-critic whose actor's update needs `num_samples` continuous actions a state."""

    parts_of = staticmethod(likelihood_ratio_parts)

    def __init__(self, statics: Setting, environment: Interface) -> None:
        super().__init__(statics, environment)
        self.num_samples = 0 if self.discrete else statics["num_samples"]

    def judged(self, state: State, observation: Tensor, normal: Tensor) -> Judged:
        """Actions of the actor, with the critic's values.

        Args:
            normal: `(lanes, num_samples, batch, num_draws)`.
        """
        outputs = repeated(self.actor(state["actor"], observation), self.num_samples)
        action, log_density, raw = self.policy.sample(outputs, normal.flatten(1, 2))
        action, log_density = (p.unflatten(1, normal.shape[1:3]) for p in (action, log_density))
        return Judged(raw, log_density, self.critic.values_of(state["critic"], observation, action))

    def ascend(
        self, state: State, observation: Tensor, normal: Tensor, clock: AdamClock
    ) -> dict[str, Tensor]:
        """One step of the actor on J; returns -J and the policy's entropy.

        Args:
            normal: as `judged` takes it.
        """
        if self.discrete:
            return self._ascend_exactly(state, observation, clock)
        judged = self.judged(state, observation, normal)
        soft = judged.value - state["alpha"].unsqueeze(2) * judged.log_density
        self.raise_likelihood(state, observation, judged.raw, _advantage(soft), clock)
        return {"actor_loss": -soft.mean((1, 2)), "entropy": -judged.log_density.mean((1, 2))}

    def raise_likelihood(
        self, state: State, observation: Tensor, raw: Tensor, weight: Tensor, clock: AdamClock
    ) -> Tensor:
        """One step of the actor on -E_s[mean_i w_i log π(a_i|s)], which is returned, `(lanes,)`.

        Args:
            raw: values of the actions, `(lanes, num_samples * batch, action_dim)`.
            weight: `(lanes, num_samples, batch)`.
        """

        def loss(actor: Tensor) -> tuple[Tensor, Tensor]:
            outputs = repeated(self.actor(actor, observation), self.num_samples)
            log_density = self.policy.log_density(outputs, raw)
            return -(weight.flatten(1) * log_density).mean(1), log_density

        return self.descend(state, loss, clock)[0]

    def descend(
        self, state: State, loss: Callable[[Tensor], tuple[Tensor, Tensor]], clock: AdamClock
    ) -> tuple[Tensor, Tensor]:
        """One step of the actor on a loss; returns what `loss` does."""
        value, other, slope = gradient(loss, state["actor"])
        adam_step(state, "actor", slope, state["actor_lr"], clock)
        return value, other

    def _ascend_exactly(
        self, state: State, observation: Tensor, clock: AdamClock
    ) -> dict[str, Tensor]:
        values = self.critic.values(state["critic"], observation)
        alpha = state["alpha"].unsqueeze(2)

        def loss(actor: Tensor) -> tuple[Tensor, Tensor]:
            outputs = self.actor(actor, observation)
            log_probability = self.softmax.log_probabilities(outputs)
            soft = self.softmax.probabilities(outputs) * (values - alpha * log_probability)
            return -soft.sum(-1).mean(1), self.softmax.entropy(outputs)

        actor_loss, entropy = self.descend(state, loss, clock)
        return {"actor_loss": actor_loss, "entropy": entropy.mean(1)}


def _advantage(soft: Tensor) -> Tensor:
    """g_i - mean_{j ≠ i} g_j of every state's samples, `(lanes, num_samples, batch)`, g of one."""
    count = soft.shape[1]
    if count == 1:
        return soft
    return (soft - soft.mean(1, keepdim=True)) * (count / (count - 1))
