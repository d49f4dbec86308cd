"""Agents that learn critics from replay, with targets that follow networks slowly.

    critic   y = r + γ (1 - d) v̄(s'),    J_Q(θ) = E[(Q(s, a) - y)²]
    target   θ̄ ← θ̄ + τ (θ - θ̄)

What the next state's value v̄ is, and what else is learned, is each agent's own. d is 1 for a
terminal state and 0 for a truncated episode. Actor-critics have an actor beside the critic: a
network that puts out the parameters of a policy. Networks see actions in [-1, 1], or the number of
a discrete one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import (
    AdamClock,
    Experience,
    Noise,
    State,
    adam_state,
    adam_step,
    gradient,
    lane_column,
    recall,
    store,
)
from nthrun.agents.convolutions import network_of
from nthrun.agents.layouts import OffPolicyParts
from nthrun.agents.networks import ActionScale, Network, NetworkStack
from nthrun.agents.policies.base import Policy, uniform_of
from nthrun.agents.policies.beta import Beta
from nthrun.agents.policies.gaussian import Gaussian, SquashedGaussian, SquashedGaussianMixture
from nthrun.agents.policies.softmax import Softmax
from nthrun.agents.sizes import policy_spec, row_widths
from nthrun.specs.declaration import Setting, num_worlds
from nthrun.specs.interface import Interface


class OffPolicyAgent(ABC):
    """Replay, a critic, and whatever networks an agent adds.

    After every step of its worlds it takes `updates_per_step` updates, each on a batch of its own.

    Attributes:
        parts: what it is made of, as its declaration says.
        networks: name -> network, all learned by Adam; the state has their parameters by name.
    """

    parts_of: Callable[[Setting, Interface], OffPolicyParts]

    def __init__(self, statics: Setting, environment: Interface) -> None:
        self.statics = statics
        self.parts = type(self).parts_of(statics, environment)
        self.batch_size: int = statics["batch_size"]
        self.replay_capacity: int = statics["replay_capacity"]
        self.max_updates: int = statics["updates_per_step"]
        self.num_worlds = num_worlds(statics)
        self.num_agent_draws, self.num_update_draws = self.parts.draws(
            self.max_updates, self.num_worlds
        )
        self.num_replay_draws = self.batch_size
        self.widths = row_widths(environment)
        self.actions = Actions(environment)
        self.networks: dict[str, Network] = {}
        for name, shape in self.parts.networks.items():
            network = network_of(shape, statics["activation"])
            stacked = name == "critic" and self.parts.num_critics
            self.networks[name] = (
                NetworkStack(network, self.parts.num_critics) if stacked else network
            )
        self.critic = Critic(self.networks["critic"], environment)

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        lanes = len(settings)
        rows: dict[str, list[np.ndarray]] = {name: [] for name in self.networks}
        for generator in generators:
            for name, network in self.networks.items():
                rows[name].append(network.initial(generator, self.statics["weight_init"]))
        learned = {name: torch.from_numpy(np.stack(row)) for name, row in rows.items()}
        columns = {name: [s[name] for s in settings] for name in self.parts.columns}
        columns["gamma"] = [gamma] * lanes
        if "actor" in self.networks:
            columns["actor_lr"] = [s["actor_lr_scale"] * s["critic_lr"] for s in settings]
        return {
            **learned,
            **adam_state(settings, learned),
            **{target: learned[name].clone() for target, name in self.parts.targets.items()},
            **{name: lane_column(values) for name, values in columns.items()},
            "replay": torch.zeros(lanes, self.replay_capacity, sum(self.widths)),
        }

    def observe(self, state: State, experience: Experience, step: Tensor) -> None:
        store(state["replay"], experience, step)

    def num_updates_after(self, step: int) -> int:
        begins = step * self.num_worlds >= self.statics["steps_before_learning"]
        return self.max_updates if begins else 0

    def update(
        self,
        state: State,
        experience: Experience,
        ended: Tensor,
        noise: Noise,
        step: Tensor,
        number: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """See `RepeatingAgent`; learns from a batch of the replay."""
        batch = self.recalled(state, noise)
        acting = self.num_worlds * self.parts.num_acting_draws
        normal = noise.agent[:, acting:] if number is None else noise.agent
        count = step if number is None else step * self.max_updates + number
        return self.learn(state, batch, normal, count)

    @abstractmethod
    def learn(
        self, state: State, batch: Experience, normal: Tensor, count: Tensor
    ) -> dict[str, Tensor]:
        """One update.

        Args:
            batch: steps of the replay, actions in [-1, 1].
            normal: standard normal numbers, `(lanes, parts.num_update_draws)`.
            count: how many updates may have come before, those before learning began included.

        Returns:
            metrics `(lanes,)` each.
        """

    def learned_params(self, state: State) -> dict[str, Tensor]:
        named: dict[str, Tensor] = {}
        for name in (*self.networks, *self.parts.targets):
            network = self.networks[self.parts.targets.get(name, name)]
            named |= network.named(state[name], f"{name}.")
        return named | {name: state[name] for name in self.parts.shown}

    def acting_numbers(self, noise: Noise) -> Tensor:
        """The numbers of each world's action, `(lanes, worlds, parts.num_acting_draws)`."""
        sizes = self.num_worlds, self.parts.num_acting_draws
        numbers: Tensor = noise.agent[:, : math.prod(sizes)].unflatten(1, sizes)
        return numbers

    def explored(self, action: Tensor, uniform: Tensor, step: Tensor) -> Tensor:
        """The action, or a uniform one in the first steps."""
        exploration: int = self.statics["uniform_exploration_steps"]
        if not exploration:
            return action
        return torch.where(step * self.num_worlds < exploration, uniform, action)

    def recalled(self, state: State, noise: Noise) -> Experience:
        """The batch of an update, its actions in [-1, 1]."""
        batch = recall(state["replay"], self.widths, noise.replay)
        return batch._replace(action=self.actions.to_unit(batch.action))

    def update_critic(
        self, state: State, batch: Experience, next_value: Tensor, clock: AdamClock
    ) -> Tensor:
        """One step on J_Q, of several critics the sum; returns it, `(lanes,)`.

        Args:
            next_value: v̄(s'), `(lanes, batch)`.
        """
        gamma = state["gamma"]
        discount = gamma - gamma * batch.terminated.squeeze(-1)
        target = batch.reward.squeeze(-1) + discount * next_value
        several = self.parts.num_critics > 0
        target = target.unsqueeze(1) if several else target

        def loss(critic: Tensor) -> tuple[Tensor, Tensor]:
            error = self.critic.value(critic, batch.observation, batch.action) - target
            squared = error * error
            return squared.mean(-1).sum(1) if several else squared.mean(1), error

        critic_loss, _, slope = gradient(loss, state["critic"])
        adam_step(state, "critic", slope, state["critic_lr"], clock)
        return critic_loss

    def update_targets(self, state: State, count: Tensor) -> None:
        """Move every target towards its network, at every `target_update_interval`-th update."""
        weight = state["tau"]
        if (interval := self.statics["target_update_interval"]) != 1:
            weight = weight * (count % interval == 0)
        for target, name in self.parts.targets.items():
            state[target].lerp_(state[name], weight)


def largest(values: Tensor, count: int, axis: int) -> Tensor:
    """Places of the `count` largest values along an axis, in order, the first of equals first."""
    order: Tensor = values.sort(stable=True, dim=axis, descending=True).indices
    return order.narrow(axis, 0, count)


class Critic:
    """Q(s, a): one output for a state and a continuous action, or one for each discrete action.

    Several critics beside each other have an axis of their own, `count`, behind the lanes'.
    """

    def __init__(self, network: Network, environment: Interface) -> None:
        self.network = network
        self._discrete = environment.discrete

    def value(self, parameters: Tensor, observation: Tensor, action: Tensor) -> Tensor:
        """Q(s, a), `(lanes, batch)`, or `(lanes, count, batch)` of several critics.

        Args:
            parameters: `(lanes, P)`, or `(lanes, count * P)`.
            observation: `(lanes, batch, observation_dim)`.
            action: in [-1, 1], `(lanes, batch, action_dim)`, or the number of a discrete one.
        """
        if self._discrete:
            values = self.values(parameters, observation)
            index = action.long()
            if values.dim() > index.dim():
                index = index.unsqueeze(1).expand(-1, values.shape[1], -1, -1)
            return values.gather(-1, index).squeeze(-1)
        return self.network(parameters, torch.cat((observation, action), -1)).squeeze(-1)

    def values(self, parameters: Tensor, observation: Tensor) -> Tensor:
        """Q(s, a) of every discrete action, `(lanes, batch, num_actions)`, or
        `(lanes, count, batch, num_actions)` of several critics."""
        return self.network(parameters, observation)

    def smallest(self, parameters: Tensor, observation: Tensor, action: Tensor) -> Tensor:
        """min_i Q_i(s, a) of several critics, `(lanes, batch)`."""
        return self.value(parameters, observation, action).min(1).values

    def smallest_of_all(self, parameters: Tensor, observation: Tensor) -> Tensor:
        """min_i Q_i(s, a) of every discrete action, `(lanes, batch, num_actions)`."""
        return self.values(parameters, observation).min(1).values

    def values_of(self, parameters: Tensor, observation: Tensor, action: Tensor) -> Tensor:
        """Q(s, a) of several continuous actions of each state, `(lanes, count, batch)`; of several
        critics the smallest.

        Args:
            observation: `(lanes, batch, observation_dim)`.
            action: `(lanes, count, batch, action_dim)`.
        """
        states = observation.unsqueeze(1).expand(*action.shape[:-1], -1)
        values = self.value(parameters, states.flatten(1, 2), action.flatten(1, 2))
        values = values.min(1).values if values.dim() > 2 else values
        return values.view(action.shape[:-1])


class Actions:
    """The actions of an environment.

    Attributes:
        size: components of a continuous action; 1 for a discrete one.
    """

    def __init__(self, environment: Interface) -> None:
        self.size = environment.action_dim
        self._num_actions = environment.num_actions
        self._scale = None if environment.discrete else ActionScale(environment)

    def uniform(self, normal: Tensor) -> Tensor:
        """Uniform actions `(lanes, batch, size)` from as many standard normal numbers.

        2 Φ(z) - 1 for each component, or ⌊Φ(z) num_actions⌋.
        """
        if self._scale is None:
            return torch.floor(uniform_of(normal) * self._num_actions)
        return torch.erf(normal * math.sqrt(0.5))

    def to_environment(self, action: Tensor) -> Tensor:
        """Actions as the environment takes them."""
        return action if self._scale is None else self._scale.to_environment(action)

    def to_unit(self, action: Tensor) -> Tensor:
        """The inverse of `to_environment`."""
        return action if self._scale is None else self._scale.to_unit(action)


POLICIES: dict[str, type[Policy]] = {
    "SquashedGaussian": SquashedGaussian,
    "Gaussian": Gaussian,
    "Beta": Beta,
    "SquashedGaussianMixture": SquashedGaussianMixture,
}
"""policy_type -> class."""


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
        self.actor = self.networks["actor"]

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        normal = self.acting_numbers(noise)
        action = self.sampled(state["actor"], observation, normal)
        if self.statics["uniform_exploration_steps"]:
            uniform = self.actions.uniform(normal[..., : self.actions.size])
            action = self.explored(action, uniform, step)
        return self.actions.to_environment(action)

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
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
