"""Environments made from small specs, random play in them, and Gymnasium's steps beside theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from torch import Tensor

from nthrun.environments.base import Environment
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.specs.declaration import load_program
from nthrun.specs.documents import Document
from nthrun.specs.environment_spec import EnvironmentSpec, read_environment_spec
from nthrun.specs.interface import Interface

NO_DRAWS = torch.empty(0)


def spec_of(name: str, **values: object) -> EnvironmentSpec:
    """A spec of the environment, with defaults but for these values."""
    document = {"env_name": name, "total_timesteps": 100} | values
    return read_environment_spec(Document(document, {}, ("test",)), ENVIRONMENTS[name])


def world_of(spec: EnvironmentSpec) -> Environment:
    """The tensor environment of a spec."""
    world: Environment = load_program(spec.declaration.program)(spec)
    return world


def world(name: str, **values: object) -> Environment:
    """The tensor environment of such a spec."""
    return world_of(spec_of(name, **values))


def random_actions(interface: Interface, shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    """Actions that an agent may take, `(*shape, action_dim)`."""
    if heads := interface.action_heads:
        uniform = torch.rand(*shape, len(heads), generator=draw)
        return (uniform * torch.tensor(heads)).floor()
    if interface.discrete:
        return torch.randint(0, interface.num_actions, (*shape, 1), generator=draw).float()
    low, high = torch.tensor(interface.action_low), torch.tensor(interface.action_high)
    return low + (high - low) * torch.rand(*shape, interface.action_dim, generator=draw)


def uniform(low: list[float], high: list[float], count: int, seed: int) -> np.ndarray:
    """Random points of a box, `(count, dim)`, that float32 can hold."""
    points = np.random.default_rng(seed).uniform(low, high, (count, len(low)))
    return points.astype(np.float32).astype(np.float64)


class Steps(NamedTuple):
    """One step from each of many states: float64, `(count, ...)`."""

    states: np.ndarray
    observations: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray


def gymnasium_steps(
    name: str, states: np.ndarray, actions: np.ndarray, given: Callable[[float], Any]
) -> Steps:
    """One step of Gymnasium's environment from each state.

    Args:
        given: an action as that environment takes it.
    """
    environment: Any = gymnasium.make(name).unwrapped
    environment.reset(seed=0)
    rows = []
    for state, action in zip(states, actions, strict=True):
        environment.state = state.copy()
        environment.steps_beyond_terminated = None
        observation, reward, terminated, _, _ = environment.step(given(float(action)))
        rows.append((np.array(environment.state), observation, reward, terminated))
    return Steps(*(np.array(column, np.float64) for column in zip(*rows, strict=True)))


def tensor_steps(
    environment: Environment, states: np.ndarray, actions: np.ndarray, dtype: torch.dtype
) -> Steps:
    """The same of a tensor environment that draws nothing while it steps."""
    before = torch.from_numpy(states).to(dtype).unsqueeze(0)
    action = torch.from_numpy(actions).to(dtype).view(1, -1, 1)
    outcome = environment.step(before, action, NO_DRAWS)
    return Steps(
        outcome.state[0].double().numpy(),
        environment.observe(outcome.state)[0].double().numpy(),
        outcome.reward[0, :, 0].double().numpy(),
        outcome.terminated[0, :, 0].double().numpy(),
    )


def play(
    environment: Environment, interface: Interface, shape: tuple[int, int], num_steps: int
) -> list[Tensor]:
    """States of random play, `(lanes, episodes, state_dim)` each, begun anew at terminal ones."""
    draw = torch.Generator().manual_seed(0)
    state = environment.reset(torch.rand(*shape, interface.num_reset_draws, generator=draw))
    states = [state]
    for _ in range(num_steps):
        action = random_actions(interface, shape, draw)
        draws = torch.rand(*shape, interface.num_step_draws, generator=draw)
        outcome = environment.step(state, action, draws)
        fresh = environment.reset(torch.rand(*shape, interface.num_reset_draws, generator=draw))
        states.append(outcome.state)
        state = torch.where(outcome.terminated > 0.5, fresh, outcome.state)
    return states
