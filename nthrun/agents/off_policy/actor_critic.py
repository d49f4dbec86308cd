"""Agents with an actor beside the critic: a policy whose parameters a network puts out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from nthrun.agents.base import Noise, State, lane_column
from nthrun.agents.networks import MLP
from nthrun.agents.off_policy.agent import OffPolicyAgent
from nthrun.agents.off_policy.shapes import policy_spec
from nthrun.agents.policies.base import Policy
from nthrun.agents.policies.catalogue import POLICIES
from nthrun.agents.policies.softmax import Softmax
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface


class ActorCriticAgent(OffPolicyAgent):
    """Acts by a policy over continuous actions, `policy`, or over discrete ones, `softmax`.

    Attributes:
        actor: state -> parameters of the policy.
        discrete: whether actions are discrete; the policy that there is not must not be used.
        num_draws: standard normal numbers that a sampled action takes.
    """

    policy: Policy
    softmax: Softmax

    def __init__(self, statics: Setting, environment: Interface) -> None:
        super().__init__(statics, environment)
        spec = policy_spec(statics, environment)
        self.discrete, self.num_draws = environment.discrete, spec.num_draws
        if self.discrete:
            self.softmax = Softmax(spec)
        else:
            self.policy = POLICIES[spec.policy_type](spec)
        hidden, activation = (statics["hidden_dim"],) * 2, statics["activation"]
        self.actor = MLP(environment.observation_dim, hidden, spec.num_outputs, activation)
        self.networks["actor"] = self.actor

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        """See `Agent`."""
        state = super().initial_state(settings, gamma, generators)
        rates = [s["actor_lr_scale"] * s["critic_lr"] for s in settings]
        return state | {"actor_lr": lane_column(rates)}

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        """See `Agent`; uses the first `num_draws` numbers."""
        normal = noise.agent[:, None, : self.num_draws]
        action = self.sampled(state["actor"], observation, normal)
        uniform = self.actions.uniform(normal[..., : self.actions.size])
        return self.actions.to_environment(self.explored(action, uniform, step))

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """See `Agent`."""
        policy = self.softmax if self.discrete else self.policy
        action = policy.mode(self.actor(state["actor"], observation))
        return self.actions.to_environment(action)

    def sampled(self, actor: Tensor, observation: Tensor, normal: Tensor) -> Tensor:
        """Actions of the policy, `(lanes, batch, size)`.

        Args:
            actor: its parameters, `(lanes, P)`.
            observation: `(lanes, batch, observation_dim)`.
            normal: `(lanes, batch, num_draws)`.
        """
        policy = self.softmax if self.discrete else self.policy
        return policy.sample_action(self.actor(actor, observation), normal)

    def draws(self, normal: Tensor, count: int) -> Tensor:
        """Numbers for `count` actions of every state, `(lanes, count, batch, num_draws)`."""
        split: Tensor = normal.unflatten(1, (count, self.batch_size, self.num_draws))
        return split
