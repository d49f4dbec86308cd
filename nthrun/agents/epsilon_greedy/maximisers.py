"""Ways to find the action of the largest value, argmax_a Q(s, a), as tensor programs.

None draws random numbers: what is best of given values is a function of them. The searches over
continuous actions stand in for a numerical optimiser that stops when it has converged, which a
tensor program cannot: they take a fixed number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import State, gradient
from nthrun.agents.epsilon_greedy.spread import normal_points, uniform_points
from nthrun.agents.networks import MLP
from nthrun.agents.off_policy.critic import Critic, largest
from nthrun.specs.declaration import Setting


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
        """See `Maximiser`."""
        values = self._critic.values(state[f"{prefix}critic"], observation)
        return values.argmax(-1, keepdim=True).to(values.dtype)


class DeterministicAction:
    """A network that puts out the best action, tanh μ_φ(s); the agent trains it."""

    def __init__(self, statics: Setting, critic: Critic, size: int) -> None:
        self.constants: Mapping[str, np.ndarray] = {}
        num_inputs = critic.network.in_dim - size
        self.network = MLP(num_inputs, (statics["hidden_dim"],) * 2, size, statics["activation"])

    def best(self, state: State, prefix: str, observation: Tensor) -> Tensor:
        """See `Maximiser`."""
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
        """See `Maximiser`."""
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
        """See `Maximiser`."""
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


MAXIMISERS: dict[str, Callable[[Setting, Critic, int], Maximiser]] = {
    "Argmax": Argmax,
    "DeterministicAction": DeterministicAction,
    "GradientAscent": GradientAscent,
    "CrossEntropySearch": CrossEntropySearch,
}
"""policy_type -> class."""


def _for_every_state(points: Tensor, observation: Tensor) -> Tensor:
    """The same actions `(lanes, count, size)` for all states, `(lanes, count, batch, size)`."""
    return points.unsqueeze(2).expand(-1, -1, observation.shape[1], -1)


def _chosen(action: Tensor, places: Tensor) -> Tensor:
    """Actions `(lanes, count, batch, size)` at places `(lanes, chosen, batch)` of axis 1."""
    return action.gather(1, places.unsqueeze(-1).expand(-1, -1, -1, action.shape[-1]))
