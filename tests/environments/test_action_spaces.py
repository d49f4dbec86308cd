"""What agents play in environments on the host lies in the environment's space of actions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from environments.registered import Strict
from gymnasium import spaces
from packs import BACKENDS, train

from nthrun.agents.networks import ActionScale
from nthrun.environments.from_gymnasium.declaration import counted_components, interface_of
from nthrun.environments.host_environment import UnsupportedSpaceError, float32_bounds
from nthrun.errors import DeviceError, SpecError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.schema import Run
from nthrun.specs.declaration import MAX_ACTIONS
from nthrun.specs.interface import Interface
from nthrun.training.context import make_context
from nthrun.training.monitor import Monitor

NAME = "environments.registered:maze/Strict-v0"
PROTOCOL = {
    "total_timesteps": 30,
    "steps_per_episode": 10,
    "eval_interval_timesteps": 15,
    "eval_episodes": 1,
    "record": ["train_actions", "train_rewards"],
}
SMALL = {"hidden_dim": [4], "batch_size": [4], "replay_capacity": [30]}
SEEN = spaces.Box(0.0, 1.0, (1,))
TWENTIETHS = [round(0.05 * number, 2) for number in range(-20, 21)]


def spec_of(agent: str, parameters: dict[str, Any], **keywords: Any) -> ExperimentSpec:
    """An agent in an environment with this space of actions."""
    environment = {"env_name": NAME, "platform": "gymnasium", "kwargs": keywords}
    return experiment_spec_of(
        PROTOCOL | environment, {"agent_name": agent, "parameters": parameters}, "e"
    )


def played(spec: ExperimentSpec, backend: str = "eager") -> tuple[Run, list[Any]]:
    """The record of a run, and what the environment was given in training and evaluation."""
    Strict.played.clear()
    run = train(spec, [0], context=make_context(spec, backend))[0]
    return run, list(Strict.played)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("low", "high"), [(-1.0, 0.2), (0.1, 0.7), (-0.3, -0.1), (0.0, 0.05)])
def test_an_action_at_the_end_of_its_range_is_within_the_bounds(
    low: float, high: float, dtype: str
) -> None:
    """An agent that always takes the highest action it knows of plays no step outside the box, in
    training and in evaluation; what was played is what the record has and the agent is shown."""
    box = {"low": [low], "high": [high], "dtype": dtype}
    for agent, parameters in (
        ("SAC", SMALL | {"policy_type": ["Gaussian"], "clip_stddev": [1000.0]}),
        ("linearAC", {"actor_lr": [100.0]}),
        ("environments.edges:Overshooting", {}),
    ):
        run, actions = played(spec_of(agent, parameters, **box))
        assert run["status"] == "completed", run["reason"]
        assert len(actions) == 30 + 3 * 10
        np.testing.assert_array_equal(run["train_rewards"], run["train_actions"][:, 0])


def test_every_asymmetric_range_keeps_its_ends() -> None:
    """For bounds at every two multiples of a twentieth the ends of [-1, 1] are the bounds, and what
    is between them lies between."""
    inner = torch.linspace(-1.0, 1.0, 41).unsqueeze(1)
    for low, high in itertools.combinations(TWENTIETHS, 2):
        scale = ActionScale(Interface((0.0,), (1.0,), (low,), (high,)))
        scaled = scale.to_environment(inner).numpy()
        bounds = np.array([low, high], np.float32)
        assert bounds[0] <= scaled.min() <= scaled.max() <= bounds[1]
        np.testing.assert_allclose(scaled[[0, -1], 0], bounds, rtol=0, atol=2e-7)


def test_bounds_that_float32_lacks_are_moved_inwards() -> None:
    """The bounds that worlds are given actions within are float32, and within those of float64."""
    low, high = float32_bounds((-1.0, 0.1, 0.5), (0.2, 0.3, 0.5))
    assert low.dtype == high.dtype == np.float32
    assert (low.astype(float) >= [-1.0, 0.1, 0.5]).all()
    assert (high.astype(float) <= [0.2, 0.3, 0.5]).all()
    assert (high - np.array([0.2, 0.3, 0.5], np.float32) > -1e-7).all()


@pytest.mark.parametrize("name", ["Diverged", "NoNumber"])
@pytest.mark.parametrize(
    ("low", "high"), [([-1.0], [0.2]), ([0.1], [0.7]), ([-0.3, 2.0], [-0.1, 2.5]), ([0.2], [0.2])]
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_an_action_that_is_no_finite_number_is_a_divergence(
    name: str, low: list[float], high: list[float], dtype: str
) -> None:
    """What is no finite number is not taken for the nearest bound: the run has diverged, whether or
    not the bounds hold 0, and the environment is given nothing outside of them."""
    spec = spec_of(f"environments.edges:{name}", {}, low=low, high=high, dtype=dtype)
    run, actions = played(spec)
    assert (run["status"], run["total_timesteps"]) == ("diverged", 1), run["reason"]
    assert actions, "the environment is stepped until the block ends"


def test_an_evaluation_with_an_action_that_is_no_number_has_no_return() -> None:
    """Where the agent's action of an evaluation is no number, the return is none either, whatever
    the environment made of what it was given."""
    run, _ = played(spec_of("environments.edges:BlindGreedily", {}, low=[0.5], high=[1.0]))
    assert run["status"] == "completed"
    assert np.isnan(run["eval_episode_rewards"]).all()
    assert run["eval_episode_steps"].tolist() == [[10]] * 3


def test_a_space_of_half_precision_is_given_its_own_numbers() -> None:
    """An environment whose actions are of float16 is given those, within its bounds."""
    for shape in ([1], [1, 1]):
        keywords = {"low": np.full(shape, -0.3).tolist(), "high": np.full(shape, 0.7).tolist()}
        run, actions = played(spec_of("random", {}, dtype="float16", **keywords))
        assert run["status"] == "completed", run["reason"]
        assert {(action.dtype, action.shape) for action in actions} == {
            (np.dtype("float16"), tuple(shape))
        }


@pytest.mark.parametrize("backend", ["eager", "compile"])
def test_a_component_with_one_value_is_played_and_learned_with(backend: str) -> None:
    """Where the bounds of a component are one number it is always that, and the run learns."""
    spec = spec_of("SAC", SMALL, low=[-1.0, 0.5], high=[1.0, 0.5])
    run, actions = played(spec, backend)
    assert run["status"] == "completed", run["reason"]
    assert {float(action[1]) for action in actions} == {0.5}
    assert all(np.isfinite(array).all() for array in run["learned_params"].values())


def test_one_value_that_float32_lacks_is_played_as_it_is() -> None:
    """Where both bounds are a number of float64 alone, the world gets that number."""
    spec = spec_of("random", {}, low=[-1.0, 0.2], high=[1.0, 0.2], dtype="float64")
    run, actions = played(spec)
    assert run["status"] == "completed", run["reason"]
    assert {float(action[1]) for action in actions} == {0.2}
    assert set(run["train_actions"][:, 1].tolist()) == {float(np.float32(0.2))}


def test_a_component_with_one_value_is_zero_in_units() -> None:
    """The unit value of a component with equal bounds is 0, in any environment, and of the others
    what it is without it."""
    scale = ActionScale(Interface((0.0,), (1.0,), (-1.0, 0.3, 1e-40), (3.0, 0.3, 2e-40)))
    action = scale.to_environment(torch.tensor([[0.5, 1.0, 1.0], [-1.0, -1.0, -1.0]]))
    assert scale.to_unit(action).tolist() == [[0.5, 0.0, 0.0], [-1.0, 0.0, 0.0]]
    assert action[:, 1].tolist() == [np.float32(0.3)] * 2


@pytest.mark.parametrize("agent", ["SAC", "GreedyAC", "linearAC", "epsgreedy"])
def test_an_own_tensor_environment_may_have_equal_bounds(agent: str) -> None:
    """Agents learn in a tensor environment one of whose action components has one value."""
    environment = PROTOCOL | {"env_name": "agents.uneven:OneValue"}
    parameters = {} if agent == "linearAC" else SMALL
    if agent == "GreedyAC":
        parameters = parameters | {"policy_type": ["Gaussian"]}
    spec = experiment_spec_of(environment, {"agent_name": agent, "parameters": parameters}, "e")
    run = train(spec, [0])[0]
    assert run["status"] == "completed", run["reason"]
    assert set(run["train_actions"][:, 1].tolist()) == {np.float32(0.3)}


@pytest.mark.parametrize(
    ("space", "actions"),
    [
        (
            spaces.MultiDiscrete([2, 3]),
            [[0, 0], [1, 0], [0, 1], [1, 1], [0, 2], [1, 2]],
        ),
        (spaces.MultiDiscrete([2, 2], start=[5, -1]), [[5, -1], [6, -1], [5, 0], [6, 0]]),
        (spaces.MultiDiscrete([[2], [2]]), [[[0], [0]], [[1], [0]], [[0], [1]], [[1], [1]]]),
        (spaces.MultiBinary(2), [[0, 0], [1, 0], [0, 1], [1, 1]]),
        (
            spaces.Box(np.array([-1, 3]), np.array([0, 5]), dtype=np.int16),
            [[-1, 3], [0, 3], [-1, 4], [0, 4], [-1, 5], [0, 5]],
        ),
        (spaces.Box(254, 255, (1, 1), np.uint8), [[[254]], [[255]]]),
        (spaces.Box(7, 7, (2,), np.int64), [[7, 7]]),
    ],
    ids=str,
)
def test_components_make_one_number_with_the_first_fastest(
    space: spaces.Space[Any], actions: list[Any]
) -> None:
    """The numbers from 0 on are the actions in the order in which the first component changes
    fastest, each an element of the space."""
    components = counted_components(space)
    assert components is not None
    assert interface_of(SEEN, space).num_actions == len(actions)
    made = [components.array(number) for number in range(len(actions))]
    assert [array.tolist() for array in made] == actions
    assert all(space.contains(array) for array in made)
    for number in (-1, len(actions)):
        with pytest.raises(ValueError, match=f"action {number}, allowed: 0 to"):
            components.array(number)


@pytest.mark.parametrize(
    ("space", "told"),
    [
        (spaces.Box(0, 2**24, (2,), np.int64), "16,777,217 values, allowed: 1 to 16,777,216"),
        (spaces.Box(0, np.inf, (1,), np.int64), "whole numbers without bounds"),
        (spaces.Box(-np.inf, np.inf, (2,), np.int8), "whole numbers without bounds"),
        (
            spaces.Tuple([spaces.Discrete(2)]),
            "allowed: Discrete, MultiDiscrete, MultiBinary or Box",
        ),
    ],
    ids=str,
)
def test_spaces_that_nobody_acts_in_are_refused(space: spaces.Space[Any], told: str) -> None:
    """Whole numbers that float32 cannot tell apart or that have no bounds are refused in a line."""
    with pytest.raises(UnsupportedSpaceError) as refused:
        interface_of(SEEN, space)
    assert told in str(refused.value)


def test_as_many_actions_as_are_allowed_are_taken() -> None:
    """4,096 actions are one number, of more there are only the components."""
    many = interface_of(SEEN, spaces.MultiDiscrete([64, 64]))
    assert (many.num_actions, many.heads) == (MAX_ACTIONS, (64, 64))
    more = interface_of(SEEN, spaces.MultiDiscrete([17, 241]))
    assert (more.num_actions, more.heads, more.action_dim) == (0, (17, 241), 2)


MANY = {"kind": "MultiDiscrete", "nvec": [17, 241]}


@pytest.mark.parametrize(
    "agent", ["SoftmaxAC", "Sarsa", "linearAC", "SAC", "environments.edges:Overshooting"]
)
def test_who_acts_by_number_is_told_of_too_many_actions(agent: str) -> None:
    """Who acts by one number, and a class of one's own that says nothing else, is refused where
    there are more than 4,096 actions."""
    with pytest.raises(SpecError) as refused:
        spec_of(agent, {}, **MANY)
    told = "agent_name: takes actions by number, and those of 2 components are 4,097 in all, "
    assert any(told + "allowed: 1 to 4,096" in line for line in refused.value.lines())


@pytest.mark.parametrize("backend", BACKENDS)
def test_components_of_many_actions_are_played_at_random(backend: str) -> None:
    """Where there is no one number, random actions have a component each, all of them uniform; the
    environment is given what the record has, as arrays of the space."""
    spec = spec_of("random", {}, kind="MultiDiscrete", nvec=[3] * 9)
    run, actions = played(spec, backend)
    assert run["status"] == "completed", run["reason"]
    components = run["train_actions"]
    assert components.shape == (30, 9)
    counts = np.bincount(components.astype(int).ravel(), minlength=3)
    assert np.abs(counts - 90).max() < 40
    np.testing.assert_array_equal(run["train_rewards"], components.sum(1))
    assert {action.shape for action in actions} == {(9,)}


def test_who_takes_heads_is_given_components_of_few_actions_too() -> None:
    """An own agent with `takes_heads` chooses components where there are 6 actions as well."""
    spec = spec_of("environments.edges:ByHeads", {}, kind="MultiDiscrete", nvec=[2, 3])
    assert spec.environment.interface.num_actions == 0
    run, actions = played(spec)
    assert run["status"] == "completed", run["reason"]
    assert set(map(tuple, run["train_actions"].tolist())) == {(1.0, 2.0)}
    assert {tuple(action) for action in actions} == {(1, 2)}


@pytest.mark.parametrize(
    "keywords",
    [
        {"kind": "MultiDiscrete", "nvec": [2, 3]},
        {"low": [-1, 3], "high": [0, 5], "dtype": "int16"},
    ],
)
def test_an_environment_of_counted_components_is_played(keywords: dict[str, Any]) -> None:
    """Agents of discrete actions play arrays of the space, and the record has their numbers."""
    spec = spec_of("SoftmaxAC", {}, **keywords)
    run, actions = played(spec)
    assert run["status"] == "completed", run["reason"]
    components = counted_components(Strict(**keywords).action_space)
    assert components is not None
    numbers = run["train_actions"][:, 0].astype(int)
    assert set(numbers) == set(range(6))
    sums = [components.array(number).sum() for number in numbers]
    np.testing.assert_array_equal(run["train_rewards"], np.array(sums, np.float32))
    assert all(action.dtype == components.dtype for action in actions)


def test_a_constructor_is_given_no_keyword_that_nobody_asked_for() -> None:
    """An environment whose constructor knows no `render_mode` trains; asking to see it is refused
    in a line, and what its registration fixes stays."""
    spec = spec_of("random", {}, low=[-1.0], high=[1.0])
    assert train(spec, [0])[0]["status"] == "completed"
    with pytest.raises(DeviceError, match=r"--monitor: .* cannot be drawn"):
        Monitor(spec.environment, 0)
