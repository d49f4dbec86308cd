"""The contract of a tensor environment.

An environment is a few pure functions of tensors whose leading axes are `(lanes, episodes)`:
lanes are runs of a pack, episodes are played side by side (one while training, several while
evaluating). All randomness comes in as an argument, so a run's numbers never depend on what
else shares its pack.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.environment_spec import EnvironmentSpec


class Transition(NamedTuple):
    """What one environment step gives.

    Attributes:
        state: the next state, `(lanes, episodes, state_dim)`.
        reward: `(lanes, episodes, 1)`.
        terminated: 1.0 where the episode reached a terminal state, `(lanes, episodes, 1)`.
    """

    state: Tensor
    reward: Tensor
    terminated: Tensor


class Environment(Protocol):
    """A tensor environment; see `nthrun.environments.pendulum.program` for one."""

    declaration: EnvironmentDeclaration
    num_reset_draws: int
    """As declared."""

    def __init__(self, spec: EnvironmentSpec) -> None: ...

    def reset(self, draws: Tensor) -> Tensor:
        """Start states `(lanes, episodes, state_dim)`.

        Args:
            draws: uniform on [0, 1), `(lanes, episodes, num_reset_draws)`.
        """

    def observe(self, state: Tensor) -> Tensor:
        """The observation `(lanes, episodes, observation_dim)` of a state."""

    def step(self, state: Tensor, action: Tensor) -> Transition:
        """The effect of an action `(lanes, episodes, action_dim)` within the action bounds."""
