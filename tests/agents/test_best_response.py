"""Approximate best responses, beside exact ones, and to what recorded runs had learned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from agents.roles.games import SMALL_GAME, made, noise
from environments.rbc.plays import TINY
from environments.worlds import spec_of
from in_process import Outcome, ended

from nthrun.agents.base import State
from nthrun.agents.best_response.program import BestResponse
from nthrun.agents.parents import Parent
from nthrun.agents.registry import AGENTS
from nthrun.analysis.best_responses import Case, Checkpoint
from nthrun.commands.best_responses import _folders, best_responses
from nthrun.commands.rollout import rollout
from nthrun.commands.run import run as main
from nthrun.records.data import open_data
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.training.saved_policy import load_policy

EXACT = {"consumer": 6.634251, "firm": 40_094.2360}
"""Gains of best responses to uniform play in two steps of the tiny game."""


class Responding(NamedTuple):
    """A solver, and the state of some lanes."""

    solver: BestResponse
    state: State


def responding(
    environment: EnvironmentSpec, lanes: int, parent: Parent | None = None, **values: Any
) -> Responding:
    """Best responses, of which the seeds are the numbers of their lanes."""
    declared = AGENTS["best_response"].hyperparameters
    setting = {field.name: field.default for field in declared} | values
    solver = BestResponse(setting, environment)
    generators = [np.random.default_rng(lane) for lane in range(lanes)]
    parents = [parent] * lanes
    return Responding(solver, solver.initial_state([setting] * lanes, 1.0, generators, parents))


def measured(made: Responding, seed: int = 0) -> dict[str, np.ndarray]:
    """Its measures, all lanes with one seed."""
    lanes = len(made.state["gamma"])
    generators = [np.random.default_rng(seed) for _ in range(lanes)]
    return made.solver.measures(made.state, generators)


@pytest.mark.slow
@pytest.mark.parametrize(("role", "steps", "least"), [("firm", 400, 0.98), ("consumer", 400, 0.95)])
def test_a_response_to_uniform_play_gains_nearly_what_there_is(
    role: str, steps: int, least: float
) -> None:
    """In the tiny game, from 4 of 5 seeds at least, and no more than the exact gain but for what is
    left to chance in its evaluation."""
    environment = spec_of("RBC", steps_per_episode=2, **TINY)
    values = {"role": role, "num_worlds": 256, "hidden": (64, 64), "eval_worlds": 8192}
    made = responding(environment, 5, reward_scale=(5.0, 3e4), **values)
    for step in range(steps):
        made.solver.solve(made.state, noise(made.solver, step, 5), torch.tensor(step))
    shares = measured(made)[f"gain_{role}"] / EXACT[role]
    assert (shares >= least).sum() >= 4, shares
    assert (shares <= 1.02).all(), shares


def parent_of(agent_state: State, agent: Any) -> Parent:
    """The parent that a hand-made solver is."""
    params = {n: t[0].numpy().copy() for n, t in agent.learned_params(agent_state).items()}
    return Parent("there", 0, 0, 10, "", "ppo_types", {"reward_scale": (5.0, 3e4, 1e3)}, params)


@pytest.mark.parametrize("deviators", ["type", "one"])
def test_before_anything_is_learned_nothing_is_gained(deviators: str) -> None:
    """A response that begins with what its role had learned gains 0 to the last bit, whoever
    deviates, and its opponents are the parent's."""
    agent, state, environment = made()
    parent = parent_of(state, agent)
    response = responding(
        environment, 2, parent, deviators=deviators, hidden=(16, 16), num_worlds=3, eval_worlds=40
    )
    assert torch.equal(response.state["policy.firm"][1], state["policy.firm"][0])
    assert response.state["reward_scale"].tolist() == [[5.0, 3e4, 1e3]] * 2
    found = measured(response)
    for role in ("consumer", "firm", "government"):
        assert (found[f"gain_{role}"] == 0.0).all()
    before = {name: tensor.clone() for name, tensor in response.state.items()}
    for step in range(2):
        response.solver.solve(response.state, noise(response.solver, step, 2), torch.tensor(step))
    for role in ("consumer", "firm", "government"):
        assert torch.equal(response.state[f"policy.{role}"], before[f"policy.{role}"])
        assert not torch.equal(response.state[f"response.{role}"], before[f"response.{role}"])
    assert "exploitability" in found and "exploitability" not in measured(
        responding(environment, 1, parent, role="firm", hidden=(16, 16), eval_worlds=4)
    )
    found = measured(response)
    scaled = [
        found[f"gain_{role}"] / scale
        for role, scale in (("consumer", 5.0), ("firm", 3e4), ("government", 1e3))
    ]
    assert np.array_equal(found["exploitability"], np.max(scaled, 0))
    np.testing.assert_allclose(found["nash_conv"], np.sum(scaled, 0))


def test_one_agent_deviates_and_its_fellows_do_not() -> None:
    """Where one consumer alone may stop working, the others go on: what it earns is of one, and
    firms lose the work of one."""
    environment = spec_of("RBC", **SMALL_GAME)
    earned = {}
    for deviators in ("type", "one"):
        response = responding(
            environment, 1, role="consumer", deviators=deviators, hidden=(16,), eval_worlds=512
        )
        mlp = response.solver.simulation.plays["consumer"].network.mlp
        named = mlp.named(response.state["response.consumer"], "")
        for part in named.values():
            part.zero_()
        named["bias2"][:, 22] = 100.0  # of the hours, none
        found = measured(response)
        earned[deviators] = float(found["before_consumer"][0]), float(found["after_consumer"][0])
    assert earned["type"][0] == pytest.approx(earned["one"][0], abs=0.6)
    assert earned["one"][1] > earned["type"][1]  # whose fellows make the goods that it buys


ENVIRONMENT = {
    "env_name": "RBC",
    **SMALL_GAME,
    "total_timesteps": 4,
    "eval_interval_timesteps": 2,
    "eval_episodes": 2,
    "snapshot_interval_timesteps": 2,
}
SIZES = {"num_worlds": [4], "hidden": [[16]]}


def run(folder: Path, agent: dict[str, Any], environment: dict[str, Any], *more: str) -> Outcome:
    """The main command on two specs."""
    for name, document in (("e", environment), ("a", agent)):
        (folder / f"{name}.json").write_text(json.dumps(document))
    files = ("--env-json", f"{folder}/e.json", "--agent-json", f"{folder}/a.json")
    return ended(main, *files, "--save-dir", f"{folder}/out", "--workers", "1", *more)


def test_a_sweep_of_responses_is_recorded_by_index(tmp_path: Path) -> None:
    """Role by checkpoint by parent: each index responds to its own, and what its parent was is in
    its provenance; a parent that is not there is told before anything trains."""
    learner = {"agent_name": "ppo_types", "parameters": SIZES | {"lr": [[0.001], [0.01]]}}
    assert run(tmp_path, learner, ENVIRONMENT, "--index", "0-1").code in (None, 0)
    sizes = {**SIZES, "eval_worlds": [8], "parent": ["RBC_ppo_types"]}
    sweep = {"role": ["consumer", "firm"], "parent_step": [0, -1], "parent_index": [1]}
    responder = {"agent_name": "best_response", "parameters": sizes | sweep}
    done = run(tmp_path, responder, ENVIRONMENT, "--index", "0-3")
    assert done.code in (None, 0), done.err
    records = [e.load(()) for e in open_data(tmp_path / "out/RBC_best_response").entries]
    assert len(records) == 4
    for record in records:
        index = record["index"]
        role = sweep["role"][index % 2]
        metrics = record["eval_metrics"]
        assert metrics[f"gain_{role}"][0] == 0.0
        gained = metrics[f"after_{role}"] - metrics[f"before_{role}"]
        np.testing.assert_allclose(metrics[f"gain_{role}"], gained)
        parent = record["provenance"]["parent"]
        step = sweep["parent_step"][index // 2]
        assert parent["step"] == (4 if step < 0 else step)
    source = tmp_path / "out/RBC_best_response"
    played = ended(rollout, source, "--index", "1", "--worlds", "2", "--out", tmp_path / "files")
    assert played.code in (None, 0), played.err
    assert (tmp_path / "files/brfirm/episode_4_firm.npz").is_file()
    [firm] = [record for record in records if record["index"] == 1]
    for role, kind in (("firm", "response"), ("consumer", "policy")):
        model = torch.load(tmp_path / f"files/brfirm/saved_models/{role}_policy_4.pt")
        weight = firm["learned_params"][f"{kind}.{role}.weight1"]
        np.testing.assert_array_equal(model["fc1.weight"].numpy(), weight.T)
    printed = ended(best_responses, tmp_path / "out/RBC_best_response", "--out", tmp_path / "br")
    assert printed.code in (None, 0), printed.err
    for place, line in enumerate(printed.out.splitlines()):
        record = records[(0, 2, 1, 3)[place]]  # consumers at both steps, then firms
        role = record["agent_params"]["role"]
        before, after = (record["eval_metrics"][f"{w}_{role}"][-1] / 4 for w in ("before", "after"))
        assert line == (
            f"mean reward (std) on rollout {record['provenance']['parent']['step']}: "
            f"before BR training {before} (0.0), after BR training {after} (0.0), "
            f"mean improvement {after - before} (0.0)"
        )
    written = sorted((tmp_path / "br").rglob("*.txt"))
    assert [path.name for path in written] == ["br_consumer_output.txt", "br_firm_output.txt"]
    assert "".join(path.read_text() for path in written) == printed.out
    refused = ended(best_responses, tmp_path / "out/RBC_ppo_types")
    assert refused.code == 2 and "runs of ppo_types, allowed: of best_response" in refused.err
    wrong = {"parent": ["../../out/RBC_ppo_types"], "parent_step": [3]}
    bad = {"agent_name": "best_response", "parameters": responder["parameters"] | wrong}
    (tmp_path / "bad").mkdir()
    refused = run(tmp_path / "bad", bad, ENVIRONMENT, "--index", "0")
    assert refused.code == 2
    assert "allowed: 0,2,4" in refused.err
    bad["parameters"] |= {"parent": ["../../out/RBC_best_response"], "parent_step": [-1]}
    refused = run(tmp_path / "bad", bad, ENVIRONMENT, "--index", "0")
    assert refused.code == 2
    assert "its agent is best_response, allowed as a parent of best_response: any but" in (
        refused.err
    )


def test_all_roles_are_rolled_out_and_told_apart(tmp_path: Path) -> None:
    """Of responses of all roles each has its folder, in which it alone plays its response; settings
    of one checkpoint have folders of their own, and the table a row each."""
    sizes = {**SIZES, "eval_worlds": [8], "lr": [[0.001], [0.1]]}
    responder = {"agent_name": "best_response", "parameters": sizes}
    done = run(tmp_path, responder, ENVIRONMENT, "--runs", "2")
    assert done.code in (None, 0), done.err
    source = tmp_path / "out/RBC_best_response"
    played = ended(rollout, source, "--index", "1", "--worlds", "2", "--out", tmp_path / "files")
    assert played.code in (None, 0), played.err
    roles = ("consumer", "firm", "government")
    assert played.out.split() == [f"{tmp_path}/files/br{role}" for role in roles]
    policy = load_policy(source, index=1)
    for responding_role in roles:
        folder = tmp_path / f"files/br{responding_role}"
        for role in roles:
            model = torch.load(folder / f"saved_models/{role}_policy_4.pt")
            kind = "response" if role == responding_role else "policy"
            weight = policy.learned.params[f"{kind}.{role}.weight1"]
            np.testing.assert_array_equal(model["fc1.weight"].numpy(), weight.T)
        state = policy.program.solver.alone(policy.state, responding_role)  # type: ignore[attr-defined]
        acting = {role: state[f"policy.{role}"] for role in roles}
        acting["consumer"] = state["response.consumer"]
        for role, parameters in acting.items():
            kind = "response" if role == responding_role else "policy"
            assert torch.equal(parameters, policy.state[f"{kind}.{role}"])
    printed = ended(best_responses, source, "--out", tmp_path / "br")
    assert len(printed.out.splitlines()) == 6
    names = sorted(str(path.relative_to(tmp_path / "br")) for path in tmp_path.rglob("br_*.txt"))
    expected = [f"none/setting{n}/br_{role}_output.txt" for n in (0, 1) for role in roles]
    assert names == expected
    table = ended(best_responses, source, "--table").out.splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table[2:]]
    whose = [f"{role}, all agents together, answer {n}" for role in roles for n in (0, 1)]
    assert [row[0] for row in cells] == whose
    assert all(row[1] == "uniform play" and row[5] == "2" for row in cells)


def test_files_of_parents_and_stages_are_kept_apart() -> None:
    """Parents of one name in other folders, or of another index or stage, and responses of several
    stages have folders of their own; what the lines tell apart has one."""
    checkpoint = Checkpoint("a/RBC", "type", "firm", 0, 0)
    cases = [Case("a/RBC index 0", 0, checkpoint, 0)]
    cases += [Case(name, 0, checkpoint, 1) for name in ("b/RBC index 0", "a-RBC index 0")]
    cases += [Case("a/RBC index 0 stage 1", 1, checkpoint, 0)]
    cases += [Case("a/RBC index 0", 0, replace(checkpoint, step=9), 5)]
    folders = _folders(cases)
    assert len(set(folders.values())) == 4
    assert folders[cases[0]] == folders[cases[4]] == Path("a-RBC_index_0/stage0")


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "role": (
        "best_response",
        {"role": ["firms"]},
        "got firms, allowed: consumer, firm, government, all",
    ),
    "lr": ("best_response", {"lr": [[0.1, 0.2]]}, "allowed: 1 number for all, or 3 for the game's"),
    "start": ("ppo_types", {"learning_start": [[0, 1]]}, "got [0, 1], allowed: 1 number for all"),
    "grid": (
        "ppo_types",
        {"mask_start": [[1000.0, 20.0, 0.1, 0.0, 0.0]]},
        "got 20 at place 1, of firm, allowed: [0.0, 11.0, 22.0, 33.0, 44.0]",
    ),
    "mask": (
        "pg_types",
        {"mask_start": [[1000.0, 22.0]]},
        "got 2 numbers, allowed in this game: 0, or 5: 0 of consumer, 3 of firm, 2 of government",
    ),
}


@pytest.mark.parametrize(("agent", "parameters", "told"), BAD.values(), ids=BAD)
def test_what_does_not_go_with_the_game_is_told(
    agent: str, parameters: dict[str, Any], told: str, tmp_path: Path
) -> None:
    """In one line, with what is allowed, before anything trains."""
    document = {"agent_name": agent, "parameters": parameters}
    refused = run(tmp_path, document, ENVIRONMENT, "--index", "0")
    assert refused.code == 2
    assert told in refused.err
    assert len(refused.errors) == 1
