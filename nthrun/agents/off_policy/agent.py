"""Agents that learn one critic from replay, with targets that follow networks slowly.

    critic   y = r + γ (1 - d) v̄(s'),    J_Q(θ) = E[(Q(s, a) - y)²]
    target   θ̄ ← θ̄ + τ (θ - θ̄)

What the next state's value v̄ is, and what else is learned, is each agent's own. d is 1 for a
terminal state and 0 for a truncated episode.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.adam import AdamClock, adam_state, adam_step
from nthrun.agents.base import Experience, Noise, State, gradient, lane_column
from nthrun.agents.networks import MLP
from nthrun.agents.off_policy.actions import Actions
from nthrun.agents.off_policy.critic import Critic
from nthrun.agents.replay import recall, row_widths, store
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface


class OffPolicyAgent:
    """Replay, a critic, and whatever networks an agent adds.

    Attributes:
        columns: hyperparameters that are numbers of a lane, held in its state by name.
        networks: name -> network, all learned by Adam; the state has their parameters by name.
        targets: name of a target -> name of the network it follows.
    """

    columns: tuple[str, ...] = ("tau", "critic_lr")
    num_agent_draws: int

    def __init__(self, statics: Setting, environment: Interface) -> None:
        self.statics = statics
        self.batch_size: int = statics["batch_size"]
        self.replay_capacity: int = statics["replay_capacity"]
        self.num_replay_draws = self.batch_size
        self.widths = row_widths(environment)
        self.actions = Actions(environment)
        self.critic = Critic(statics, environment)
        self.networks: dict[str, MLP] = {"critic": self.critic.network}
        self.targets = {"target_critic": "critic"}

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        """See `Agent`."""
        lanes = len(settings)
        rows: dict[str, list[np.ndarray]] = {name: [] for name in self.networks}
        for generator in generators:
            for name, network in self.networks.items():
                rows[name].append(network.initial(generator, self.statics["weight_init"]))
        learned = {name: torch.from_numpy(np.stack(row)) for name, row in rows.items()}
        return {
            **learned,
            **adam_state(settings, learned),
            **{target: learned[name].clone() for target, name in self.targets.items()},
            **{name: lane_column([s[name] for s in settings]) for name in self.columns},
            "replay": torch.zeros(lanes, self.replay_capacity, sum(self.widths)),
            "gamma": lane_column([gamma] * lanes),
        }

    def observe(self, state: State, experience: Experience, step: Tensor) -> None:
        """See `Agent`."""
        store(state["replay"], experience, step)

    def learns_at(self, step: int) -> bool:
        """See `Agent`."""
        first: int = self.statics["steps_before_learning"]
        return step >= first

    def learned_params(self, state: State) -> dict[str, Tensor]:
        """See `Agent`."""
        named: dict[str, Tensor] = {}
        for name in (*self.networks, *self.targets):
            network = self.networks[self.targets.get(name, name)]
            named |= network.named(state[name], f"{name}.")
        return named

    def explored(self, action: Tensor, uniform: Tensor, step: Tensor) -> Tensor:
        """The action, or a uniform one in the first steps."""
        exploration: int = self.statics["uniform_exploration_steps"]
        return torch.where(step < exploration, uniform, action) if exploration else action

    def recalled(self, state: State, noise: Noise) -> Experience:
        """The batch of an update, its actions in [-1, 1]."""
        batch = recall(state["replay"], self.widths, noise.replay)
        return batch._replace(action=self.actions.to_unit(batch.action))

    def update_critic(
        self, state: State, batch: Experience, next_value: Tensor, clock: AdamClock
    ) -> Tensor:
        """One step on J_Q; returns it, `(lanes,)`.

        Args:
            next_value: v̄(s'), `(lanes, batch)`.
        """
        gamma = state["gamma"]
        discount = gamma - gamma * batch.terminated.squeeze(-1)
        target = batch.reward.squeeze(-1) + discount * next_value

        def loss(critic: Tensor) -> tuple[Tensor, Tensor]:
            error = self.critic.value(critic, batch.observation, batch.action) - target
            return (error * error).mean(1), error

        critic_loss, _, slope = gradient(loss, state["critic"])
        adam_step(state, "critic", slope, state["critic_lr"], clock)
        return critic_loss

    def update_targets(self, state: State, step: Tensor) -> None:
        """Move every target towards its network, at every `target_update_interval`-th step."""
        weight = state["tau"]
        if (interval := self.statics["target_update_interval"]) != 1:
            weight = weight * (step % interval == 0)
        for target, name in self.targets.items():
            state[target].lerp_(state[name], weight)
