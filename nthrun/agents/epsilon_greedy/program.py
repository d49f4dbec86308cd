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
    GradientAscent,      by a search over a for every state, on Q to act and on Q̄
    CrossEntropySearch   for a*(s')

The ways draw no random numbers: what is best of given values is a function of them. The searches
over continuous actions stand in for a numerical optimiser that stops when it has converged, which a
tensor program cannot: they take a fixed number of steps, from points that are spread evenly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import (
    AdamClock,
    Experience,
    Noise,
    State,
    adam_step,
    adam_tick,
    gradient,
    lane_column,
)
from nthrun.agents.epsilon_greedy.declaration import epsilon_greedy_parts
from nthrun.agents.networks import Network
from nthrun.agents.off_policy import Critic, OffPolicyAgent, largest
from nthrun.agents.policies.base import uniform_of
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface


class EpsilonGreedy(OffPolicyAgent):
    """An ε-greedy agent, over discrete or continuous actions."""

    parts_of = staticmethod(epsilon_greedy_parts)

    def __init__(self, statics: Setting, environment: Interface) -> None:
        super().__init__(statics, environment)
        self.maximiser: Maximiser
        if "actor" in self.networks:
            self.maximiser = DeterministicAction(self.networks["actor"])
        else:
            search = SEARCHES[statics["policy_type"]]
            self.maximiser = search(statics, self.critic, environment.action_dim)

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        state = super().initial_state(settings, gamma, generators)
        decays = [setting["epsilon_decay"] ** self.num_worlds for setting in settings]
        state["epsilon_decay"] = lane_column(decays)
        for name, points in self.maximiser.constants.items():
            state[name] = torch.from_numpy(points).expand(len(settings), -1, -1).clone()
        return state

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        coin, uniform = self.acting_numbers(noise).tensor_split((1,), -1)
        uniform = self.actions.uniform(uniform)
        best = self.maximiser.best(state, "", observation)
        action = torch.where(uniform_of(coin) < state["epsilon"].unsqueeze(2), uniform, best)
        return self.actions.to_environment(self.explored(action, uniform, step))

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        return self.actions.to_environment(self.maximiser.best(state, "", observation))

    def observe(self, state: State, experience: Experience, step: Tensor) -> None:
        """See `Agent`; ε decays at every step of each world."""
        super().observe(state, experience, step)
        decayed = state["epsilon"] * state["epsilon_decay"]
        state["epsilon"].copy_(torch.maximum(decayed, state["epsilon_min"]))

    def learn(
        self, state: State, batch: Experience, normal: Tensor, count: Tensor
    ) -> dict[str, Tensor]:
        clock = adam_tick(state)
        best = self.maximiser.best(state, "target_", batch.next_observation)
        next_value = self.critic.value(state["target_critic"], batch.next_observation, best)
        metrics = {"critic_loss": self.update_critic(state, batch, next_value, clock)}
        if isinstance(self.maximiser, DeterministicAction):
            metrics["actor_loss"] = self._update_actor(
                state, batch.observation, self.maximiser, clock
            )
        self.update_targets(state, count)
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


class Maximiser(Protocol):
    """Finds the best action.

    Attributes:
        constants: what `best` needs in the agent's state, `(count, size)` each: a tensor made in a
            step could not be part of a CUDA graph.
    """

    constants: Mapping[str, np.ndarray]

    def best(self, state: State, prefix: str, observation: Tensor) -> Tensor:
        """Actions `(lanes, batch, size)`, in [-1, 1] or the numbers of discrete ones.

        Args:
            state: of the agent.
            prefix: of the networks' names in it, "" or "target_".
            observation: `(lanes, batch, observation_dim)`.
        """


class Argmax:
    """The discrete action of the largest value, the first of equals."""

    def __init__(self, statics: Setting, critic: Critic, size: int) -> None:
        self.constants: Mapping[str, np.ndarray] = {}
        self._critic = critic

    def best(self, state: State, prefix: str, observation: Tensor) -> Tensor:
        values = self._critic.values(state[f"{prefix}critic"], observation)
        return values.argmax(-1, keepdim=True).to(values.dtype)


class DeterministicAction:
    """A network that puts out the best action, tanh μ_φ(s); the agent trains it."""

    def __init__(self, network: Network) -> None:
        self.constants: Mapping[str, np.ndarray] = {}
        self.network = network

    def best(self, state: State, prefix: str, observation: Tensor) -> Tensor:
        return self.action(state[f"{prefix}actor"], observation)

    def action(self, actor: Tensor, observation: Tensor) -> Tensor:
        """The same with parameters `(lanes, P)`."""
        return torch.tanh(self.network(actor, observation))


class GradientAscent:
    """Projected gradient ascent on the action from fixed starts, of which the best end counts.

    a ← clip(a + η ∇_a Q(s, a), -1, 1)
    """

    def __init__(self, statics: Setting, critic: Critic, size: int) -> None:
        self._critic = critic
        self._num_steps: int = statics["num_search_steps"]
        starts = uniform_points(statics["num_starts"], size)
        self.constants: Mapping[str, np.ndarray] = {"search.starts": starts}

    def best(self, state: State, prefix: str, observation: Tensor) -> Tensor:
        action = _for_every_state(state["search.starts"], observation)
        critic, rate = state[f"{prefix}critic"], state["search_lr"][:, :, None, None]

        def loss(action: Tensor) -> tuple[Tensor, Tensor]:
            values = self._critic.values_of(critic, observation, action)
            return values.sum((1, 2)), values

        for _ in range(self._num_steps):
            _, _, slope = gradient(loss, action)
            action = (action + rate * slope).clamp(-1.0, 1.0)
        values = self._critic.values_of(critic, observation, action)
        return _chosen(action, values.argmax(1, keepdim=True)).squeeze(1)


class CrossEntropySearch:
    """The cross-entropy method with evenly spread instead of random candidates.

    The first round spreads them over all actions, the next ones as a normal distribution with the
    mean and the standard deviation of the best of the round before. The best action seen counts.
    """

    def __init__(self, statics: Setting, critic: Critic, size: int) -> None:
        self._critic = critic
        self._num_steps: int = statics["num_search_steps"]
        self._num_elites: int = statics["num_elites"]
        count: int = statics["num_candidates"]
        self.constants: Mapping[str, np.ndarray] = {
            "search.first": uniform_points(count, size),
            "search.normal": normal_points(count, size),
        }

    def best(self, state: State, prefix: str, observation: Tensor) -> Tensor:
        lanes, batch, _ = observation.shape
        critic = state[f"{prefix}critic"]
        action = _for_every_state(state["search.first"], observation)
        normal = state["search.normal"].unsqueeze(2)
        seen, worth = action[:, :0], observation.new_zeros(lanes, 0, batch)
        for _ in range(self._num_steps):
            values = self._critic.values_of(critic, observation, action)
            order = largest(values, self._num_elites, 1)
            elites = _chosen(action, order)
            seen = torch.cat((seen, elites[:, :1]), 1)
            worth = torch.cat((worth, values.gather(1, order[:, :1])), 1)
            mean = elites.mean(1, keepdim=True)
            error = elites - mean
            spread = (error * error).mean(1, keepdim=True).sqrt()
            action = (mean + spread * normal).clamp(-1.0, 1.0)
        return _chosen(seen, worth.argmax(1, keepdim=True)).squeeze(1)


SEARCHES: dict[str, Callable[[Setting, Critic, int], Maximiser]] = {
    "Argmax": Argmax,
    "GradientAscent": GradientAscent,
    "CrossEntropySearch": CrossEntropySearch,
}
"""policy_type -> class of a way that needs no network of its own."""


def _for_every_state(points: Tensor, observation: Tensor) -> Tensor:
    """The same actions `(lanes, count, size)` for all states, `(lanes, count, batch, size)`."""
    return points.unsqueeze(2).expand(-1, -1, observation.shape[1], -1)


def _chosen(action: Tensor, places: Tensor) -> Tensor:
    """Actions `(lanes, count, batch, size)` at places `(lanes, chosen, batch)` of axis 1."""
    return action.gather(1, places.unsqueeze(-1).expand(-1, -1, -1, action.shape[-1]))


def uniform_points(count: int, size: int) -> np.ndarray:
    """Points in (-1, 1), `(count, size)`, float32.

    The additive recurrence of the generalised golden ratio (Roberts, 2018, "The Unreasonable
    Effectiveness of Quasirandom Sequences"):

        x_k = frac(½ + k (φ⁻¹, φ⁻², ..., φ⁻ᵈ)),  φ the positive root of φᵈ⁺¹ = φ + 1
    """
    return (2.0 * _even_points(count, size) - 1.0).astype(np.float32)


def normal_points(count: int, size: int) -> np.ndarray:
    """The same points as quantiles of a standard normal variate, the first of them 0."""
    quantile = np.vectorize(NormalDist().inv_cdf, otypes=[np.float64])
    return np.asarray(quantile(_even_points(count, size)), np.float32)


def _even_points(count: int, size: int) -> np.ndarray:
    """The points in (0, 1), `(count, size)`, the first of them in the middle."""
    phi = 2.0
    for _ in range(64):
        phi = (1.0 + phi) ** (1.0 / (size + 1))
    steps = phi ** -np.arange(1.0, size + 1)
    return np.asarray((0.5 + np.arange(count)[:, None] * steps) % 1.0)
