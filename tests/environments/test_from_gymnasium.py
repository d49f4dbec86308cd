"""Environments on the host: Gymnasium's own numbers, seeds and ends of episodes."""

from __future__ import annotations

import importlib
import json
import re
import sys
import tomllib
from typing import Any

import gymnasium
import numpy as np
import pytest
from packs import train
from processes import ROOT

from nthrun.environments.from_gymnasium.declaration import interface_of
from nthrun.environments.from_gymnasium.program import GymnasiumEnvironment
from nthrun.environments.host_environment import UnsupportedSpaceError
from nthrun.environments.viewer import GymnasiumViewer
from nthrun.errors import DeviceError, MissingExtraError, SpecError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.schema import Run
from nthrun.training.context import make_context
from nthrun.training.hosted_program import HostedProgram
from nthrun.training.monitor import Monitor

SERIES = ["train_states", "train_actions", "train_rewards"]
LONGER_GAMES = ("Asterix", "Freeway", "Seaquest", "SpaceInvaders")
MINATAR = [
    "Breakout",
    *(pytest.param(name, marks=pytest.mark.slow) for name in LONGER_GAMES),
]
ECHO = {"env_name": "environments.registered:maze/Echo-v0", "platform": "gymnasium"}
PROTOCOL = {"total_timesteps": 150, "steps_per_episode": 40, "record": SERIES}


def spec_of(environment: dict[str, Any], agent: str = "random") -> ExperimentSpec:
    """A short experiment on the host."""
    return experiment_spec_of(PROTOCOL | environment, {"agent_name": agent, "parameters": {}}, "e")


def gymnasium_replay(name: str, run: Run, seeds: list[int], **keywords: Any) -> tuple[Any, Any]:
    """Observations and rewards of Gymnasium's own environment, with a record's actions and ends."""
    environment = gymnasium.make(name, **keywords).unwrapped
    discrete = isinstance(environment.action_space, gymnasium.spaces.Discrete)
    lengths = [*run["train_episode_steps"].tolist()]
    lengths.append(len(run["train_actions"]) - sum(lengths))
    observations, rewards, place = [], [], 0
    for seed, length in zip(seeds, lengths, strict=False):
        observation, _ = environment.reset(seed=seed)
        for action in run["train_actions"][place : place + length]:
            observations.append(observation)
            taken = int(action[0]) if discrete else action
            observation, reward, *_ = environment.step(taken)
            rewards.append(reward)
        place += length
    return np.array(observations), np.array(rewards)


@pytest.fixture
def episode_seeds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds of the training episodes, in order, as worlds are reset."""
    seeds: list[int] = []
    world = HostedProgram.world

    def noted(program: HostedProgram) -> Any:
        made = world(program)
        reset = made.reset

        def told(seed: int) -> np.ndarray:
            seeds.append(seed)
            return reset(seed)

        made.reset = told  # type: ignore[method-assign]
        return made

    monkeypatch.setattr(HostedProgram, "world", noted)
    return seeds


@pytest.mark.parametrize(
    ("name", "keywords"),
    [
        ("HalfCheetah-v5", {}),
        ("HalfCheetah-v5", {"ctrl_cost_weight": 0.5, "reset_noise_scale": 0.2}),
        ("Hopper-v5", {}),
        ("CartPole-v1", {}),
    ],
)
def test_a_record_is_what_gymnasium_does(
    name: str, keywords: dict[str, float], episode_seeds: list[int]
) -> None:
    """Observations and rewards of a training run are Gymnasium's, bit for bit in float32."""
    environment = {"env_name": name, "platform": "gymnasium"}
    environment |= {"kwargs": keywords} if keywords else {}
    run = train(spec_of(environment), [0])[0]
    observations, rewards = gymnasium_replay(name, run, episode_seeds, **keywords)
    np.testing.assert_array_equal(run["train_states"], observations.astype(np.float32))
    np.testing.assert_array_equal(run["train_rewards"], rewards.astype(np.float32))
    assert len(set(episode_seeds)) == len(episode_seeds) >= 3


def test_discrete_observations_are_one_hot() -> None:
    """An observation that is one of a few numbers becomes a vector with a single one."""
    spec = spec_of({"env_name": "FrozenLake-v1"})
    assert spec.environment.interface.observation_dim == 16
    states = train(spec, [0])[0]["train_states"]
    assert (states.sum(1) == 1).all()
    assert set(np.unique(states)) == {0.0, 1.0}


@pytest.mark.parametrize("name", MINATAR)
def test_minatar_episodes_do_not_hang_on_the_one_before(name: str) -> None:
    """Two worlds of a MinAtar game, of which one has been played for long, and whose last episodes
    ended with unlike actions (which the game may repeat), show the same after a reset with the
    same seed."""
    pytest.importorskip("minatar")
    spec = spec_of({"env_name": f"MinAtar/{name}-v1"}).environment
    worlds = {last: GymnasiumEnvironment(spec) for last in (1, 2)}
    worlds[1].reset(7)
    for action in np.random.default_rng(0).integers(0, spec.interface.num_actions, (300, 1)):
        worlds[1].step(action)
    for seed in range(40):
        seen = []
        for last, world in worlds.items():
            world.reset(1000)
            world.step(np.array([last]))
            steps = [world.reset(seed), *(world.step(np.zeros(1))[0] for _ in range(5))]
            seen.append(np.array(steps))
        np.testing.assert_array_equal(*seen)


def test_rewards_are_overwritten() -> None:
    """With `overwrite_rewards` a step gives the timestep reward, a terminal one the goal reward."""
    rewards = {"timestep": -1.0, "goal": 5.0}
    environment = {"env_name": "CartPole-v1", "platform": "gymnasium", "overwrite_rewards": True}
    run = train(spec_of(environment | {"rewards": rewards}), [0])[0]
    assert set(np.unique(run["train_rewards"])) == {-1.0, 5.0}
    lengths, returns = run["train_episode_steps"], run["train_episode_rewards"]
    terminated = lengths < PROTOCOL["steps_per_episode"]
    np.testing.assert_array_equal(returns[terminated], 6.0 - lengths[terminated])


def test_hints_are_of_what_is_wrong() -> None:
    """A keyword that is refused brings no suggestion of another environment."""
    with pytest.raises(SpecError) as refused:
        spec_of({"env_name": "MountainCar-v1", "kwargs": {"foo": np.nan}})
    [line] = refused.value.lines()
    assert "did you mean" not in line


@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_an_extra_that_would_not_help_is_not_advised() -> None:
    """Where a package is installed already, no hint says to install it."""
    with pytest.raises(MissingExtraError) as refused:
        spec_of({"env_name": "HalfCheetah-v3"})
    [line] = refused.value.lines()
    assert "gymnasium-robotics" in line
    assert "pip install" not in line


def test_a_module_that_registers_environments_is_imported() -> None:
    """`module:Id-v0` on the platform gymnasium is what the module registers; its experiments are
    named after the id, and no limit but `steps_per_episode` ends its episodes."""
    spec = spec_of(ECHO)
    assert spec.directory("here").name == "maze-Echo-v0_random_Uniform"
    assert train(spec, [0])[0]["train_episode_steps"].tolist() == [40, 40, 40]
    with pytest.raises(MissingExtraError, match="are looked for in your project"):
        spec_of({"env_name": "nowhere:Echo-v0", "platform": "gymnasium"})


@pytest.mark.parametrize(("limit", "finished", "left"), [(0, 0, 7), (100, 0, 7), (3, 2, 1)])
def test_a_limit_that_is_taken_off_cuts_nothing(limit: int, finished: int, left: int) -> None:
    """Where an environment's own limit is taken off, an episode without end is kept apart from the
    finished ones, with all its steps and its return so far."""
    protocol = {"total_timesteps": 7, "steps_per_episode": limit}
    run = train(spec_of(ECHO | protocol), [0])[0]
    assert run["train_episode_steps"].tolist() == [3] * finished
    assert run["unfinished_episode_steps"] == run["unfinished_episode_reward"] == left


def test_keywords_arrive_as_they_are_written() -> None:
    """Whatever stands under `kwargs` reaches the constructor as such, from the file and from the
    manifest alike: null, empty texts and mappings, mappings in lists, dots in keys, the sign of
    zero."""
    keywords = {
        "sizes": [1, 2],
        "levels": [0.5, 1],
        "desc": ["SF", "HG"],
        "grid": [[1, 2], [3]],
        "nothing": [],
        "deep": {"one": 1, "deeper": {"name": "two", "on": True}},
        "config": {"physics.dt": 0.1, "physics": {"dt": 0.2}, "zero": -0.0},
        "empty": {"null": None, "text": "", "mapping": {}, "list": [[]]},
        "several": [{"kind": "wall", "at": [1, -0.0]}, {}, None, ""],
        "drawn": {"uniform": [0, 1]},
        "large": 2**70,
    }
    spec = spec_of(ECHO | {"kwargs": keywords})
    made = importlib.import_module("environments.registered").Echo.keywords
    kept = json.loads(json.dumps(spec.environment.as_document()))
    again = experiment_spec_of(kept, spec.agent.as_document(), "e")
    for found in (spec, again):
        made.clear()
        GymnasiumEnvironment(found.environment)
        assert repr(made) == repr([keywords])


def test_no_keywords_are_as_none_named() -> None:
    """An empty `kwargs` is a spec without it, in its document too."""
    specs = [spec_of({"env_name": "FrozenLake-v1"} | more) for more in ({}, {"kwargs": {}})]
    documents = [spec.environment.as_document() for spec in specs]
    assert documents[0] == documents[1]
    assert "kwargs" not in documents[0]


STACK = {"name": "gymnasium.wrappers:FrameStackObservation", "stack_size": 3}
SCALE = {"name": "gymnasium.wrappers:TransformReward", "func": 1}


def test_an_environment_is_wrapped_as_its_spec_says() -> None:
    """Wrappers are put around it from the first to the last, and the whole is what agents see."""
    cart = {"env_name": "CartPole-v1", "platform": "gymnasium"}
    spec = spec_of(cart | {"wrappers": [STACK, {"name": "gymnasium.wrappers:FlattenObservation"}]})
    assert spec.environment.interface.observation_dim == 12
    bare, stacked = (train(each, [0])[0] for each in (spec_of(cart), spec))
    np.testing.assert_array_equal(stacked["train_states"][:, 8:], bare["train_states"])
    np.testing.assert_array_equal(stacked["train_states"][1:20, 4:8], bare["train_states"][:19])
    kept = json.loads(json.dumps(spec.environment.as_document()))
    assert kept["wrappers"][0] == STACK
    assert experiment_spec_of(kept, spec.agent.as_document(), "e").environment == spec.environment
    none = spec_of(cart | {"wrappers": []}).environment.as_document()
    assert none == spec_of(cart).environment.as_document()
    assert "wrappers" not in none


def test_a_maze_with_missions_needs_a_wrapper_and_runs_in_it() -> None:
    """MiniGrid's observations have a text, which is named; flattened they are taken, and packages
    of wrappers are recorded by their versions."""
    pytest.importorskip("minigrid")
    maze = {"env_name": "minigrid:MiniGrid-Empty-5x5-v0", "platform": "gymnasium"}
    with pytest.raises(SpecError, match=r"have no fixed size, by mission \(MissionSpace"):
        spec_of(maze)
    seen = {"name": "minigrid.wrappers:ImgObsWrapper"}
    spec = spec_of(maze | {"wrappers": [seen]})
    assert spec.environment.interface.observation_dim == 7 * 7 * 3
    run = train(spec, [0])[0]
    assert run["train_states"].shape == (150, 147)
    assert spec.programs()[-1] == seen["name"]
    assert "minigrid" in make_context(spec).setup.packages


@pytest.mark.parametrize(
    ("package", "name", "size"),
    [("Box2D", "LunarLander-v3", 8), ("highway_env", "highway_env:highway-fast-v0", 25)],
)
def test_environments_of_other_packages_run(package: str, name: str, size: int) -> None:
    """What is registered with Gymnasium runs by its name, with its observations flattened."""
    pytest.importorskip(package)
    world = {"env_name": name, "platform": "gymnasium", "total_timesteps": 30}
    assert train(spec_of(world), [0])[0]["train_states"].shape == (30, size)


class Mission(gymnasium.Space[str]):
    """Texts, as MiniGrid's missions are: of a space that Gymnasium does not know."""

    def __init__(self) -> None:
        super().__init__(dtype=str)


@pytest.mark.parametrize(
    "observations",
    [
        Mission(),
        gymnasium.spaces.Dict({"mission": Mission(), "seen": gymnasium.spaces.Discrete(3)}),
        gymnasium.spaces.Tuple([Mission()]),
        gymnasium.spaces.Sequence(gymnasium.spaces.Discrete(2)),
        gymnasium.spaces.Graph(gymnasium.spaces.Discrete(2), None),
    ],
)
def test_observations_of_no_fixed_size_are_refused(observations: gymnasium.Space[Any]) -> None:
    """Observations that no vector holds, those of a package's own spaces too, are refused."""
    with pytest.raises(UnsupportedSpaceError, match="have no fixed size"):
        interface_of(observations, gymnasium.spaces.Discrete(2))


@pytest.mark.parametrize("high", [np.inf, 1e10, np.finfo(np.float32).max])
def test_actions_without_bounds_are_refused(high: float) -> None:
    """Bounds so far out that they say nothing are no bounds."""
    unit, wide = (gymnasium.spaces.Box(-bound, bound, (2,), np.float32) for bound in (1.0, high))
    assert interface_of(wide, unit).action_high == (1.0, 1.0)
    with pytest.raises(UnsupportedSpaceError, match="not bounded"):
        interface_of(unit, wide)


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"env_name": "HalfCheeta-v5"}, "e: env_name: got 'HalfCheeta-v5'"),
        ({"env_name": "Pendulun-v1"}, "did you mean Pendulum-v1?"),
        ({"env_name": "HalfCheetah-v5", "kwargs": {"foo": 1}}, "kwargs: refused by HalfCheetah-v5"),
        ({"env_name": "HalfCheetah-v5", "kwargs": {"foo": None}}, "kwargs: refused by HalfChee"),
        ({"env_name": "FrozenLake-v1", "kwargs": {"f": [{"g": 1e999}]}}, "kwargs: f.g: got Infin"),
        ({"env_name": "FrozenLake-v1", "kwargs": {"f": 10**400}}, "kwargs: f: got 1000"),
        ({"env_name": "FrozenLake-v1", "wrappers": STACK}, "wrappers: got {"),
        ({"env_name": "FrozenLake-v1", "wrappers": [{"size": 4}]}, "allowed: mappings with a name"),
        (
            {"env_name": "FrozenLake-v1", "wrappers": [SCALE | {"fun": 1}]},
            "wrappers: refused by gym",
        ),
        (
            {"env_name": "FrozenLake-v1", "wrappers": [{"name": "no:Wrapper"}]},
            "No module named 'no'",
        ),
        ({"env_name": "Pendulum-v1", "wrappers": [STACK]}, "wrappers: unknown key"),
        ({"env_name": "HalfCheetah-v5", "kwargs": 5}, "kwargs: got 5, allowed: a mapping"),
        ({"env_name": "HalfCheetah-v5", "kwargs": [1]}, "kwargs: got [1], allowed: a mapping"),
        ({"env_name": "HalfCheetah-v5", "kwargs": None}, "kwargs: got null, allowed: a mapping"),
        (
            {"env_name": "HalfCheetah-v5", "kwargs": {"max_episode_steps": 9}},
            "kwargs.max_episode_steps: steps_per_episode is the limit",
        ),
        ({"env_name": "cartpole", "platform": "dmcontrol"}, "task_name: missing, dmcontrol allows"),
        ({"env_name": "HalfCheetah-v5", "continuous": False}, "HalfCheetah-v5 allows: true"),
        ({"env_name": "HalfCheetah-v5", "start_state": [0.0]}, "start_state: got [0.0]"),
        ({"env_name": "Blackjack-v1", "platform": "gym-like"}, 'platform: got "gym-like"'),
        ({"env_name": "cartpole", "platform": "dmcontrol", "task_name": "swing"}, "swingup"),
        ({"env_name": "cartpol", "platform": "dmcontrol", "task_name": "swingup"}, "did you mean"),
    ],
)
def test_what_cannot_be_made_is_told_in_a_line(environment: dict[str, Any], line: str) -> None:
    """A name, keyword, action kind or task that does not exist is one line that says so."""
    if environment.get("platform") == "dmcontrol":
        pytest.importorskip("dm_control")
    with pytest.raises(SpecError) as refused:
        spec_of(environment)
    [told] = refused.value.lines()
    assert line in told


@pytest.mark.parametrize(
    ("environment", "module", "extra"),
    [
        ({"env_name": "Ant-v5"}, "mujoco", "mujoco"),
        ({"env_name": "MinAtar/Asterix-v1"}, "minatar", "minatar"),
        (
            {"env_name": "walker", "task_name": "walk", "platform": "dmcontrol"},
            "dm_control",
            "dmcontrol",
        ),
    ],
)
def test_a_missing_extra_is_named(
    environment: dict[str, Any], module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an optional package is not installed, one line says what installs it."""
    importing = "gymnasium.envs.mujoco" if module == "mujoco" else f"{module}."
    for name in [n for n in sys.modules if n.startswith(importing)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    for name in ("MinAtar/Asterix-v1",):
        gymnasium.registry.pop(name, None)
    with pytest.raises(MissingExtraError) as refused:
        spec_of(environment)
    [told] = refused.value.lines()
    assert f'pip install ".[{extra}]"' in told
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert extra in project["optional-dependencies"]
    assert re.fullmatch("[a-z]+", extra), "pip does not find an extra whose name it rewrites"


def test_a_viewer_follows_an_episode() -> None:
    """The picture of an episode is that of Gymnasium's own environment after the same actions."""
    pytest.importorskip("pygame")
    environment = spec_of({"env_name": "CartPole-v1", "platform": "gymnasium"}).environment
    viewer = GymnasiumViewer(environment, "rgb_array")
    actions = np.ones((6, 1), np.float32)
    viewer.follow(7, actions[:2])
    picture = viewer.follow(7, actions)
    cart = gymnasium.make("CartPole-v1", render_mode="rgb_array")
    cart.reset(seed=7)
    for action in actions:
        cart.step(int(action[0]))
    np.testing.assert_array_equal(picture, cart.render())


def test_mujoco_needs_a_display_to_be_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """--monitor without a display is refused in a line, instead of the window's abort."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DeviceError, match="no window can be opened here"):
        Monitor(spec_of({"env_name": "HalfCheetah-v5"}).environment, 0)


def test_what_nothing_draws_is_told() -> None:
    """--monitor of an environment without a viewer is refused in a line."""
    with pytest.raises(DeviceError, match="nothing draws Bimodal"):
        Monitor(spec_of({"env_name": "Bimodal"}).environment, 0)
