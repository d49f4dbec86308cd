"""Every agent's and every solver's layout against its real tensors."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from agents.peak import peak_bytes
from agents.solver_runs import SOLVERS, solver_spec

from nthrun.agents.base import Experience, Noise, State
from nthrun.agents.bewley_oracle.declaration import SOLVING_BYTES_PER_POINT
from nthrun.agents.ghm_oracles.declaration import SOLVING_BYTES
from nthrun.agents.networks import MLP
from nthrun.agents.registry import AGENTS
from nthrun.agents.sizes import MLPShape
from nthrun.agents.solver import Solver, num_play_draws
from nthrun.agents.updates import updates_of
from nthrun.environments.ghm.dynamic_programme import best_return
from nthrun.specs.declaration import load_program
from nthrun.specs.interface import Interface, Role
from nthrun.specs.layout import Layout

INTERFACES = {
    "one action": Interface((-1.0,) * 3, (1.0,) * 3, (-2.0,), (2.0,)),
    "many actions": Interface((-1.0,) * 6, (1.0,) * 6, (-1.0,) * 4, (1.0, 2.0) * 2),
    "wide": Interface((-1.0,) * 17, (1.0,) * 17, (-1.0,) * 6, (1.0, 2.0) * 3),
    "discrete": Interface((-1.0,) * 6, (1.0,) * 6, num_actions=3),
    "many discrete": Interface((-1.0,) * 4, (1.0,) * 4, num_actions=18),
    "image": Interface((0.0,) * 128, (1.0,) * 128, num_actions=3, image=(8, 8, 2)),
    "heads": Interface((-1.0,) * 4, (1.0,) * 4, heads=(100, 2, 70)),
    "game": Interface((-1.0,) * 4, (1.0,) * 4, roles=(Role("buyer", 9, 3, (3, 2)),)),
}
SHAPES: list[dict[str, Any]] = [
    {},
    {"hidden_dim": 7, "batch_size": 1, "replay_capacity": 1},
    {"hidden_dim": 64, "batch_size": 100, "replay_capacity": 300},
    {"hidden_dim": 256, "batch_size": 32, "activation": "tanh"},
]
TILINGS: list[dict[str, Any]] = [
    {"num_bins": 2},
    {"num_tilings": 1, "num_bins": 1, "bias": False},
    {"num_tilings": 16, "num_bins": 3, "tiling": "pairs"},
    {"num_tilings": 32, "num_bins": 9, "tiling": "separate"},
]
SAC: list[dict[str, Any]] = [
    {"automatic_entropy_tuning": False},
    {"double_q": False, "soft_q": False, "num_samples": 5},
    {"policy_type": "Gaussian", "reparam_baseline": (False, 0), "batch_size": 256},
    {"policy_type": "Beta", "num_samples": 2},
    {"policy_type": "Beta", "reparam_baseline": (False, 4), "hidden_dim": 256},
    {"policy_type": "SquashedGaussianMixture"},
    {"policy_type": "SquashedGaussianMixture", "num_components": 7, "hidden_dim": 8},
]
SAMPLING: list[tuple[str, dict[str, Any]]] = [
    ("GreedyAC", {}),
    ("GreedyAC", {"policy_type": "SquashedGaussian", "n_rho": (5, 1.0)}),
    ("GreedyACNoEntReg", {"n_rho": (100, 0.05)}),
    ("VAC", {}),
    ("VAC", {"policy_type": "SquashedGaussian", "num_samples": 1}),
    ("FKL", {}),
    ("FKL", {"kl": "reverse", "num_samples": 7}),
    ("FKL", {"policy_type": "Gaussian"}),
    ("GreedyAC", {"double_q": True, "soft_q": True}),
    ("epsgreedy", {}),
    ("epsgreedy_SGD", {}),
    ("epsgreedy_SGD", {"num_starts": 1, "num_search_steps": 1}),
    ("epsgreedy_optimizer", {}),
    ("epsgreedy_optimizer", {"num_candidates": 64, "num_elites": 64}),
]
NUMBERED: list[tuple[str, dict[str, Any]]] = [
    ("SAC", {"policy_type": "Softmax"}),
    ("SAC", {"policy_type": "Softmax", "double_q": False}),
    ("GreedyAC", {"policy_type": "Softmax"}),
    ("GreedyACNoEntReg", {"policy_type": "Softmax"}),
    ("GreedyAC", {"policy_type": "Softmax", "double_q": True, "soft_q": True}),
    ("VAC", {"policy_type": "Softmax"}),
    ("FKL", {"policy_type": "Softmax"}),
    ("FKL", {"policy_type": "Softmax", "kl": "reverse"}),
    ("epsgreedy", {"policy_type": "Argmax"}),
]
CONVOLUTIONAL: list[dict[str, Any]] = [
    {"convolutions": (16, 3)},
    {"convolutions": (3, 2, 20, 3), "hidden_dim": 128, "batch_size": 4, "replay_capacity": 50},
]
PPO: list[dict[str, Any]] = [
    {},
    {"n_steps": 7, "batch_size": 1, "hidden_dim": 7},
    {"n_steps": 512, "batch_size": 512, "hidden_dim": 256, "shared_trunk": True},
    {"n_steps": 100, "batch_size": 50, "normalise_observations": True, "normalise_rewards": True},
    {"n_steps": 5, "batch_size": 5, "n_epochs": 1},
]
PPO_ACTIONS = [("wide", {}), ("many discrete", {"policy_type": "Softmax"})]
Case = tuple[str, str, dict[str, Any]]


def _cases() -> Iterator[Case]:
    """Agent, interface and static hyperparameters."""
    for shape in SHAPES:
        yield from ((name, "one action", changes | shape) for name, changes in SAMPLING)
        yield "SAC", "one action", shape
    yield from ((name, "wide", changes) for name, changes in SAMPLING)
    yield from (("SAC", actions, changes) for changes in SAC for actions in ("one action", "wide"))
    for shape in SHAPES[::2]:
        yield from ((name, "discrete", changes | shape) for name, changes in NUMBERED)
    yield from ((name, "many discrete", changes) for name, changes in NUMBERED)
    for changes in CONVOLUTIONAL:
        softmax = {"policy_type": "Softmax", **changes}
        yield from ((name, "image", softmax) for name in ("SAC", "VAC"))
    for statics in TILINGS:
        yield from (("linearAC", actions, statics) for actions in ("one action", "many actions"))
        for name in ("SoftmaxAC", "Sarsa", "ExpectedSarsa"):
            yield from ((name, actions, statics) for actions in ("discrete", "many discrete"))
    for changes in PPO:
        yield from (("PPO", actions, changes | policy) for actions, policy in PPO_ACTIONS)
    yield from (("random", actions, {}) for actions in INTERFACES)


CASES = list(_cases())
EPISODES, LANES = 3, 2
SMALL_BYTES = 1 << 13
"""What a bound may be above what is held, however little that is."""


def made(case: Case) -> tuple[Any, State, Layout]:
    """An agent of two lanes, its first state, and the layout of a lane."""
    name, actions, changes = case
    declaration, interface = AGENTS[name], INTERFACES[actions]
    setting = {field.name: field.default for field in declaration.hyperparameters} | changes
    agent = load_program(declaration.program)(setting, interface)
    generators = [np.random.default_rng(lane) for lane in range(LANES)]
    state = agent.initial_state([setting] * LANES, 0.99, generators)
    return agent, state, declaration.layout(setting, interface)


def difference(layout: Layout, tensors: Mapping[str, torch.Tensor]) -> str:
    """What of tensors of two lanes is not as a layout's state says, in words."""
    assert all(len(tensor) == LANES for tensor in tensors.values())
    return layout.mismatch({name: tensor[0] for name, tensor in tensors.items()})


def assert_is(layout: Layout, agent: Any, state: State) -> None:
    """A layout has the names, shapes and types of an agent's state and learned parameters, and
    counts what it draws."""
    assert difference(layout, state) == ""
    assert difference(replace(layout, state=layout.learned), agent.learned_params(state)) == ""
    assert layout.num_agent_draws == agent.num_agent_draws
    assert layout.num_play_draws == num_play_draws(agent)
    updates = updates_of(agent)
    assert (layout.max_updates, layout.num_update_draws) == (updates.most, updates.num_draws)
    planned = layout.footprint()
    assert (planned.updates_apart, planned.gathers) == (updates.are_apart, updates.gathers)


def update_with(case: Case, agent: Any, state: State) -> Callable[[], Mapping[str, torch.Tensor]]:
    """An update after a step of zeros; every stored step drawn is the first."""
    interface = INTERFACES[case[1]]
    normal = torch.randn(LANES, agent.num_agent_draws)
    steps = torch.zeros(LANES, agent.num_replay_draws, dtype=torch.int64)
    nothing = torch.zeros(LANES, 1, 0)
    noise = Noise(nothing, nothing, nothing, normal, steps)
    sizes = (interface.observation_dim, interface.action_dim, 1, interface.observation_dim, 1)
    experience = Experience(*(torch.zeros(LANES, 1, size) for size in sizes))
    ended, now = torch.zeros(LANES, 1, 1, dtype=torch.bool), torch.tensor(0)
    agent.act(state, experience.observation, noise, now)
    if not updates_of(agent).gathers:
        return lambda: agent.update(state, experience, ended, noise, now)

    def gathered() -> Mapping[str, torch.Tensor]:
        agent.gather(state, now)
        metrics: Mapping[str, torch.Tensor] = agent.update(state, experience, ended, noise, now)
        return metrics

    return gathered


def test_every_agent_is_tried() -> None:
    """The cases cover the registry, but for solvers, which have cases of their own."""
    acting = {name for name, declared in AGENTS.items() if not declared.solves}
    assert {name for name, _, _ in CASES} == acting


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_layout_is_the_tensors(case: Case) -> None:
    """State, replay and learned parameters have the declared names, shapes and types, and as many
    numbers are drawn as declared."""
    agent, state, layout = made(case)
    assert_is(layout, agent, state)
    replay = state.pop("replay", torch.empty(LANES, 0, 0))
    assert (layout.replay_capacity, layout.replay_width) == replay.shape[1:]
    assert layout.replay_capacity == agent.replay_capacity
    assert layout.num_replay_draws == agent.num_replay_draws
    footprint = layout.footprint()
    assert footprint.state_bytes * LANES == sum(tensor.nbytes for tensor in state.values())
    assert footprint.replay_bytes * LANES == replay.nbytes


@pytest.mark.parametrize("case", CASES, ids=str)
@torch.no_grad()
def test_working_memory_is_bounded(case: Case) -> None:
    """An update and an action hold no more than declared, and the bounds are not absurd; an update
    reports the declared metrics, and a state tensor keeps its shape and type."""
    agent, state, layout = made(case)
    update = update_with(case, agent, state)
    assert set(layout.metrics) == set(update())
    held = peak_bytes(update)
    assert held <= LANES * layout.update_bytes <= 4 * held + SMALL_BYTES
    observations = torch.zeros(LANES, EPISODES, INTERFACES[case[1]].observation_dim)
    acting = peak_bytes(lambda: agent.act_greedily(state, observations))
    assert acting <= LANES * EPISODES * layout.acting_bytes <= 8 * acting
    assert difference(layout, state) == ""


@pytest.mark.parametrize("name", ["SAC", "GreedyAC", "epsgreedy_optimizer"])
@torch.no_grad()
def test_acting_in_many_worlds_is_counted(name: str) -> None:
    """Numbers are drawn for every world, and choosing an action in each holds no more than what is
    declared of a step."""
    agent, state, layout = made((name, "wide", {"num_worlds": 500, "batch_size": 1}))
    assert_is(layout, agent, state)
    noise = Noise(*[torch.zeros(LANES, layout.num_agent_draws)] * 5)
    observations = torch.zeros(LANES, 500, INTERFACES["wide"].observation_dim)
    acting = peak_bytes(lambda: agent.act(state, observations, noise, torch.tensor(0)))
    assert acting <= LANES * layout.update_bytes <= 8 * acting


@pytest.mark.parametrize("out_dim", [1, 2, 5])
@pytest.mark.parametrize("hidden", [(2, 2), (7, 7), (100, 100), (5,), (16, 3, 64)], ids=str)
def test_a_network_has_its_shape(hidden: tuple[int, ...], out_dim: int) -> None:
    """The shape that planning counts is that of the network, with and without padding."""
    shape, network = MLPShape(3, hidden, out_dim), MLP(3, hidden, out_dim, "relu")
    assert shape.sizes() == network.sizes()
    assert shape.num_params() == len(network.initial(np.random.default_rng(0), "xavier_uniform"))
    named = network.named(torch.zeros(1, shape.num_params()), "x.")
    assert shape.named_shapes("x.") == {name: part[0].shape for name, part in named.items()}


LONG = {"horizon": 5.0, "steps_per_episode": 50}
CROWD = {"observation": "cross_section"}
MANY = {"households": 40, "ability_states": 15}
JEDC = {"preset": "jedc"}
CROWDED = {"num_consumers": 40, "num_firms": 10, "steps_per_episode": 5}
BINS = {"distribution": "histogram", "bins": 20, "households": 100}
FIRST_SOLVED = ("dp", "egm", "ks_linear", "exact_response")
"""What works before the first step."""
SolverCase = tuple[str, dict[str, Any], dict[str, Any]]
SOLVER_CASES: list[SolverCase] = [
    ("mc_pg", {}, {}),
    ("mc_pg", {"n_trajectories": [50], "policy_hidden": [[64, 64]]}, LONG),
    ("mc_pg", {"n_trajectories": [50], "episodes_per_shock": [5], "start_power": [3.0]}, LONG),
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
    ("ks_linear", {}, {}),
    ("ks_linear", {}, BINS | {"preset": "ghh", "calibration.tfp_states": 2}),
    ("euler_quadrature", {}, {}),
    ("euler_quadrature", {"off_path_households": [0]}, MANY),
    ("euler_quadrature", {"off_path_households": [500], "hidden": [[64, 64]]}, MANY),
    ("euler_quadrature", {"off_path_households": [50], "hidden": [[100, 2]]}, {}),
    ("euler_all_in_one", {}, {}),
    ("euler_all_in_one", {"hidden": [[64, 64]]}, MANY),
    ("euler_all_in_one", {}, CROWD),
    ("euler_all_in_one", {"num_worlds": [4], "hidden": [[64, 64]]}, MANY | CROWD),
    ("euler_ks", {}, {}),
    ("euler_ks", {"off_path_households": [0], "hidden": [[64, 64]]}, JEDC),
    ("euler_ks", {"num_worlds": [8], "num_households": [30], "hidden": [[64, 64]]}, {}),
    ("euler_ks", {"num_worlds": [8], "num_households": [30]}, BINS),
    ("bellman_ac", {}, {}),
    ("bellman_ac", {"num_households": [60], "horizon": [0]}, {"moments": 2}),
    ("bellman_ac", {"num_worlds": [16], "policy_hidden": [[64, 64]]}, JEDC),
    ("bellman_ac", {"num_worlds": [16], "value_hidden": [[64, 64]]}, JEDC),
    ("bellman_ac", {"num_worlds": [8], "horizon": [20]}, BINS),
    ("bellman_ac", {"num_worlds": [8], "gradient": ["planner"], "sampling": ["band"]}, BINS),
    ("ppo_types", {}, {}),
    ("ppo_types", {"num_worlds": [16], "hidden": [[128, 128]]}, CROWDED),
    ("ppo_types", {"num_worlds": [64], "hidden": [[64, 64]]}, CROWDED),
    ("pg_types", {"num_worlds": [16], "hidden": [[32, 32]]}, CROWDED),
    ("pg_types", {"reward_scale": [[1.0]], "learning_every": [[1]]}, {"num_governments": 0}),
    ("best_response", {}, {}),
    ("best_response", {"role": ["firm"], "deviators": ["one"], "num_worlds": [16]}, CROWDED),
    ("best_response", {"loss": ["ppo"], "num_worlds": [16], "hidden": [[64, 64]]}, CROWDED),
    ("exact_response", {}, {}),
]


def made_solver(case: SolverCase) -> tuple[Solver, State, Layout]:
    """A solver of two lanes, its first state, and the layout of a lane."""
    spec = solver_spec(*case)
    setting, environment = spec.sweep.setting(0), spec.environment
    solver = load_program(spec.agent.declaration.program)(setting, environment)
    generators = [np.random.default_rng(lane) for lane in range(LANES)]
    state = solver.initial_state([setting] * LANES, environment.number("gamma"), generators)
    return solver, state, spec.agent.declaration.layout(setting, environment.interface)


def test_every_solver_is_tried() -> None:
    """The cases cover the solvers."""
    assert {name for name, _, _ in SOLVER_CASES} == set(SOLVERS)


def first_quick(cases: Sequence[Any]) -> list[Any]:
    """Cases of which those that are not their agent's first are left to the long proofs."""
    seen: set[str] = set()
    made = []
    for case in cases:
        made.append(pytest.param(case, marks=[pytest.mark.slow] if case[0] in seen else []))
        seen.add(case[0])
    return made


@pytest.mark.parametrize("case", first_quick(SOLVER_CASES), ids=str)
def test_a_solvers_layout_is_its_tensors(case: SolverCase) -> None:
    """State and learned parameters have the declared names, shapes and types, and as many numbers
    are drawn as declared; the tables of the optimum, whose points of cash planning does not know,
    are within the declared shapes."""
    solver, state, layout = made_solver(case)
    assert_is(layout, solver, state)
    assert layout.num_simulation_draws == solver.num_simulation_draws
    assert layout.largest == (case[0] == "dp")


@pytest.mark.parametrize("case", first_quick(SOLVER_CASES), ids=str)
@torch.no_grad()
def test_a_solvers_working_memory_is_bounded(case: SolverCase) -> None:
    """An iteration and an action hold no more than declared, and the bounds are not absurd; an
    iteration reports the declared metrics, and a state tensor keeps its shape and type."""
    solver, state, layout = made_solver(case)
    nothing, now = torch.zeros(LANES, 0), torch.tensor(0)
    draws = torch.rand(LANES, solver.num_simulation_draws)
    normal = torch.randn(LANES, solver.num_agent_draws)
    noise = Noise(nothing, nothing, draws, normal, nothing)
    part = (solver.variant_at(0),) if hasattr(solver, "variant_at") else ()
    assert set(layout.metrics) == set(solver.solve(state, noise, now, *part))
    held = peak_bytes(lambda: solver.solve(state, noise, now, *part))
    assert held <= LANES * layout.update_bytes
    assert case[0] in FIRST_SOLVED or LANES * layout.update_bytes <= 4 * held + SMALL_BYTES
    observations = torch.zeros(
        LANES, EPISODES, solver_spec(*case).environment.interface.observation_dim
    )
    acting = peak_bytes(lambda: solver.act_greedily(state, observations))
    assert acting <= LANES * EPISODES * layout.acting_bytes <= 8 * acting
    assert difference(layout, state) == ""


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


@pytest.mark.parametrize("num_masses", [1000, pytest.param(4000, marks=pytest.mark.slow)])
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
