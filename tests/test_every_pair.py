"""Every agent trains in every environment it fits, through the main command."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nthrun.agents.registry import AGENTS
from nthrun.commands.run import run as main
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.errors import SpecError
from nthrun.legacy.conventions import ENVIRONMENTS as VARIANTS
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.data import open_data
from nthrun.records.experiment import open_experiment
from nthrun.records.schema import first_difference

STEPS = 40
PROTOCOL = {
    "total_timesteps": STEPS,
    "steps_per_episode": 20,
    "eval_interval_timesteps": STEPS // 2,
    "eval_episodes": 1,
}
ITERATIONS = {"total_timesteps": 20, "eval_interval_timesteps": 20}
"""What of the protocol is another for solvers, each of whose steps simulates many."""
SMALL = {
    "hidden_dim": 16,
    "batch_size": 4,
    "replay_capacity": 100,
    "n_steps": 16,
    "num_tilings": 2,
    "num_bins": 2,
    "num_starts": 2,
    "num_search_steps": 1,
    "num_candidates": 4,
    "num_elites": 2,
    "num_samples": 3,
    "n_rho": [[10, 0.2]],
    "n_trajectories": 4,
    "policy_hidden": [[8, 8]],
    "value_hidden": [[8]],
    "hidden": [[8]],
    "off_path_households": 4,
    "num_points": 100,
    "num_choices": 50,
    "capital_step": 0.5,
    "tolerance": 0.01,
    "num_worlds": 2,
    "horizon": 3,
    "max_histories": 10**13,
    "eval_worlds": 4,
}
"""Sizes that keep this quick, for agents that have them."""
MISFIT = re.compile("actions|features|bounded|episodes|solves|game")
OF_ONE = {
    "GHM": {"horizon": 0.2, "gamma": 1.0},
    "Bewley": {"households": 3, "ability_states": 3, "gamma": 0.96},
    "KrusellSmith": {"households": 3, "preset": "jedc", "gamma": 0.99},
    "RBC": {"num_consumers": 3, "num_firms": 2},
}
"""What an environment needs for episodes as short as these."""


def policies(agent: str) -> list[str]:
    """The policy types of an agent; one empty name if it has none."""
    fields = AGENTS[agent].hyperparameters
    return [choice for f in fields if f.name == "policy_type" for choice in f.choices] or [""]


def by_actions(agent: str) -> list[list[str]]:
    """The policy types of an agent for continuous and for discrete actions."""
    made = {
        policy: {spec.environment.interface.discrete for *_, spec in fitting(agent, policy)}
        for policy in policies(agent)
    }
    kinds = [[policy for policy in made if discrete in made[policy]] for discrete in (False, True)]
    return kinds if kinds[0] != kinds[1] else kinds[:1]


def documents(agent: str, policy: str, environment: str, continuous: bool) -> list[dict[str, Any]]:
    """The environment's and the agent's documents."""
    names = {field.name for field in AGENTS[agent].hyperparameters}
    parameters: dict[str, Any] = {n: value for n, value in SMALL.items() if n in names}
    parameters |= {"policy_type": policy} if policy else {}
    return [
        {
            "env_name": environment,
            "continuous": continuous,
            **PROTOCOL,
            **(ITERATIONS if AGENTS[agent].solves else {}),
            **OF_ONE.get(environment, {}),
        },
        {"agent_name": agent, "parameters": parameters},
    ]


def fitting(agent: str, policy: str) -> Iterator[tuple[str, list[dict[str, Any]], ExperimentSpec]]:
    """The environments an agent fits, with their documents and specs, but for those that differ
    from another in a number; a solver is refused by the others in one line."""
    for name, declared in ENVIRONMENTS.items():
        if name in VARIANTS.values():
            continue
        for continuous in declared.continuous:
            made = documents(agent, policy, name, continuous)
            try:
                spec = experiment_spec_of(*made, "test")
            except SpecError as error:
                assert all(MISFIT.search(fault.problem) for fault in error.faults), error
                assert len(error.faults) == 1 or not AGENTS[agent].solves, error
                continue
            yield f"{name}-{continuous}", made, spec


CASES = [(agent, policy) for agent in AGENTS for policy in policies(agent)]
USUAL = [(agent, kind[0]) for agent in AGENTS for kind in by_actions(agent) if kind]
"""An agent's first policy type for continuous actions, and its first for discrete ones."""
QUICK_COMPILED = [(agent, policies(agent)[0]) for agent in ("FKL",)]
FIRST_ONLY = [
    pytest.param(
        *case,
        backend,
        marks=[pytest.mark.slow] if backend == "compile" and case not in QUICK_COMPILED else [],
    )
    for case in USUAL
    for backend in ("eager", "compile")
    if backend == "eager" or not AGENTS[case[0]].solves
]
"""Every usual case with both backends, but for solvers, which are not compiled; native code is
left to the long proofs but for one agent, beside SAC and the linear agents, which have tests of
their own."""


def trained(
    tmp_path: Path, made: list[dict[str, Any]], spec: ExperimentSpec, backend: str, indices: str
) -> dict[int, Any]:
    """Index -> record of indices that the main command trained."""
    tmp_path.mkdir(parents=True)
    arguments = ["--index", indices, "--backend", backend, "--save-dir", str(tmp_path)]
    for option, document in zip(("--env-json", "--agent-json"), made, strict=True):
        file = tmp_path / f"{option[2:]}"
        file.with_suffix(".json").write_text(json.dumps(document))
        arguments += [option, str(file.with_suffix(".json"))]
    assert main.main([*arguments, "--workers", "1"], standalone_mode=False) in (None, 0)
    root = spec.directory(str(tmp_path))
    assert open_experiment(root).manifest.backend == backend
    runs = [entry.load(()) for entry in open_data(root).entries]
    return {run["index"]: run for run in runs}


EVERYWHERE = [
    pytest.param(*case, marks=[] if case[0] in ("SAC", "PPO", "random") else [pytest.mark.slow])
    for case in USUAL
]
"""Every usual case; but for a few agents, whether they fit is left to the long proofs."""


@pytest.mark.parametrize(("agent", "policy"), EVERYWHERE)
def test_an_agent_trains_wherever_it_fits(agent: str, policy: str, tmp_path: Path) -> None:
    """It completes its steps in every environment it fits; a solver fits those it can simulate."""
    cases = list(fitting(agent, policy))
    assert len(cases) >= (1 if AGENTS[agent].solves else 3)
    for name, made, spec in cases:
        for run in trained(tmp_path / name, made, spec, "eager", "0-1").values():
            steps = spec.environment.total_timesteps
            assert (run["status"], run["total_timesteps"]) == ("completed", steps), name


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "policy"), CASES)
def test_an_index_has_the_same_bits_wherever_an_agent_fits(
    agent: str, policy: str, tmp_path: Path
) -> None:
    """In every environment it fits, an index has the same bits alone and in a pack."""
    for name, made, spec in fitting(agent, policy):
        pack = trained(tmp_path / name / "pack", made, spec, "eager", "0-2")
        alone = trained(tmp_path / name / "alone", made, spec, "eager", "1")
        assert first_difference(pack[1], alone[1]) is None, name


@pytest.mark.parametrize(("agent", "policy", "backend"), FIRST_ONLY)
def test_an_index_has_the_same_bits_alone_and_in_a_pack(
    agent: str, policy: str, backend: str, tmp_path: Path
) -> None:
    """In the first environment it fits, eager and as native code."""
    name, made, spec = next(fitting(agent, policy))
    indices = "1-2" if AGENTS[agent].solves else "0-2"
    pack = trained(tmp_path / "pack", made, spec, backend, indices)
    alone = trained(tmp_path / "alone", made, spec, backend, "2")
    assert first_difference(pack[2], alone[2]) is None, name
