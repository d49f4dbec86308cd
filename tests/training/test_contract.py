"""Slips of users' own classes are told on the first step, by name, whatever the backend."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from packs import BACKENDS, pack_of, train
from slips import SlippingAgent

from nthrun.commands.run import run as main
from nthrun.errors import ContractError, RunFailedError, SpecError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.training.backends import try_compiled
from nthrun.training.context import make_context
from nthrun.training.loop import Training

PROTOCOL = {
    "total_timesteps": 10,
    "steps_per_episode": 5,
    "eval_interval_timesteps": 5,
    "eval_episodes": 2,
}
OWN = "slips:SlippingAgent"
ONE_LANE = "for 1 lane, allowed: (1, ...)"
OF_AGENT = {
    "no state": "initial_state gives None, allowed: a dict of tensors",
    "a state without lanes": f"initial_state gives 'count' of shape (3,) {ONE_LANE}",
    "a state of lists": "initial_state gives 'count': [0.0], allowed: a tensor",
    "a state of one lane": "initial_state gives 'count' of shape (1, 1) for 2 lanes",
    "a flat action": "act gives shape (1, 1) for 1 lane, allowed: (1, 1, 1)",
    "one greedy action": "act_greedily gives shape (1, 1, 1) for 1 lane, allowed: (1, 3, 1)",
    "a growing state": "its state's 'count' is (1, 2) after a step, (1, 1) before, allowed: the",
    "no metrics": "update gives None, allowed: a dict, {} for nothing",
    "a scalar metric": "the metric 'loss' of update gives shape () for 1 lane, allowed: (1,)",
    "a wide metric": "the metric 'loss' of update gives shape (1, 1) for 1 lane, allowed: (1,)",
    "a whole metric": "the metric 'loss' of update gives int64, allowed: float32",
    "a metric of Python": "the metric 'loss' of update gives 0.0, allowed: a tensor of shape (1,)",
    "parameters without lanes": f"learned_params gives 'weights' of shape (3, 2) {ONE_LANE}",
    "a parameter without axes": f"learned_params gives 'weights' of shape () {ONE_LANE}",
    "parameters of all lanes": "the learned 'weights' has shape (1, 1) for one lane and (2, 2) for",
    "parameters of numpy": "learned_params gives 'weights': array([[0., 0.]]), allowed: a tensor",
}
OF_TENSORS = {
    "a long state": "reset gives shape (1, 1, 3) for 1 lane, allowed: (1, 1, 2)",
    "a long observation": "observe gives shape (1, 1, 2) for 1 lane, allowed: (1, 1, 1)",
    "a flat observation": "observe gives shape (1, 1) for 1 lane, allowed: (1, 1, 1)",
    "a flat reward": "the reward of step gives shape (1, 1) for 1 lane, allowed: (1, 1, 1)",
    "a whole reward": "the reward of step gives int64, allowed: float32",
    "a flat end": "the terminated of step gives shape (1, 1) for 1 lane, allowed: (1, 1, 1)",
    "a short state": "the state of step gives shape (1, 1, 1) for 1 lane, allowed: (1, 1, 2)",
    "a reward of Python": "the reward of step gives 0.0, allowed: a tensor of shape (1, 1, 1)",
    "a tuple": "step gives (tensor([[[0., 0.]]]), tensor([[[0.]]]), tensor([[[0.]]])), allowed: ",
}
OF_WORLD = {
    "a short start": "the observation of reset has shape (1,), allowed: (2,)",
    "a short observation": "the observation of step has shape (1,), allowed: (2,)",
    "five parts": "step gives (array([0., 0.], dtype=float32), 0.0, False, False, {}), allowed: ",
    "nothing": "step gives None, allowed: (observation, reward, terminated, truncated)",
    "rewards": "the reward of step is array([0., 0.]), allowed: one number",
    "no end": "the terminated of step is None, allowed: one number",
}


def spec_of(
    agent: str = "random", environment: str = "Pendulum-v1", slip: str = "none"
) -> ExperimentSpec:
    """An own agent with a slip, or an agent in an environment with one."""
    parameters = {"slip": [slip]} if agent.startswith("slips:") else {}
    document = {"agent_name": agent, "parameters": parameters}
    world: dict[str, object] = {"env_name": environment}
    if environment == "GHM":
        world |= {"horizon": 10.0, "dt": 1.0, "steps_per_episode": 10}
    if environment.startswith("slips:"):
        world["slip"] = slip
    return experiment_spec_of(PROTOCOL | world, document, "e")


def told(spec: ExperimentSpec, backend: str) -> str:
    """The one line that training ends with."""
    with pytest.raises(ContractError) as broken:
        train(spec, [0], context=make_context(spec, backend))
    [line] = broken.value.lines()
    assert line.endswith("hint: docs/extending.md has an example")
    return line


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("slip", OF_AGENT)
def test_a_slip_of_an_agent_is_told(slip: str, backend: str) -> None:
    """What an own agent gives that it must not is named, with the class, in either backend, in the
    same words."""
    line = told(spec_of("slips:SlippingAgent", slip=slip), backend)
    assert line.startswith("slips:SlippingAgent: ")
    assert OF_AGENT[slip] in line


@pytest.mark.parametrize("slip", OF_TENSORS)
def test_a_slip_of_an_environment_is_told(slip: str) -> None:
    """What an own environment of tensors gives that it must not is named, with the class."""
    line = told(spec_of(environment="slips:SlippingTensors", slip=slip), "eager")
    assert line.startswith("slips:SlippingTensors: ")
    assert OF_TENSORS[slip] in line


@pytest.mark.parametrize("slip", OF_WORLD)
def test_a_slip_of_a_world_on_the_host_is_told(slip: str) -> None:
    """What a world on the host gives that it must not is named, with the class."""
    line = told(spec_of(environment="slips:SlippingWorld", slip=slip), "eager")
    assert line.startswith("slips:SlippingWorld: ")
    assert OF_WORLD[slip] in line


@pytest.mark.parametrize("slip", ["no metrics", "parameters without lanes"])
def test_a_slip_of_a_solver_is_told(slip: str) -> None:
    """So is what an own solver gives."""
    line = told(spec_of("slips:SlippingSolver", "GHM", slip), "eager")
    assert {"no metrics": "solve gives None", "parameters without lanes": "'count'"}[slip] in line


@pytest.mark.parametrize(
    ("agent", "environment"),
    [
        ("slips:SlippingAgent", "Pendulum-v1"),
        ("slips:SlippingAgent", "slips:SlippingWorld"),
        ("slips:SlippingAgent", "slips:SlippingTensors"),
        ("slips:SlippingSolver", "GHM"),
    ],
)
def test_classes_without_a_slip_train(agent: str, environment: str) -> None:
    """A class that keeps its contract trains; the check leaves no trace in its record."""
    spec = spec_of(agent, environment)
    run = train(spec, [0])[0]
    assert run["status"] == "completed"
    assert run["total_timesteps"] == 10


def test_the_check_touches_nothing_of_what_trains() -> None:
    """The agent that trains is called for its own steps alone."""
    training = Training(pack_of(spec_of(OWN), [0]), make_context(spec_of(OWN)))
    agent = training.program.agent
    assert isinstance(agent, SlippingAgent)
    assert agent.calls == 0
    training.run()
    assert agent.calls == 10


def test_a_slip_is_told_before_anything_is_made(tmp_path: Path) -> None:
    """The main command ends with it before it makes a directory, as with any bad input."""
    with pytest.raises(ContractError, match="learned_params gives 'weights'") as broken:
        try_compiled(spec_of("slips:SlippingAgent", slip="parameters without lanes"), "cpu")
    assert broken.value.exit_code == 2


def test_an_initial_state_that_raises_fails_its_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An own agent that raises something while a command plans or begins fails the run it concerns,
    with what it raised; the others complete."""
    (tmp_path / "agent.json").write_text(
        '{"agent_name": "slips:SlippingAgent", "parameters": {"slip": ["raises", "none"]}}'
    )
    (tmp_path / "environment.yaml").write_text("env_name: Pendulum-v1\ntotal_timesteps: 10\n")
    specs = ["--env-json", f"{tmp_path}/environment.yaml", "--agent-json", f"{tmp_path}/agent.json"]
    where = ["--save-dir", f"{tmp_path}/out", "--index", "0-1", "--workers", "1"]
    with pytest.raises(RunFailedError, match="failed: index 0"):
        main.main([*specs, *where], standalone_mode=False)
    said = capsys.readouterr().out
    assert "index 0: failed, 0 steps, ValueError: no such setting (" in said
    assert "index 1: completed" in said


INTERFACES = {
    "(0.0,), (1.0,), (-1.0,), ()": "action_low has 1 numbers and action_high 0",
    "(0.0,), (1.0, 2.0), (-1.0,), (1.0,)": "observation_low has 1 numbers and observation_high 2",
    "(0.0,), (1.0,), (1.0,), (-1.0,)": "action_low[0] is 1.0 and action_high[0] -1.0",
    "(2.0,), (1.0,), (-1.0,), (1.0,)": "observation_low[0] is 2.0 and observation_high[0] 1.0",
    "(0.0,), (1.0,), (float('nan'),), (1.0,)": "action_low[0] is nan and action_high[0] 1.0",
    "(0.0,), (1.0,), (-1.0,), (float('inf'),)": "actions are not bounded",
    "(0.0,), (1.0,)": "it has neither, allowed: num_actions or action_low and action_high",
    "(0.0,), (1.0,), (-1.0,), (1.0,), 3": "it has both num_actions and bounds, allowed",
    "(), (), (-1.0,), (1.0,)": "an observation has no component",
    "(0.0,), (1.0,), (-1.0,), (1.0,), state_dim=-1": "a count is negative",
}


@pytest.mark.parametrize("form", ["interface = {}", "interface = staticmethod(lambda values: {})"])
@pytest.mark.parametrize("arguments", INTERFACES)
def test_an_interface_that_cannot_be_is_told(
    arguments: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounds that are no bounds, and actions of no kind or of both, are one line of the spec."""
    monkeypatch.syspath_prepend(tmp_path)
    name = f"cannot_be_{zlib.crc32((arguments + form).encode())}"
    body = form.format(f"Interface({arguments})")
    head = "from nthrun import Interface\n\n\nclass Own:\n    "
    (tmp_path / f"{name}.py").write_text(f"{head}{body}\n")
    with pytest.raises(SpecError) as refused:
        spec_of(environment=f"{name}:Own")
    [line] = refused.value.lines()
    assert line.startswith(f"e: env_name: got '{name}:Own': its `interface` ")
    assert INTERFACES[arguments] in line
