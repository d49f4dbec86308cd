"""Access control as a tensor program.

Sutton and Barto (2018), Reinforcement learning: an introduction, example 10.2. A customer of
priority k in {0, 1, 2, 3}, all equally likely, pays 2ᵏ if accepted while a server is free; else the
reward is 0. Meanwhile every server that was busy becomes free with probability 0.06, and then the
next customer is at the head of the queue. The best average reward is 2.673
(tests/environments/test_access_control.py computes it).
"""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.environments.tensors import start_states
from nthrun.specs.environment_spec import EnvironmentSpec

NUM_SERVERS = 10
NUM_PRIORITIES = 4
FREEING_PROBABILITY = 0.06


class AccessControl:
    """State (free servers, priority of the head of the queue), whole numbers."""

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec = spec

    def reset(self, draws: Tensor) -> Tensor:
        """All servers free and a random customer, or the spec's start state."""
        free = torch.full_like(draws, NUM_SERVERS)
        return start_states(self._spec, torch.cat((free, priority(draws)), -1))

    def observe(self, state: Tensor) -> Tensor:
        """Free servers and priority, each as a share of the most there are."""
        free, rank = state.split(1, -1)
        return torch.cat((free / NUM_SERVERS, rank / (NUM_PRIORITIES - 1)), -1)

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Reject (0) or accept (1) the customer; never terminates."""
        free, rank = state.split(1, -1)
        customer, servers = draws.split((1, NUM_SERVERS), -1)
        accepted = ((action > 0.5) & (free > 0.5)).to(state.dtype)
        # server number i is busy where i >= free servers: which ones are does not matter
        busy = torch.arange(NUM_SERVERS, device=state.device) >= free
        freed = (busy & (servers < FREEING_PROBABILITY)).to(state.dtype).sum(-1, keepdim=True)
        new_state = torch.cat((free - accepted + freed, priority(customer)), -1)
        return Transition(new_state, accepted * payment(rank), torch.zeros_like(accepted))


def priority(uniform: Tensor) -> Tensor:
    """A number in {0, 1, 2, 3}, all equally likely, from one on [0, 1)."""
    return torch.floor(NUM_PRIORITIES * uniform)


def payment(rank: Tensor) -> Tensor:
    """2ᵏ of a priority k, from comparisons, which are exact."""
    steps = ((rank > k - 0.5).to(rank.dtype) * 2.0 ** (k - 1) for k in range(1, NUM_PRIORITIES))
    return sum(steps, torch.ones_like(rank))
