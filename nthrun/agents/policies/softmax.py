"""Discrete actions with probabilities."""

from __future__ import annotations

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
