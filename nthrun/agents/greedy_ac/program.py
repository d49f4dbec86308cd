"""Greedy actor-critic (Neumann, Lim, Joseph, Pan, White and White, 2023, "Greedy Actor-Critic: A
New Conditional Cross-Entropy Method for Policy Improvement", algorithm 1).

    critic     y = r + γ (1 - d) Q̄(s', a'),  a' ~ π(·|s'),    J_Q = E[(Q(s, a) - y)²]
    search     a_1, ..., a_n ~ π̃(·|s);  I*(s) = the ⌈ρn⌉ of them with the largest Q(s, a_i)
    actor      ascend  E[mean_{a ∈ I*(s)} log π(a|s)]
    proposal   ascend  E[mean_{a ∈ I*(s)} log π̃(a|s) + α H(π̃(·|s))]

With two critics, which the authors have too, each is trained so, and Q and Q̄ are the smaller of
both; where values are soft, v̄ is less α log π(a'|s').

The proposal π̃ starts equal to the actor π and has its step size. Its entropy's gradient is that of
-log π̃ at the n reparameterised actions; a Gaussian, whose actions are clamped, has the entropy of
the clamped action, which is bounded (`policies.gaussian`), and the clamped actions are those whose
likelihood rises. Without the entropy the proposal would stay equal to the actor: the actor itself
then proposes.

Discrete actions need no search by samples: as in the authors' program every action is a candidate,
and there is no proposal; n and α have no part. I*(s) has the ⌈ρ num_actions⌉ best actions, the
greedy one alone if ρ = 0.1 and there are ten or fewer. The authors' program always takes the
greedy action alone there, and for continuous actions ⌊ρn⌋, which differs where ρn is not whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from nthrun.agents.base import AdamClock, Experience, State, adam_step, adam_tick, gradient
from nthrun.agents.greedy_ac.declaration import greedy_ac_parts, no_ent_reg_parts, num_best
from nthrun.agents.off_policy import ActorCriticAgent, largest
from nthrun.agents.policies.base import repeated
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface


class GreedyActorCritic(ActorCriticAgent):
    """GreedyAC, over continuous or discrete actions."""

    parts_of = staticmethod(greedy_ac_parts)
    regularised = True
    """Whether there is a proposal, whose entropy counts."""

    def __init__(self, statics: Setting, environment: Interface) -> None:
        super().__init__(statics, environment)
        count, rho = statics["n_rho"]
        self.num_proposed = 0 if self.discrete else count
        self.num_best = num_best(environment.num_actions or count, rho)

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        state = super().initial_state(settings, gamma, generators)
        if "proposal" in state:
            state["proposal"].copy_(state["actor"])
        return state

    def learn(
        self, state: State, batch: Experience, normal: Tensor, count: Tensor
    ) -> dict[str, Tensor]:
        normal = self.draws(normal, 1 + self.num_proposed)
        clock = adam_tick(state)
        next_value = self._next_value(state, batch.next_observation, normal[:, 0])
        critic_loss = self.update_critic(state, batch, next_value, clock)
        self.update_targets(state, count)
        if self.discrete:
            actor_metrics = self._follow_best(state, batch.observation, clock)
        else:
            actor_metrics = self._follow_proposed(state, batch.observation, normal[:, 1:], clock)
        return {"critic_loss": critic_loss, **actor_metrics}

    def _next_value(self, state: State, observation: Tensor, normal: Tensor) -> Tensor:
        """v̄(s'), `(lanes, batch)`.

        Args:
            normal: of a', `(lanes, batch, num_draws)`.
        """
        outputs = self.actor(state["actor"], observation)
        policy = self.softmax if self.discrete else self.policy
        action = policy.sample_action(outputs, normal)
        judge = self.critic.smallest if self.parts.num_critics else self.critic.value
        value = judge(state["target_critic"], observation, action)
        if not self.statics.get("soft_q"):
            return value
        if self.discrete:
            chances = self.softmax.log_probabilities(outputs)
            log_density = chances.gather(-1, action.long()).squeeze(-1)
        else:
            log_density = self.policy.sample(outputs, normal)[1]
        return value - state["alpha"] * log_density

    def _follow_best(
        self, state: State, observation: Tensor, clock: AdamClock
    ) -> dict[str, Tensor]:
        """One step of the actor towards the best discrete actions."""
        judge = self.critic.smallest_of_all if self.parts.num_critics else self.critic.values
        values = judge(state["critic"], observation)
        best = largest(values, self.num_best, -1)

        def loss(actor: Tensor) -> tuple[Tensor, Tensor]:
            log_probability = self.softmax.log_probabilities(self.actor(actor, observation))
            return -log_probability.gather(-1, best).mean((1, 2)), log_probability

        actor_loss, _, slope = gradient(loss, state["actor"])
        adam_step(state, "actor", slope, state["actor_lr"], clock)
        return {"actor_loss": actor_loss}

    def _follow_proposed(
        self, state: State, observation: Tensor, normal: Tensor, clock: AdamClock
    ) -> dict[str, Tensor]:
        """One step of the actor, and of the proposal if there is one, towards the best actions."""
        best = self._best_proposed(state, observation, normal)

        def loss(actor: Tensor) -> tuple[Tensor, Tensor]:
            likelihood = self._likelihood(self.actor(actor, observation), best)
            return -likelihood, likelihood

        actor_loss, _, slope = gradient(loss, state["actor"])
        # each step at once: both fused into one loop are slow when compiled
        adam_step(state, "actor", slope, state["actor_lr"], clock)
        metrics = {"actor_loss": actor_loss}
        if self.regularised:
            metrics |= self._update_proposal(state, observation, normal, best, clock)
        return metrics

    def _update_proposal(
        self, state: State, observation: Tensor, normal: Tensor, best: Tensor, clock: AdamClock
    ) -> dict[str, Tensor]:
        """One step of the proposal towards the best of its actions, and towards entropy."""
        alpha = state["alpha"].squeeze(1)

        def loss(proposal: Tensor) -> tuple[Tensor, Tensor]:
            outputs = self.actor(proposal, observation)
            entropy = self.policy.entropy(outputs, normal.flatten(1, 2)).mean(1)
            return -self._likelihood(outputs, best) - alpha * entropy, entropy

        proposal_loss, entropy, slope = gradient(loss, state["proposal"])
        adam_step(state, "proposal", slope, state["actor_lr"], clock)
        return {"proposal_loss": proposal_loss, "proposal_entropy": entropy}

    def _best_proposed(self, state: State, observation: Tensor, normal: Tensor) -> Tensor:
        """Raw values of I*(s), `(lanes, num_best, batch, action_dim)`.

        Args:
            normal: of the proposed actions, `(lanes, n, batch, num_draws)`.
        """
        proposal = state["proposal" if self.regularised else "actor"]
        outputs = repeated(self.actor(proposal, observation), self.num_proposed)
        action, _, raw = self.policy.sample(outputs, normal.flatten(1, 2))
        action, raw = (tensor.unflatten(1, normal.shape[1:3]) for tensor in (action, raw))
        values = self.critic.values_of(state["critic"], observation, action)
        best = largest(values, self.num_best, 1)
        chosen: Tensor = raw.gather(1, best.unsqueeze(-1).expand(-1, -1, -1, raw.shape[-1]))
        return chosen

    def _likelihood(self, outputs: Tensor, raw: Tensor) -> Tensor:
        """Mean of log π(a|s) over states and actions, `(lanes,)`.

        Args:
            outputs: of the actor or the proposal, `(lanes, batch, num_outputs)`.
            raw: values of actions, `(lanes, count, batch, action_dim)`.
        """
        copies = repeated(outputs, raw.shape[1])
        return self.policy.log_density(copies, raw.flatten(1, 2)).mean(1)


class GreedyActorCriticNoEntReg(GreedyActorCritic):
    """GreedyAC without entropy, in which the actor is its own proposal."""

    parts_of = staticmethod(no_ent_reg_parts)
    regularised = False
