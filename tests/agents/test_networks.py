"""Normalised inputs and scaled actions against plain formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from agents.uneven import HIGH, LOW
from packs import pack_of, train

from nthrun.agents.base import State, lane_column
from nthrun.agents.layouts import MOMENTUM, NORMALISER
from nthrun.agents.networks import (
    MLP,
    ActionScale,
    normalised,
    normaliser_state,
    update_normaliser,
)
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.specs.interface import Interface
from nthrun.training.context import make_context
from nthrun.training.loop import Training


def state_of(*momenta: float) -> State:
    """A fresh normaliser of two inputs, with a momentum for each lane."""
    return normaliser_state(len(momenta), 2) | {MOMENTUM: lane_column(momenta)}


def batch(lanes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs of mean 3 and deviation 2, and weights of which a third are 0."""
    generator = np.random.default_rng(1)
    inputs = 3 + 2 * generator.standard_normal((lanes, 600, 2), np.float32)
    weights = np.tile(np.arange(600) % 3 > 0, (lanes, 1))[..., None].astype(np.float32)
    return torch.from_numpy(inputs), torch.from_numpy(weights)


def test_without_memory_a_batch_comes_out_standard() -> None:
    """With momentum 0 the weighted inputs have mean 0 and deviation 1 afterwards."""
    state = state_of(0.0)
    inputs, weights = batch(1)
    update_normaliser(state, inputs, weights)
    shown = normalised(state, inputs)[weights[..., 0] > 0].double()
    assert shown.mean(0).abs().max() < 1e-5
    assert shown.std(0, correction=0).numpy() == pytest.approx(1.0, abs=1e-5)


def test_a_batch_moves_the_means_by_what_is_not_remembered() -> None:
    """Each lane moves by 1 - m of the way, and one with m = 1 not at all."""
    state = state_of(0.75, 1.0)
    inputs, weights = batch(2)
    update_normaliser(state, inputs, weights)
    kept = inputs[0][weights[0, :, 0] > 0].double()
    expected = (0.25 * kept.mean(0), 0.75 + 0.25 * kept.square().mean(0))
    for name, value in zip(NORMALISER, expected, strict=True):
        torch.testing.assert_close(state[name][0].double(), value, rtol=1e-5, atol=1e-6)
    assert state[NORMALISER[0]][1].tolist() == [0.0, 0.0]
    torch.testing.assert_close(normalised(state, inputs)[1], inputs[1].clamp(-10, 10))


def test_an_input_that_never_varies_stays_finite() -> None:
    """The deviation counts as 0.01 at least, and nothing goes beyond 10."""
    state = state_of(0.0)
    inputs = torch.tensor([[[5.0, 5.0]]])
    update_normaliser(state, inputs, torch.ones(1, 1, 1))
    shown = normalised(state, torch.tensor([[[5.001, 9.0]]]))
    assert shown[0, 0, 0] == pytest.approx(0.1, rel=1e-2)
    assert shown[0, 0, 1] == 10.0


PROTOCOL = {
    "env_name": "agents.uneven:UnevenBounds",
    "total_timesteps": 60,
    "steps_per_episode": 20,
    "eval_interval_timesteps": 30,
    "eval_episodes": 2,
    "record": ["train_actions"],
}
NETWORKS = {"hidden_dim": 16, "batch_size": 8, "replay_capacity": 100}
AGENTS: dict[str, dict[str, Any]] = {
    "SAC": NETWORKS,
    "VAC": NETWORKS,
    "linearAC": {"num_bins": 3},
    "random": {},
}


def uneven(agent: str) -> ExperimentSpec:
    """A small experiment."""
    document = {"agent_name": agent, "parameters": AGENTS[agent]}
    return experiment_spec_of(PROTOCOL, document, "test")


@pytest.mark.slow
@pytest.mark.parametrize("agent", AGENTS)
def test_uneven_bounds_are_compiled(agent: str) -> None:
    """Compiled training in such an environment is the eager one, and fills each component's own
    bounds."""
    spec = uneven(agent)
    eager = train(spec, [0, 1])
    compiled = train(spec, [0, 1], context=make_context(spec, "compile"))
    for index, run in compiled.items():
        actions = run["train_actions"]
        np.testing.assert_allclose(actions[:40], eager[index]["train_actions"][:40], atol=1e-3)
        assert (actions >= LOW).all()
        assert (actions <= HIGH).all()
        assert actions[:, 1].max() > 2


@pytest.mark.parametrize("agent", AGENTS)
def test_a_traced_agent_still_acts(agent: str) -> None:
    """What a trace was made with afterwards chooses the actions that a fresh agent chooses."""
    spec = uneven(agent)
    traced = Training(pack_of(spec, [0]), make_context(spec, "compile"))
    traced.stepper.prepare(traced.state)
    traced.train_block(10)
    fresh = Training(pack_of(spec, [0]), make_context(spec)).program.agent
    observation = torch.linspace(-1, 1, 10).view(1, 5, 2)
    with torch.no_grad():
        action = traced.program.agent.act_greedily(traced.state, observation)
        assert torch.equal(action, fresh.act_greedily(traced.state, observation))


def test_scaling_has_an_inverse() -> None:
    """The ends of [-1, 1] are the bounds, component by component, and back."""
    scale = ActionScale(Interface((0.0,), (1.0,), LOW, HIGH))
    ends = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.5, -0.5]])
    scaled = scale.to_environment(ends)
    assert scaled[:2].tolist() == [list(LOW), list(HIGH)]
    torch.testing.assert_close(scale.to_unit(scaled), ends)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_first_weights_with_a_gain(activation: str) -> None:
    """First weights with a gain are PyTorch's gain of the activation times those without."""
    network = MLP(3, (20, 20), 2, activation)
    plain, wide = (
        network.initial(np.random.default_rng(0), kind)
        for kind in ("xavier_uniform", "xavier_uniform_gain")
    )
    gain = torch.nn.init.calculate_gain(activation)  # type: ignore[arg-type]
    np.testing.assert_allclose(wide, gain * plain, rtol=1e-6)
