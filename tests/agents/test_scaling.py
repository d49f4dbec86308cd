"""Actions whose bounds differ between components."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from agents.uneven import HIGH, LOW
from packs import pack_of, surroundings, train

from nthrun.agents.scaling import ActionScale
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.specs.interface import Interface
from nthrun.training.loop import Training

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


@pytest.mark.parametrize("agent", AGENTS)
def test_uneven_bounds_are_compiled(agent: str) -> None:
    """Compiled training in such an environment is the eager one, and fills each component's own
    bounds."""
    spec = uneven(agent)
    eager = train(spec, [0, 1])
    compiled = train(spec, [0, 1], around=surroundings(spec, "compile"))
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
    traced = Training(pack_of(spec, [0]), surroundings(spec, "compile"))
    traced.stepper.prepare(traced.state)
    traced.train_block(10)
    fresh = Training(pack_of(spec, [0]), surroundings(spec)).program.agent
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
