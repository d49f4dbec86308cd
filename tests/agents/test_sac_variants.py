"""Every variant of SAC as a step of a pack: bits, compiled code, and learning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from agents.sac_packs import (
    VARIANTS,
    agent_of,
    best_action,
    experience_of,
    noise_of,
    state_of,
)
from packs import run_of_same_bits, small_spec
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.compiler.kernel import Kernel

LANES = 33
TRIED = (0, 1, 15, 32)
SOFTMAX = [c for c in VARIANTS if c["policy_type"] == "Softmax"]
Tensors = dict[str, Tensor]


def name_of(changes: dict[str, Any]) -> str:
    """A test's name."""
    return "-".join(str(value) for value in changes.values())


VARIANT = pytest.mark.parametrize("changes", VARIANTS, ids=name_of)


def advance(changes: dict[str, Any], state: State, noise: Noise, step: Tensor) -> Tensors:
    """Act and update; the metrics and the actions, training and greedy."""
    agent, lanes = agent_of(changes), len(noise.agent)
    observation = state["replay"][:, :1, :3]
    shown = {
        "action": agent.act(state, observation, noise, step),
        "greedy": agent.act_greedily(state, observation),
    }
    ended = torch.zeros(lanes, 1, 1, dtype=torch.bool)
    return shown | agent.update(state, experience_of(lanes), ended, noise, step)


def part(state: State, lane: int) -> State:
    """One lane of it."""
    return {name: tensor[lane : lane + 1].clone() for name, tensor in state.items()}


@VARIANT
def test_a_lane_alone_has_the_same_bits(changes: dict[str, Any]) -> None:
    """A lane of 33 has, alone, every bit of action, metrics and state after three updates."""
    state = state_of(changes, LANES)
    alone = {lane: part(state, lane) for lane in TRIED}
    for number in range(3):
        step, noise = torch.tensor(number), noise_of(changes, LANES, number)
        together = advance(changes, state, noise, step)
        for lane, own in alone.items():
            shown = advance(changes, own, Noise(*(x[lane : lane + 1] for x in noise)), step)
            for key, value in shown.items():
                assert torch.equal(value[0], together[key][lane]), (key, lane)
    for lane, own in alone.items():
        for name, tensor in own.items():
            assert torch.equal(tensor[0], state[name][lane]), (name, lane)
            assert torch.isfinite(tensor).all(), name


@pytest.mark.parametrize(
    "changes",
    [pytest.param(c, marks=() if c == SOFTMAX[0] else pytest.mark.slow) for c in VARIANTS],
    ids=name_of,
)
def test_compiled_code_gives_what_torch_gives(changes: dict[str, Any]) -> None:
    """Three updates compiled are the eager ones to rounding."""
    lanes, steps = 2, 3
    state = state_of(changes, lanes)
    noises = [noise_of(changes, lanes, number) for number in range(steps)]
    stacked = Noise(*(torch.stack(parts, 1) for parts in zip(*noises, strict=True)))
    names = tuple(state)

    def function(given: Tensors) -> Tensors:
        own = {name: given[name] for name in names}
        noise = Noise(*(given[f"noise.{field}"] for field in Noise._fields))
        with torch.no_grad():
            return own | advance(changes, own, noise, torch.tensor(20))

    inputs = {f"noise.{field}": tensor for field, tensor in stacked._asdict().items()}
    examples = part(state, 0) | {name: tensor[:1, 0] for name, tensor in inputs.items()}
    kernel = Kernel([function], examples, frozenset(names))
    compiled = {name: tensor.clone() for name, tensor in state.items()}
    found = kernel(compiled, inputs, np.zeros(steps, np.uint8), range(lanes))
    for number, noise in enumerate(noises):
        for key, value in advance(changes, state, noise, torch.tensor(20)).items():
            torch.testing.assert_close(found[key][:, number], value, rtol=1e-3, atol=1e-3)
    for name in names:
        torch.testing.assert_close(compiled[name], state[name], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("changes", [c for c in VARIANTS if c not in SOFTMAX], ids=name_of)
def test_every_number_drawn_has_its_own_use(changes: dict[str, Any]) -> None:
    """A change of the noise of one sampled action, in all its tries, changes the action taken or
    a gradient, each in its own way."""
    agent, noise = agent_of(changes), noise_of(changes, 1, 0)
    size = agent.objectives.policy.num_draws
    start = state_of(changes, 1)
    start["replay"][..., -1] = 0.0  # no step is terminal
    seen = []
    for place in [None, *range(0, agent.num_agent_draws, size)]:
        normal = 0.3 * noise.agent  # few are clamped
        if place is not None:
            normal[:, place : place + size] += 0.3
        state = part(start, 0)
        shown = advance(changes, state, noise._replace(agent=normal), torch.tensor(20))
        slopes = (state["actor.mean"].flatten(), state["critic.mean"].flatten())
        seen.append(tuple(torch.cat([shown["action"].flatten(), *slopes]).tolist()))
    assert len(set(seen)) == len(seen)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "changes"),
    [
        ("eager", {"policy_type": ["Beta"], "num_samples": [2]}),
        ("compile", {"policy_type": ["SquashedGaussianMixture"], "num_components": [3]}),
    ],
)
def test_a_run_has_the_same_bits_in_a_pack(backend: str, changes: dict[str, Any]) -> None:
    """Trained on Pendulum, index 7 alone is index 7 on the last lane of a pack of five."""
    spec = small_spec({"total_timesteps": 80}, changes)
    run_of_same_bits(spec, 7, [[100, 105, 110, 115, 7]], backend)


@pytest.mark.slow
@VARIANT
def test_each_variant_learns_a_bandit(changes: dict[str, Any]) -> None:
    """From the rewards of 64 steps alone, 800 updates halve the distance between greedy and best
    actions, or take a quarter off it by a likelihood ratio without a baseline; three of four
    discrete actions are then the best."""
    changes = {**changes, "uniform_exploration_steps": 0, "batch_size": 32, "alpha": 0.02}
    changes |= {"automatic_entropy_tuning": False, "critic_lr": 0.003, "hidden_dim": 32}
    changes |= {"num_samples": 4}
    agent, state = agent_of(changes), state_of(changes, 2)
    state["gamma"].zero_()
    ended = torch.zeros(2, 1, 1, dtype=torch.bool)
    states = state["replay"][..., :3]
    distances = []
    with torch.no_grad():
        for number in range(801):
            error = agent.act_greedily(state, states) - best_action(changes, states)
            distances.append(error.abs().mean((1, 2)))
            noise = noise_of(changes, 2, number)
            agent.update(state, experience_of(2), ended, noise, torch.tensor(number))
    rest = 0.75 if changes.get("reparam_baseline") == (False, 0) else 0.5
    assert (distances[-1] < rest * distances[0]).all()
    if changes["policy_type"] == "Softmax":
        assert ((error == 0).float().mean((1, 2)) > 0.75).all()
