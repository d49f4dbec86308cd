"""Laws of every tensor environment."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from environments.worlds import play, random_actions, spec_of, world_of
from torch import Tensor

from nthrun.agents.random_agent.declaration import RANDOM
from nthrun.compiler.kernel import Kernel
from nthrun.environments.base import Environment
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.training.program import Program

LANES, EPISODES, STEPS = 33, 2, 60
KERNEL_STEPS = 4
QUICK_TO_COMPILE = ("PuddleWorld-v1", "AccessControl-v0")
SPECS = [
    spec_of(declared.name, continuous=continuous)
    for declared in ENVIRONMENTS.values()
    if not declared.on_host
    for continuous in declared.continuous
]
NAMES = [
    f"{spec.env_name}-{'continuous' if spec.values['continuous'] else 'discrete'}" for spec in SPECS
]
every_environment = pytest.mark.parametrize("spec", SPECS, ids=NAMES)
compiled_environments = pytest.mark.parametrize(
    "spec",
    [
        pytest.param(
            spec, id=name, marks=() if spec.env_name in QUICK_TO_COMPILE else pytest.mark.slow
        )
        for spec, name in zip(SPECS, NAMES, strict=True)
    ],
)


def inputs_of(spec: EnvironmentSpec, *shape: int) -> tuple[Tensor, Tensor]:
    """Random actions and draws of steps, `(*shape, ...)`."""
    draw = torch.Generator().manual_seed(1)
    action = random_actions(spec.interface, shape, draw)
    return action, torch.rand(*shape, spec.interface.num_step_draws, generator=draw)


def middle_of_play(spec: EnvironmentSpec, environment: Environment) -> Tensor:
    """States, `(LANES, EPISODES, state_dim)`, no two lanes alike where the environment differs."""
    return play(environment, spec.interface, (LANES, EPISODES), STEPS // 2)[-1]


@every_environment
def test_shapes_and_types_are_those_declared(spec: EnvironmentSpec) -> None:
    """Reset, observe and step give float32 tensors of the declared sizes."""
    environment, interface = world_of(spec), spec.interface
    state = environment.reset(torch.rand(LANES, EPISODES, interface.num_reset_draws))
    action, draws = inputs_of(spec, LANES, EPISODES)
    outcome = environment.step(state, action, draws)
    sizes = {
        interface.state_dim: (state, outcome.state),
        interface.observation_dim: (environment.observe(state),),
        1: (outcome.reward, outcome.terminated),
    }
    for size, tensors in sizes.items():
        for tensor in tensors:
            assert (tensor.shape, tensor.dtype) == ((LANES, EPISODES, size), torch.float32)
    assert len(interface.observation_high) == interface.observation_dim
    assert len(interface.action_high) == len(interface.action_low)


@every_environment
def test_observations_stay_within_the_declared_bounds(spec: EnvironmentSpec) -> None:
    """Whatever random play visits is observed within the bounds, to rounding, and is finite."""
    environment = world_of(spec)
    low = torch.tensor(spec.interface.observation_low)
    high = torch.tensor(spec.interface.observation_high)
    for state in play(environment, spec.interface, (LANES, EPISODES), 5 * STEPS):
        observation = environment.observe(state)
        assert observation.isfinite().all()
        assert ((observation >= low - 1e-6) & (observation <= high + 1e-6)).all()


@every_environment
def test_only_environments_that_say_so_terminate(spec: EnvironmentSpec) -> None:
    """`terminated` is 0.0 or 1.0, and always 0.0 where no state is declared terminal."""
    environment = world_of(spec)
    action, draws = inputs_of(spec, LANES, EPISODES)
    for state in play(environment, spec.interface, (LANES, EPISODES), STEPS):
        terminated = environment.step(state, action, draws).terminated
        assert ((terminated == 0.0) | (terminated == 1.0)).all()
        assert spec.interface.terminates or not terminated.any()


@every_environment
def test_a_lane_has_the_same_bits_in_any_company(spec: EnvironmentSpec) -> None:
    """Reset, observation and step of one lane, or of one of its episodes, have the same bits alone
    as beside 32 other lanes."""
    environment = world_of(spec)
    reset_draws = torch.rand(LANES, EPISODES, spec.interface.num_reset_draws)
    state = middle_of_play(spec, environment)
    action, draws = inputs_of(spec, LANES, EPISODES)

    def results(lanes: slice, episodes: slice) -> list[Tensor]:
        some = [part[lanes, episodes].clone() for part in (reset_draws, state, action, draws)]
        outcome = environment.step(*some[1:])
        return [environment.reset(some[0]), environment.observe(some[1]), *outcome]

    together = results(slice(None), slice(None))
    for lane in range(LANES):
        for episodes in (slice(None), slice(1, 2)):
            alone = results(slice(lane, lane + 1), episodes)
            for whole, part in zip(together, alone, strict=True):
                assert torch.equal(whole[lane : lane + 1, episodes], part)


@every_environment
def test_a_step_leaves_its_arguments_alone(spec: EnvironmentSpec) -> None:
    """Neither a step nor an observation changes a state, an action or a draw."""
    environment = world_of(spec)
    arguments = [middle_of_play(spec, environment), *inputs_of(spec, LANES, EPISODES)]
    before = [part.clone() for part in arguments]
    environment.step(*arguments)
    environment.observe(arguments[0])
    assert all(torch.equal(*pair) for pair in zip(arguments, before, strict=True))


@every_environment
def test_start_state_is_where_every_episode_begins(spec: EnvironmentSpec) -> None:
    """A spec's `start_state` is the state after every reset, whatever is drawn."""
    wanted = middle_of_play(spec, world_of(spec))[0, 0]
    fixed = world_of(
        spec_of(
            spec.env_name, continuous=spec.values["continuous"], start_state=list(wanted.tolist())
        )
    )
    state = fixed.reset(torch.rand(LANES, EPISODES, spec.interface.num_reset_draws))
    assert torch.equal(state, wanted.expand(LANES, EPISODES, -1))


@every_environment
def test_a_spec_can_overwrite_rewards(spec: EnvironmentSpec) -> None:
    """With `overwrite_rewards` a step pays `rewards.goal` where it terminates, elsewhere
    `rewards.timestep`."""
    paid = spec_of(
        spec.env_name,
        continuous=spec.values["continuous"],
        overwrite_rewards=True,
        rewards={"timestep": -3.0, "goal": 7.0},
    )
    program = Program(SimpleNamespace(statics={}), paid, RANDOM.program)
    action, draws = inputs_of(spec, LANES, EPISODES)
    outcome = program.transition(middle_of_play(spec, program.environment), action, draws)
    expected = torch.where(outcome.terminated > 0.5, 7.0, -3.0)
    assert torch.equal(outcome.reward, expected)


@compiled_environments
def test_a_compiled_step_agrees_with_eager(spec: EnvironmentSpec) -> None:
    """A few compiled steps from states of play agree with eager ones to float32 rounding."""
    environment = world_of(spec)

    def step(given: dict[str, Tensor]) -> dict[str, Tensor]:
        outcome = environment.step(given["state"], given["action"], given["draws"])
        return outcome._asdict() | {"observation": environment.observe(outcome.state)}

    state = middle_of_play(spec, environment)[:, :1].contiguous()
    action, draws = inputs_of(spec, LANES, KERNEL_STEPS, 1)
    examples = {"state": state[:1], "action": action[:1, 0], "draws": draws[:1, 0]}
    kernel = Kernel([step], examples, frozenset(("state",)))
    moving = {"state": state.clone()}
    shown = kernel(
        moving,
        {"action": action, "draws": draws},
        np.zeros(KERNEL_STEPS, np.uint8),
        range(LANES),
    )
    for number in range(KERNEL_STEPS):
        outcome = step({"state": state, "action": action[:, number], "draws": draws[:, number]})
        state = outcome["state"]
        for name in ("reward", "terminated", "observation"):
            torch.testing.assert_close(
                shown[name][:, number], outcome[name], rtol=1e-4, atol=1e-4, msg=name
            )
    torch.testing.assert_close(moving["state"], state, rtol=1e-4, atol=1e-4)
