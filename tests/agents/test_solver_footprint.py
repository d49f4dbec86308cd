"""Every solver's declared footprint against its real tensors."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from agents.peak import peak_bytes
from agents.solver_runs import SOLVERS, solver_spec

from nthrun.agents.base import Noise, Solver, State
from nthrun.agents.bewley_oracle.declaration import SOLVING_BYTES_PER_POINT
from nthrun.agents.ghm_oracles.declaration import SOLVING_BYTES
from nthrun.environments.ghm.dynamic_programme import best_return
from nthrun.specs.declaration import load_program
from nthrun.specs.footprint import AgentFootprint

EPISODES, LANES = 3, 2
SMALL_BYTES = 1 << 13
LONG = {"horizon": 5.0, "steps_per_episode": 50}
CROWD = {"observation": "cross_section"}
MANY = {"households": 40, "ability_states": 15}
FIRST_SOLVED = ("dp", "egm")
"""What works before the first step."""
Case = tuple[str, dict[str, Any], dict[str, Any]]
CASES: list[Case] = [
    ("mc_pg", {}, {}),
    ("mc_pg", {"n_trajectories": [50], "policy_hidden": [[64, 64]]}, LONG),
    (
        "mc_pg",
        {"n_trajectories": [50], "value_hidden": [[64, 64]], "returns": ["trajectory"]},
        LONG,
    ),
    ("mc_pg", {"n_trajectories": [50], "policy_hidden": [[2]], "value_hidden": [[2]]}, LONG),
    ("mc_pg", {"policy_hidden": [[8]], "value_hidden": [[100, 7, 100]]}, LONG),
    ("barrier", {}, {}),
    ("dp", {}, {}),
    ("dp", {}, LONG),
    ("egm", {"num_masses": [1000]}, {}),
    ("egm", {"num_masses": [200]}, MANY),
    ("euler_quadrature", {}, {}),
    ("euler_quadrature", {"off_path_households": [0]}, MANY),
    ("euler_quadrature", {"off_path_households": [500], "hidden": [[64, 64]]}, MANY),
    ("euler_quadrature", {"off_path_households": [50], "hidden": [[100, 2]]}, {}),
    ("euler_all_in_one", {}, {}),
    ("euler_all_in_one", {"hidden": [[64, 64]]}, MANY),
    ("euler_all_in_one", {}, CROWD),
    ("euler_all_in_one", {"num_worlds": [4], "hidden": [[64, 64]]}, MANY | CROWD),
]


def made(case: Case) -> tuple[Solver, State, AgentFootprint]:
    """A solver of two lanes, its first state, and what is declared of a lane."""
    spec = solver_spec(*case)
    setting, environment = spec.sweep.setting(0), spec.environment
    solver = load_program(spec.agent.declaration.program)(setting, environment)
    generators = [np.random.default_rng(lane) for lane in range(LANES)]
    state = solver.initial_state([setting] * LANES, environment.number("gamma"), generators)
    return solver, state, spec.agent.declaration.footprint(setting, environment.interface)


def test_every_solver_is_tried() -> None:
    """The cases cover the solvers."""
    assert {name for name, _, _ in CASES} == set(SOLVERS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_declared_bytes_are_the_tensors(case: Case) -> None:
    """State, learned parameters and numbers drawn have the declared sizes to the byte; the tables
    of the optimum, whose points of cash planning does not know, are within them."""
    solver, state, footprint = made(case)
    sizes = [sum(t.nbytes for t in part.values()) for part in (state, solver.learned_params(state))]
    declared = [footprint.state_bytes * LANES, footprint.learned_bytes * LANES]
    assert all(size <= bound for size, bound in zip(sizes, declared, strict=True))
    assert case[0] == "dp" or sizes == declared
    assert footprint.num_agent_draws == solver.num_agent_draws
    assert footprint.num_simulation_draws == solver.num_simulation_draws


@pytest.mark.parametrize("case", CASES, ids=str)
@torch.no_grad()
def test_working_memory_is_bounded(case: Case) -> None:
    """An iteration and an action hold no more than declared, and the bounds are not absurd; a state
    tensor keeps its shape and type."""
    solver, state, footprint = made(case)
    shapes = {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()}
    nothing, now = torch.zeros(LANES, 0), torch.tensor(0)
    draws = torch.rand(LANES, solver.num_simulation_draws)
    normal = torch.randn(LANES, solver.num_agent_draws)
    noise = Noise(nothing, nothing, draws, normal, nothing)
    assert footprint.num_metrics == len(solver.solve(state, noise, now))
    held = peak_bytes(lambda: solver.solve(state, noise, now))
    assert held <= LANES * footprint.update_bytes
    assert case[0] in FIRST_SOLVED or LANES * footprint.update_bytes <= 4 * held + SMALL_BYTES
    observations = torch.zeros(
        LANES, EPISODES, solver_spec(*case).environment.interface.observation_dim
    )
    acting = peak_bytes(lambda: solver.act_greedily(state, observations))
    assert acting <= LANES * EPISODES * footprint.acting_bytes <= 8 * acting
    assert shapes == {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()}


@pytest.mark.parametrize("dt", [0.1, 0.001])
def test_finding_the_optimum_is_bounded(dt: float) -> None:
    """Dynamic programming holds no more than is declared of it, and the bound is not absurd."""
    horizon = {"horizon": 10 * dt, "dt": dt}
    environment = solver_spec("dp", {}, horizon).environment
    tracemalloc.start()
    best_return(environment)
    _, held = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held <= SOLVING_BYTES <= 4 * held


@pytest.mark.parametrize("num_masses", [1000, 4000])
def test_finding_the_equilibrium_is_bounded(num_masses: int) -> None:
    """The exact solution of an economy holds no more than is declared of it, and the bound is not
    absurd."""
    spec = solver_spec("egm", {"num_masses": [num_masses]}, {"ability_states": 5})
    setting, environment = spec.sweep.setting(0), spec.environment
    solver = load_program(spec.agent.declaration.program)(setting, environment)
    tracemalloc.start()
    solver.initial_state([setting], 0.96, [])
    _, held = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held <= SOLVING_BYTES_PER_POINT * num_masses * 5 <= 4 * held
