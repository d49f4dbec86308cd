"""Discrete actions with probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nthrun.agents.policies.base import partial_sums, uniform_of
from nthrun.agents.sizes import PolicySpec


def drawn(probability: Tensor, noise: Tensor) -> Tensor:
    """A random action's number as a float, `(..., 1)`.

    The action is the number of partial sums of the probabilities, `(..., num_actions)`, that a
    uniform number reaches. Where probabilities are not numbers it is 0.

    Args:
        noise: standard normal, `(..., 1)`.
    """
    reached = uniform_of(noise) >= partial_sums(probability)
    return reached.sum(-1, keepdim=True).to(probability.dtype)


class HeadedSoftmax:
    """A softmax for each of several components of an action, independent of one another.

    The network puts out the x of one component behind those of another,
    `(lanes, batch, sum(heads))`. An action is a number 0, 1, ... of each as a float,
    `(lanes, batch, len(heads))`.

    Args:
        heads: how many values each component takes.
    """

    def __init__(self, heads: Sequence[int]) -> None:
        self._heads = list(heads)

    def log_density(self, outputs: Tensor, action: Tensor) -> Tensor:
        """log π(a|s) of actions, `(lanes, batch)`."""
        pairs = zip(self._parts(outputs), action.long().split(1, -1), strict=True)
        return torch.cat([torch.log_softmax(x, -1).gather(-1, a) for x, a in pairs], -1).sum(-1)

    def entropy(self, outputs: Tensor) -> Tensor:
        """-Σ_a π(a|s) log π(a|s), `(lanes, batch)`."""
        parts = self._parts(outputs)
        surprise = [torch.softmax(x, -1) * torch.log_softmax(x, -1) for x in parts]
        return -torch.cat(surprise, -1).sum(-1)

    def sample_action(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """Actions by their cumulative probabilities, without gradient.

        Args:
            outputs: `(lanes, batch, sum(heads))`.
            noise: standard normal, `(lanes, batch, len(heads))`.
        """
        pairs = zip(self._parts(outputs), noise.split(1, -1), strict=True)
        return torch.cat([drawn(torch.softmax(x, -1), z) for x, z in pairs], -1)

    def mode(self, outputs: Tensor) -> Tensor:
        """The most probable action, the first of equals."""
        parts = [part.argmax(-1, keepdim=True) for part in self._parts(outputs)]
        return torch.cat(parts, -1).to(outputs.dtype)

    def _parts(self, outputs: Tensor) -> tuple[Tensor, ...]:
        parts: tuple[Tensor, ...] = outputs.split(self._heads, -1)
        return parts


class Softmax:
    """π(a) ∝ exp(x_a); the network puts out x, `(lanes, batch, num_actions)`.

    An action is its number 0, 1, ... as a float, `(lanes, batch, 1)`.
    """

    def __init__(self, spec: PolicySpec) -> None:
        self.num_actions = spec.action_size
        self.num_outputs, self.num_draws = spec.num_outputs, spec.num_draws

    def probabilities(self, outputs: Tensor) -> Tensor:
        """π(a|s) of every action, `(lanes, batch, num_actions)`."""
        return torch.softmax(outputs, -1)

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """log π(a|s) of every action, finite, `(lanes, batch, num_actions)`."""
        return torch.log_softmax(outputs, -1)

    def log_density(self, outputs: Tensor, action: Tensor) -> Tensor:
        """log π(a|s) of actions `(lanes, batch, 1)`, `(lanes, batch)`."""
        return self.log_probabilities(outputs).gather(-1, action.long()).squeeze(-1)

    def entropy(self, outputs: Tensor) -> Tensor:
        """-Σ_a π(a|s) log π(a|s), `(lanes, batch)`."""
        return -(self.probabilities(outputs) * self.log_probabilities(outputs)).sum(-1)

    def sample_action(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """Actions by their cumulative probabilities, without gradient.

        Args:
            outputs: `(lanes, batch, num_actions)`.
            noise: standard normal, `(lanes, batch, 1)`.
        """
        return drawn(self.probabilities(outputs), noise)

    def mode(self, outputs: Tensor) -> Tensor:
        """The most probable action, the first of equals."""
        return outputs.argmax(-1, keepdim=True).to(outputs.dtype)
