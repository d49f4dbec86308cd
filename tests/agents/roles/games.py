"""Solvers of small games, driven by hand."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from environments.worlds import spec_of
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.agents.registry import AGENTS
from nthrun.agents.roles.solver import RolesSolver
from nthrun.specs.declaration import load_program
from nthrun.specs.environment_spec import EnvironmentSpec

SMALL_GAME: dict[str, Any] = {
    "num_consumers": 4,
    "num_firms": 2,
    "interest_rate": 0.0,
    "initial_wage": 0.0,
    "government_counts_firm_reward": True,
    "steps_per_episode": 4,
}
SMALL: dict[str, Any] = {
    "num_worlds": 6,
    "hidden": (16, 16),
    "lr": (1e-3, 1e-3, 5e-5),
    "reward_scale": (5.0, 30_000.0, 1000.0),
}
MASKED: dict[str, Any] = {
    "mask_start": (1000.0, 22.0, 0.1, 0.0, 0.0),
    "mask_begin": (0, 0, 30_000),
    "mask_steps": (0, 30_000, 30_000),
}
"""The published masks."""


class Made(NamedTuple):
    """A solver with its first state."""

    solver: RolesSolver
    state: State
    environment: EnvironmentSpec


def made(
    agent: str = "ppo_types",
    game: dict[str, Any] | None = None,
    lanes: int = 1,
    **hyperparameters: Any,
) -> Made:
    """A solver of `lanes` lanes, whose seeds are their numbers."""
    declared = AGENTS[agent]
    environment = spec_of("RBC", **(SMALL_GAME if game is None else game))
    setting = {field.name: field.default for field in declared.hyperparameters}
    setting |= {k: v for k, v in (SMALL | hyperparameters).items() if k in setting}
    solver = load_program(declared.program)(setting, environment)
    generators = [np.random.default_rng(lane) for lane in range(lanes)]
    state = solver.initial_state([setting] * lanes, environment.number("gamma"), generators)
    return Made(solver, state, environment)


def noise(solver: RolesSolver, seed: int, lanes: int = 1) -> Noise:
    """Random numbers of a step."""
    draws = [
        np.random.default_rng([seed, lane]).random(solver.num_simulation_draws, dtype=np.float32)
        for lane in range(lanes)
    ]
    drawn = torch.from_numpy(np.stack(draws))
    nothing = drawn[:, :0]
    return Noise(nothing, nothing, drawn, nothing, nothing)


@torch.no_grad()
def solved(made: Made, steps: range) -> list[dict[str, Tensor]]:
    """The metrics of some steps."""
    solver, state, _ = made
    lanes = len(state["gamma"])
    return [
        solver.solve(state, noise(solver, step, lanes), torch.tensor(step), solver.variant_at(step))
        for step in steps
    ]
