"""Economies and solvers of them, as tests of the Euler solvers want them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from agents.solver_runs import solver_spec
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.agents.euler.solver import EulerSolver
from nthrun.specs.declaration import load_program

PROPORTIONAL = {
    "calibration.income_tax": 0.2,
    "calibration.wealth_tax": 0.01,
    "calibration.consumption_tax": 0.065,
}
PROGRESSIVE = PROPORTIONAL | {"calibration.income_elasticity": 0.15}
REBATED = PROGRESSIVE | {"calibration.rebated": True}
TAXES: dict[str, dict[str, Any]] = {
    "untaxed": {},
    "proportional": PROPORTIONAL,
    "progressive": PROGRESSIVE,
    "rebated": REBATED,
}


def solver_of(
    agent: str,
    environment: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    lanes: int = 2,
) -> tuple[Any, State]:
    """A solver of a small economy, and its first state with the settings of its first lanes."""
    spec = solver_spec(agent, parameters, environment)
    settings = [spec.sweep.setting(lane % spec.sweep.num_settings) for lane in range(lanes)]
    solver = load_program(spec.agent.declaration.program)(settings[0], spec.environment)
    generators = [np.random.default_rng(lane) for lane in range(lanes)]
    return solver, solver.initial_state(settings, 0.96, generators)


def unsettled(state: State, size: float = 0.3) -> State:
    """The state with other parameters, with which the network says something."""
    draw = torch.Generator().manual_seed(7)
    shift = size * torch.randn(state["policy"].shape, generator=draw)
    return state | {"policy": state["policy"] + shift.to(state["policy"].dtype)}


def in_double(state: State) -> State:
    """The state in float64."""
    return {name: tensor.double() for name, tensor in state.items()}


def uniform(*shape: int, seed: int = 11) -> Tensor:
    """Numbers on [0, 1)."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def stepped(solver: EulerSolver, state: State, step: int) -> dict[str, Tensor]:
    """The metrics of one step, changing the state."""
    draws = uniform(len(state["policy"]), solver.num_simulation_draws, seed=step)
    nothing = draws[:, :0]
    with torch.no_grad():
        noise = Noise(nothing, nothing, draws, nothing, nothing)
        return solver.solve(state, noise, torch.tensor(step))
