"""The control suite: every task plays an episode again, and what cannot be played is told."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest
from packs import train
from processes import ROOT

from nthrun.environments.from_dm_control.declaration import control_suite, load_task
from nthrun.environments.from_dm_control.program import ControlTask
from nthrun.errors import DeviceError, SpecError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.planning.packs import Pack
from nthrun.training.hosted_program import HostedProgram

pytest.importorskip("dm_control")

UNBOUNDED = {("lqr", "lqr_2_1"), ("lqr", "lqr_6_2")}
RENDERED = {("quadruped", "escape")}
FEW = [("cartpole", "swingup"), ("pendulum", "swingup"), ("point_mass", "hard")]


def spec_of(domain: str, task: str) -> ExperimentSpec:
    """Random actions in a task."""
    environment = {"env_name": domain, "task_name": task, "platform": "dmcontrol"}
    agent = {"agent_name": "random", "parameters": {}}
    return experiment_spec_of({"total_timesteps": 10} | environment, agent, "e")


def played(world: ControlTask, seed: int, actions: np.ndarray) -> list[bytes]:
    """The bits of what an episode shows."""
    shown = [world.reset(seed).tobytes()]
    for action in actions:
        observation, reward, *_ = world.step(action.copy())
        shown.append(observation.tobytes() + np.float64(reward).tobytes())
    return shown


def replays(domain: str, task: str) -> bool:
    """Whether two worlds, of which one has played another episode before, show the same for the
    same seed and actions, and other things for others."""
    environment = spec_of(domain, task).environment
    interface = environment.interface
    draw = np.random.default_rng(0)
    shape = (20, interface.action_dim)
    actions = draw.uniform(interface.action_low, interface.action_high, shape).astype(np.float32)
    fresh, used = ControlTask(environment), ControlTask(environment)
    other = played(used, 5, actions[::-1])
    again = played(used, 2**32 - 1, actions)
    return played(fresh, 2**32 - 1, actions) == again != other


@pytest.mark.parametrize(("domain", "task"), FEW)
def test_an_episode_is_a_function_of_its_seed_and_actions(domain: str, task: str) -> None:
    """In two worlds, whatever one has played before, the same seed and actions show the same."""
    assert replays(domain, task)


@pytest.mark.slow
def test_every_task_is_replayed() -> None:
    """So it is in every task of the suite whose actions have bounds and that can be played here."""
    tasks = set(control_suite("every task").ALL_TASKS) - UNBOUNDED
    assert len(tasks) > 40
    unlike = []
    for task in sorted(tasks):
        try:
            unlike += [] if replays(*task) else [task]
        except SpecError as error:
            assert task in RENDERED, error
    assert not unlike


@pytest.mark.parametrize(("domain", "task"), sorted(UNBOUNDED))
def test_a_task_without_bounds_is_refused(domain: str, task: str) -> None:
    """A task whose actions have no bounds to speak of is refused in a line; its dynamics, which it
    draws while it is loaded, are nevertheless always the same."""
    with pytest.raises(SpecError) as refused:
        spec_of(domain, task)
    [line] = refused.value.lines()
    assert line.startswith(f"e: task_name: {domain} {task}: actions from -1e+10 to 1e+10")
    masses = [load_task(domain, task).physics.model.body_mass.tobytes() for _ in range(2)]
    stiffness = [load_task(domain, task).physics.model.jnt_stiffness.tobytes() for _ in range(2)]
    assert masses[0] == masses[1]
    assert stiffness[0] == stiffness[1]


def test_a_task_that_cannot_begin_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task whose first episode fails, as where it draws and there is no renderer, is one line
    that says so."""

    def fail(self: object) -> None:
        raise RuntimeError("No OpenGL rendering backend is available.")

    monkeypatch.setattr("dm_control.rl.control.Environment.reset", fail)
    with pytest.raises(SpecError) as refused:
        spec_of("cartpole", "swingup")
    [line] = refused.value.lines()
    assert "cartpole swingup cannot begin an episode here (RuntimeError: No OpenGL" in line
    assert "hint: set MUJOCO_GL" in line


def test_a_suite_that_cannot_be_imported_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where dm_control is installed and yet cannot be imported, as with a renderer that is not
    here, the line names the variable that chooses one, and nothing to install."""
    monkeypatch.setitem(sys.modules, "dm_control.suite", None)
    with pytest.raises(DeviceError) as refused:
        spec_of("cartpole", "swingup")
    [line] = refused.value.lines()
    assert "hint: MUJOCO_GL chooses the renderer" in line
    assert "pip install" not in line


def test_the_example_of_the_documentation_runs() -> None:
    """The spec that docs/environments.md shows is complete, but for its length."""
    text = (ROOT / "docs/environments.md").read_text()
    examples = re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    [example] = [each for each in examples if "dmcontrol" in each]
    environment = json.loads(example) | {"total_timesteps": 20}
    spec = experiment_spec_of(environment, {"agent_name": "random", "parameters": {}}, "e")
    assert spec.directory("here").name == "cartpole-swingup_random_Uniform"
    assert train(spec, [0])[0]["status"] == "completed"


def test_a_threshold() -> None:
    """A reward below the threshold is 0, and above it its share of the way to 1."""
    world = {"env_name": "pendulum", "task_name": "swingup", "platform": "dmcontrol"}
    agent = {"agent_name": "random", "parameters": {}}
    rewards = {"total_timesteps": 10, "rewards": {"threshold": 0.2}}
    spec = experiment_spec_of(world | rewards, agent, "e")
    program = HostedProgram(Pack((), {}), spec.environment, spec.agent.declaration.program)
    reward = np.array([0.0, 0.2, 0.6, 1.0])
    program.change_rewards(reward, np.zeros(4, bool), [1, 2, 3, 4])
    assert reward.tolist() == pytest.approx([0.0, 0.0, 0.5, 1.0])
    with pytest.raises(SpecError, match=r"rewards\.threshold: got 1\.0, allowed"):
        experiment_spec_of(world | rewards | {"rewards": {"threshold": 1}}, agent, "e")
