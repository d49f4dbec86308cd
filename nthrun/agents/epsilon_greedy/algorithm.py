"""ε-greedy control by action values.

    value    y = r + γ (1 - d) Q̄(s', a*(s')),    J_Q = E[(Q(s, a) - y)²]
    act      a uniform action with probability ε, else the best one;  ε ← max(κ ε, ε_min)

`policy_type` says how the best action is found:

    Argmax               over discrete actions, a*(s') = argmax_a Q̄(s', a)
                         (Mnih et al., 2015, "Human-level control through deep reinforcement
                         learning", with a target that follows slowly)
    DeterministicAction  by a network, a* = tanh μ_φ(s), which ascends E[Q(s, tanh μ_φ(s))];
                         a*(s') is that of a target network (Lillicrap et al., 2016, "Continuous
                         control with deep reinforcement learning")
    GradientAscent,      by a search over a for every state (`maximisers`), on Q to act and on Q̄
    CrossEntropySearch   for a*(s')
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.adam import AdamClock, adam_step, adam_tick
from nthrun.agents.base import Experience, Noise, State, gradient, lane_column
from nthrun.agents.epsilon_greedy.maximisers import (
    MAXIMISERS,
    DeterministicAction,
    GradientAscent,
)
from nthrun.agents.off_policy.agent import OffPolicyAgent
from nthrun.agents.policies.special import uniform_of
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface


class EpsilonGreedy(OffPolicyAgent):
    """An ε-greedy agent, over discrete or continuous actions."""

    columns: tuple[str, ...] = ("tau", "critic_lr", "epsilon", "epsilon_decay", "epsilon_min")

    def __init__(self, statics: Setting, environment: Interface) -> None:
        super().__init__(statics, environment)
        size = environment.action_dim
        self.num_agent_draws = 1 + size
        self.maximiser = MAXIMISERS[statics["policy_type"]](statics, self.critic, size)
        if isinstance(self.maximiser, DeterministicAction):
            self.networks["actor"] = self.maximiser.network
            self.targets["target_actor"] = "actor"
        if isinstance(self.maximiser, GradientAscent):
            self.columns = (*self.columns, "search_lr")

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        """See `Agent`."""
        state = super().initial_state(settings, gamma, generators)
        for name, points in self.maximiser.constants.items():
            state[name] = torch.from_numpy(points).expand(len(settings), -1, -1).clone()
        if "actor" in self.networks:
            rates = [s["actor_lr_scale"] * s["critic_lr"] for s in settings]
            state["actor_lr"] = lane_column(rates)
        return state

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        """See `Agent`."""
        coin, uniform = noise.agent[:, None].tensor_split((1,), -1)
        uniform = self.actions.uniform(uniform)
        best = self.maximiser.best(state, "", observation)
        action = torch.where(uniform_of(coin) < state["epsilon"].unsqueeze(2), uniform, best)
        return self.actions.to_environment(self.explored(action, uniform, step))

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """See `Agent`."""
        return self.actions.to_environment(self.maximiser.best(state, "", observation))

    def observe(self, state: State, experience: Experience, step: Tensor) -> None:
        """See `Agent`; ε decays at every step."""
        super().observe(state, experience, step)
        decayed = state["epsilon"] * state["epsilon_decay"]
        state["epsilon"].copy_(torch.maximum(decayed, state["epsilon_min"]))

    def learned_params(self, state: State) -> dict[str, Tensor]:
        """See `Agent`; ε is among them."""
        return super().learned_params(state) | {"epsilon": state["epsilon"]}

    def update(
        self, state: State, experience: Experience, ended: Tensor, noise: Noise, step: Tensor
    ) -> dict[str, Tensor]:
        """See `Agent`."""
        batch = self.recalled(state, noise)
        clock = adam_tick(state)
        best = self.maximiser.best(state, "target_", batch.next_observation)
        next_value = self.critic.value(state["target_critic"], batch.next_observation, best)
        metrics = {"critic_loss": self.update_critic(state, batch, next_value, clock)}
        if isinstance(self.maximiser, DeterministicAction):
            metrics["actor_loss"] = self._update_actor(
                state, batch.observation, self.maximiser, clock
            )
        self.update_targets(state, step)
        return metrics

    def _update_actor(
        self, state: State, observation: Tensor, actor: DeterministicAction, clock: AdamClock
    ) -> Tensor:
        """One step of the actor on -E[Q(s, tanh μ_φ(s))], which is returned, `(lanes,)`."""

        def loss(parameters: Tensor) -> tuple[Tensor, Tensor]:
            action = actor.action(parameters, observation)
            value = self.critic.value(state["critic"], observation, action)
            return -value.mean(1), value

        actor_loss, _, slope = gradient(loss, state["actor"])
        adam_step(state, "actor", slope, state["actor_lr"], clock)
        return actor_loss
