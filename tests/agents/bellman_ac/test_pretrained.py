"""Runs of the actor and the critic of the Bellman equation that go on from recorded ones."""

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

NAME = "KrusellSmith_bellman_ac"
FIRST = {"pretrained": [f"../first/{NAME}"]}
WORLD = AGGREGATE | {"total_timesteps": 4, "eval_interval_timesteps": 2, "eval_episodes": 0}


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


def recorded(directory: Path) -> list[Run]:
    """The records of an experiment, by index."""
    runs = (entry.load(()) for entry in open_data(directory / NAME).entries)
    return sorted(runs, key=lambda made: made["index"])


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two recorded runs."""
    directory = tmp_path_factory.mktemp("pretrained")
    assert trained(directory, "first").code == 0
    return directory


def test_a_run_begins_with_its_parents_networks(first: Path) -> None:
    """Each run begins with the policy and the value of the run that its setting names, whatever
    else shares its pack, and with fresh optimisers."""
    spec = solver_spec("bellman_ac", FIRST | {"parent_index": [0, 1], "policy_lr": [0.002]}, WORLD)
    pack = pack_of(spec, [0, 1])
    program = make_program(pack, spec, first / "second")
    state = program.initial_state(pack)
    learned = program.learned_params(state)
    for lane, parent in enumerate(recorded(first / "first")):
        params = parent["learned_params"]
        assert params["policy.weight2"].any()
        assert params["value.weight2"].any()
        assert sorted(learned) == sorted(params)
        for name, array in params.items():
            assert np.array_equal(learned[name][lane].numpy(), array), name
    for net in ("policy", "value"):
        assert not state[f"{net}.mean"].any()
        assert not state[f"{net}.square"].any()
        assert torch.equal(state[f"good.{net}"], state[net])


def test_a_run_that_does_not_move_keeps_its_parents_networks(first: Path) -> None:
    """Records of runs whose steps are next to nothing hold the parent's networks, name the parent,
    and are verified."""
    still = FIRST | {"parent_index": [1], "policy_lr": [1e-30, 2e-30], "value_lr": [1e-30]}
    assert trained(first, "still", still).code == 0
    parent = recorded(first / "first")[1]["learned_params"]
    for made in recorded(first / "still"):
        assert made["provenance"]["parent"]["index"] == 1
        for name, array in made["learned_params"].items():
            np.testing.assert_allclose(array, parent[name], rtol=0, atol=1e-25)
    verified = trained(first, "still", still, "--verify")
    assert verified.code == 0
    assert verified.out.split("\n")[:2] == ["index 0: equal", "index 1: equal"]


def test_it_goes_on_after_an_interruption(first: Path) -> None:
    """Interrupted, a run that began with another's networks ends with every bit of an undisturbed
    one."""
    spec = solver_spec("bellman_ac", FIRST, WORLD | {"checkpoint_interval_seconds": 1e-9})
    experiment = experiment_in(first / "again" / NAME, spec)
    undisturbed = attempt(spec, experiment_in(first / "whole" / NAME, spec), [0], None)
    with pytest.raises(InterruptedRunError):
        attempt(spec, experiment, [0], 2)
    [continued] = attempt(spec, experiment, [0], None)
    assert [each["step"] for each in continued["provenance"]["attempts"]] == [0, 2]
    assert first_difference(continued, undisturbed[0]) is None


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "missing": (
        {"pretrained": ["nothing"]},
        {},
        "{out}/nothing: not an experiment directory",
    ),
    "not recorded": (
        {"parent_index": [5]},
        {},
        f"parent_index 5: not recorded in {{save}}/first/{NAME}, which has 0-1",
    ),
    "other sizes": (
        {"policy_hidden": [[8]]},
        {},
        f"../first/{NAME}: index 0: its policy_hidden is [16], allowed: [8]",
    ),
    "another activation": (
        {"activation": ["tanh"]},
        {},
        f"../first/{NAME}: index 0: its activation is 'relu', allowed: 'tanh'",
    ),
    "another economy": (
        {},
        {"moments": 2},
        f"{{save}}/first/{NAME}: moments of its environment is 1, allowed: 2",
    ),
    "another agent": (
        {"pretrained": ["../other/KrusellSmith_euler_ks"]},
        {},
        "../other/KrusellSmith_euler_ks: index 0: its agent is euler_ks, allowed: bellman_ac",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_parent_that_is_no_start_is_told(first: Path, what: str) -> None:
    """A parent that is missing, learned other networks or in another economy, or is of another
    agent is one line before anything is made."""
    if what == "another agent" and not (first / "other").exists():
        assert trained(first, "other", agent="euler_ks").code == 0
    parameters, environment, problem = REFUSED[what]
    outcome = trained(first, "refused", FIRST | parameters, **environment)
    assert outcome.code == 2
    [line] = [each for each in outcome.errors if each.startswith("error: ")]
    assert line.startswith("error: index 0-1: " + problem.format(out=first / "refused", save=first))
    assert not (first / "refused").exists()
