"""The contracts of environments: tensor programs, and those that step on the host.

A tensor environment is a few pure functions of tensors whose leading axes are `(lanes, episodes)`:
lanes are runs of a pack, episodes are played side by side (one while training, several while
evaluating). All randomness comes in as an argument, so a run's numbers never depend on what
else shares its pack.

A host environment is one world of one lane. An episode is a function of its seed and its actions,
so that an interrupted one can be played again up to where it was.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor

from nthrun.specs.declaration import load_program
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

    def __init__(self, spec: EnvironmentSpec) -> None: ...

    def reset(self, draws: Tensor) -> Tensor:
        """Start states `(lanes, episodes, state_dim)`: the spec's `start_state` where it has one.

        Args:
            draws: uniform on [0, 1), `(lanes, episodes, num_reset_draws)`.
        """

    def observe(self, state: Tensor) -> Tensor:
        """The observation `(lanes, episodes, observation_dim)` of a state."""

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """The effect of an action.

        Args:
            action: within the action bounds, `(lanes, episodes, action_dim)`; a discrete one is
                its number.
            draws: uniform on [0, 1), `(lanes, episodes, num_step_draws)`.
        """


Outcome = tuple[np.ndarray, float, bool, bool]
"""The result of one step of a host environment: the observation, `(observation_dim,)`, kept as
float32, the reward, and whether the episode ended in a terminal state or was cut by the environment
itself."""


class HostEnvironment(Protocol):
    """One world on the host; see `nthrun.environments.from_gymnasium.program` for one."""

    def __init__(self, spec: EnvironmentSpec) -> None: ...

    def reset(self, seed: int) -> np.ndarray:
        """Begin an episode that the seed (0 to 2³² - 1) and the actions decide; the observation,
        `(observation_dim,)`, kept as float32."""

    def step(self, action: np.ndarray) -> Outcome:
        """The effect of an action, float32, `(action_dim,)`; a discrete one is its number."""


def make_environment(spec: EnvironmentSpec) -> Any:
    """The environment that a spec describes, an `Environment` or a `HostEnvironment`."""
    return load_program(spec.declaration.program)(spec)
