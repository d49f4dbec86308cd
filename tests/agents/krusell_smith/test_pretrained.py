"""Runs of learners of an economy with aggregate risk that go on from recorded ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agents.solver_runs import AGGREGATE, SMALL, solver_spec
from checkpoints import attempt, experiment_in
from in_process import Outcome, ended
from packs import pack_of

from nthrun.commands.run import run
from nthrun.errors import InterruptedRunError
from nthrun.records.data import open_data
from nthrun.records.schema import Run, first_difference
from nthrun.training.pack_program import make_program

LEARNERS = ("bellman_ac", "euler_ks")
WORLD = AGGREGATE | {"total_timesteps": 4, "eval_interval_timesteps": 2, "eval_episodes": 0}
STILL: dict[str, dict[str, Any]] = {
    "bellman_ac": {"policy_lr": [1e-30, 2e-30], "value_lr": [1e-30]},
    "euler_ks": {"lr": [1e-30, 2e-30]},
}
"""Step sizes that are next to nothing."""
NETS = {"bellman_ac": ("policy", "value"), "euler_ks": ("policy",)}


def name_of(agent: str) -> str:
    """The name of an agent's directory."""
    return f"KrusellSmith_{agent}"


def after_first(agent: str) -> dict[str, Any]:
    """The hyperparameter that names the first experiment of an agent."""
    return {"pretrained": [f"../first/{name_of(agent)}"]}


def words(
    directory: Path, parameters: dict[str, Any], environment: dict[str, Any], agent: str
) -> list[str]:
    """Write the specs of a small experiment; returns the options that name them."""
    files = {
        "environment": WORLD | environment,
        "agent": {"agent_name": agent, "parameters": SMALL[agent] | parameters},
    }
    for name, content in files.items():
        (directory / f"{name}.json").write_text(json.dumps(content))
    named = (f"{directory}/{name}.json" for name in files)
    return ["--env-json", next(named), "--agent-json", next(named), "--backend", "eager"]


def trained(
    directory: Path,
    save_dir: str,
    parameters: dict[str, Any] | None = None,
    *more: str,
    agent: str = "bellman_ac",
    **environment: Any,
) -> Outcome:
    """Train two small runs by the real command, or do with them what `more` says."""
    options = words(directory, parameters or {}, environment, agent)
    return ended(run, *options, "--save-dir", directory / save_dir, "--index", "0-1", *more)


def recorded(directory: Path, agent: str) -> list[Run]:
    """The records of an experiment, by index."""
    runs = (entry.load(()) for entry in open_data(directory / name_of(agent)).entries)
    return sorted(runs, key=lambda made: made["index"])


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two recorded runs of each learner."""
    directory = tmp_path_factory.mktemp("pretrained")
    for agent in LEARNERS:
        assert trained(directory, "first", agent=agent).code == 0
    return directory


@pytest.mark.parametrize("agent", LEARNERS)
def test_a_run_begins_with_its_parents_networks(first: Path, agent: str) -> None:
    """Each run begins with the networks of the run that its setting names, whatever else shares its
    pack, and with fresh optimisers."""
    rate = "policy_lr" if agent == "bellman_ac" else "lr"
    named = after_first(agent) | {"parent_index": [0, 1], rate: [0.002]}
    spec = solver_spec(agent, named, WORLD)
    pack = pack_of(spec, [0, 1])
    program = make_program(pack, spec, first / "second")
    state = program.initial_state(pack)
    learned = program.learned_params(state)
    for lane, parent in enumerate(recorded(first / "first", agent)):
        params = parent["learned_params"]
        assert sorted(learned) == sorted(params)
        for name, array in params.items():
            assert np.array_equal(learned[name][lane].numpy(), array), name
        assert all(params[f"{net}.weight2"].any() for net in NETS[agent])
    for net in NETS[agent]:
        assert not state[f"{net}.mean"].any()
        assert not state[f"{net}.square"].any()
        assert torch.equal(state[f"good.{net}"], state[net])


@pytest.mark.parametrize("agent", LEARNERS)
def test_a_run_that_does_not_move_keeps_its_parents_networks(first: Path, agent: str) -> None:
    """Records of runs whose steps are next to nothing hold the parent's networks, name the parent,
    and are verified."""
    still = after_first(agent) | {"parent_index": [1]} | STILL[agent]
    assert trained(first, "still", still, agent=agent).code == 0
    parent = recorded(first / "first", agent)[1]["learned_params"]
    for made in recorded(first / "still", agent):
        assert made["provenance"]["parent"]["index"] == 1
        for name, array in made["learned_params"].items():
            np.testing.assert_allclose(array, parent[name], rtol=0, atol=1e-25)
    verified = trained(first, "still", still, "--verify", agent=agent)
    assert verified.code == 0
    assert verified.out.split("\n")[:2] == ["index 0: equal", "index 1: equal"]


@pytest.mark.parametrize("agent", LEARNERS)
def test_it_goes_on_after_an_interruption(first: Path, agent: str) -> None:
    """Interrupted, a run that began with another's networks ends with every bit of an undisturbed
    one."""
    often = WORLD | {"checkpoint_interval_seconds": 1e-9}
    spec, name = solver_spec(agent, after_first(agent), often), name_of(agent)
    experiment = experiment_in(first / "again" / name, spec)
    undisturbed = attempt(spec, experiment_in(first / "whole" / name, spec), [0], None)
    with pytest.raises(InterruptedRunError):
        attempt(spec, experiment, [0], 2)
    [continued] = attempt(spec, experiment, [0], None)
    assert [each["step"] for each in continued["provenance"]["attempts"]] == [0, 2]
    assert first_difference(continued, undisturbed[0]) is None


REFUSED: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "missing": (
        "euler_ks",
        {"pretrained": ["nothing"]},
        {},
        "{out}/nothing: not an experiment directory",
    ),
    "not recorded": (
        "bellman_ac",
        {"parent_index": [5]},
        {},
        "parent_index 5: not recorded in {save}/first/KrusellSmith_bellman_ac, which has 0-1",
    ),
    "other sizes": (
        "bellman_ac",
        {"policy_hidden": [[8]]},
        {},
        "../first/KrusellSmith_bellman_ac: index 0: its policy_hidden is [16], allowed: [8]",
    ),
    "other sizes of the only network": (
        "euler_ks",
        {"hidden": [[16, 16]]},
        {},
        "../first/KrusellSmith_euler_ks: index 0: its hidden is [16], allowed: [16, 16]",
    ),
    "another activation": (
        "bellman_ac",
        {"activation": ["tanh"]},
        {},
        "../first/KrusellSmith_bellman_ac: index 0: its activation is 'relu', allowed: 'tanh'",
    ),
    "another economy": (
        "euler_ks",
        {},
        {"moments": 2},
        "{save}/first/KrusellSmith_euler_ks: moments of its environment is 1, allowed: 2",
    ),
    "another agent": (
        "bellman_ac",
        {"pretrained": ["../first/KrusellSmith_euler_ks"]},
        {},
        "../first/KrusellSmith_euler_ks: index 0: its agent is euler_ks, allowed: bellman_ac",
    ),
    "the other agent": (
        "euler_ks",
        {"pretrained": ["../first/KrusellSmith_bellman_ac"]},
        {},
        "../first/KrusellSmith_bellman_ac: index 0: its agent is bellman_ac, allowed: euler_ks",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_parent_that_is_no_start_is_told(first: Path, what: str) -> None:
    """A parent that is missing, learned other networks or in another economy, or is of another
    agent is one line before anything is made."""
    agent, parameters, environment, problem = REFUSED[what]
    named = after_first(agent) | parameters
    outcome = trained(first, "refused", named, agent=agent, **environment)
    assert outcome.code == 2
    [line] = [each for each in outcome.errors if each.startswith("error: ")]
    assert line.startswith("error: index 0-1: " + problem.format(out=first / "refused", save=first))
    assert not (first / "refused").exists()
