"""Solvers of games: their networks, what they see, their gradients, and how they begin."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from agents.roles.games import MASKED, SMALL_GAME, made, noise, solved
from torch import nn

import nthrun.agents.roles.fields as sizes
from nthrun.agents.roles.features import Features
from nthrun.agents.roles.network import Said
from nthrun.specs.interface import Role


def test_large_numbers_are_seen_digit_by_digit() -> None:
    """12345.678 is seen as (x mod 10ᵏ) / 10ᵏ, in its own place, and others divided by a scale;
    a number below 0 likewise, so that all digits are at least 0."""
    role = Role("firm", 1, 3, (2,), shared=1, scales=(4.0, 1.0, 10.0), digits=(1,))
    shared, own = Features(role)(torch.tensor([[[[2.0, 12345.678, 5.0]]]]))
    assert shared.tolist() == [[[0.5]]]
    digits = [0.5678, 0.45678, 0.345678, 0.2345678, 0.12345678, 0.012345678, 0.0012345678]
    assert own[0, 0, 0, 1:7].tolist() == pytest.approx(digits[1:], rel=1e-3)
    assert own[0, 0, 0, 0] == pytest.approx(0.5678, abs=2e-4)
    assert own[0, 0, 0, 10] == 0.5
    _, own = Features(role)(torch.tensor([[[[2.0, -3.0, 5.0]]]]))
    assert own[0, 0, 0, :3].tolist() == pytest.approx([0.7, 0.97, 0.997])


def test_a_network_is_the_sources_module_with_its_parameters() -> None:
    """Two hidden layers of rectified units on all that an agent sees, linear heads and a value."""
    solver, state, _ = made(lanes=2)
    play = solver.simulation.plays["consumer"]
    shared, own = torch.rand(2, 3, 29), torch.rand(2, 3, 4, 11)
    said: Said = play.network(state["policy.consumer"], shared, own)
    for lane in range(2):
        named = {name: part[lane] for name, part in solver.learned_params(state).items()}
        layers = [nn.Linear(*shape) for shape in ((40, 16), (16, 16), (16, 30))]
        for number, layer in enumerate(layers, 1):
            layer.weight.data = named[f"policy.consumer.weight{number}"].T
            layer.bias.data = named[f"policy.consumer.bias{number}"]
        seen = torch.cat([shared[lane].unsqueeze(1).expand(-1, 4, -1), own[lane]], -1)
        x = seen.reshape(12, 40)
        for layer in layers[:-1]:
            x = torch.relu(layer(x))
        outputs = layers[-1](x)
        torch.testing.assert_close(said.logits[lane], outputs[:, :-1])
        torch.testing.assert_close(said.value[lane], outputs[:, -1:])


def test_networks_are_as_large_as_published() -> None:
    """With ten firms: 51,326, 40,479 and 38,437 parameters."""
    game = {"num_consumers": 1, "num_firms": 10}
    _, _, environment = made(game=game)
    counts = []
    for role in environment.interface.roles:
        widths = sizes.network_shape({"hidden": (128, 128)}, role).true_widths()
        counts.append(sum((a + 1) * b for a, b in pairwise(widths)))
    assert counts == [51_326, 40_479, 38_437]


@pytest.mark.parametrize("agent", ["ppo_types", "pg_types"])
def test_a_gradient_in_pieces_is_that_of_the_whole(
    agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few agents a gradient goes through at once, parameters and metrics after a step are
    those of the whole batch, to rounding."""
    whole = made(agent)
    metrics = solved(whole, range(1))[0]
    monkeypatch.setattr(sizes, "ROWS_AT_ONCE", 9)
    pieces = made(agent)
    for name, number in solved(pieces, range(1))[0].items():
        torch.testing.assert_close(number, metrics[name], rtol=1e-4, atol=1e-5, msg=name)
    for role in ("consumer", "firm", "government"):
        one, other = (of.state[f"policy.{role}.mean"] for of in (whole, pieces))
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_who_does_not_learn_stays_as_it_was_and_says_what_it_said() -> None:
    """A role's network and optimiser change at its steps alone, and its metrics repeat then."""
    game = made(learning_start=(0, 2, 5), lanes=2)
    first = {name: tensor.clone() for name, tensor in game.state.items()}
    metrics = solved(game, range(3))
    changed = {
        role: not torch.equal(game.state[f"policy.{role}"], first[f"policy.{role}"])
        for role in ("consumer", "firm", "government")
    }
    assert changed == {"consumer": True, "firm": True, "government": False}
    assert [float(told["entropy_firm"][0]) > 0 for told in metrics] == [False, False, True]
    assert torch.equal(game.state["policy.government.powers"], torch.ones(2, 2))


def test_everybody_draws_anew_at_every_step() -> None:
    """No role uses a random number twice: choices of firms and of the government differ from step
    to step as much as those of consumers."""
    solver, state, _ = made(num_worlds=50)
    policies, masks = solver._acting(state)
    factor = solver.curriculum.factor(state, torch.tensor(0))
    draws = noise(solver, 0).environment
    played = solver.simulation.episodes(policies, masks, factor, draws).roles
    for name, part in played.items():
        last = part.choices[..., -1].flatten(3)
        same = (last[:, 1:] == last[:, :-1]).float().mean()
        size = {"consumer": 2, "firm": 30, "government": 36}[name]
        assert float(same) == pytest.approx(1 / size, abs=0.15), name


def test_fresh_networks_begin_where_the_published_curves_do() -> None:
    """At the masks of episode 0 the means of 20 seeds lie about those of uniform play."""
    game = {**SMALL_GAME, "num_consumers": 100, "num_firms": 10, "steps_per_episode": 10}
    fresh = made(game=game, lanes=20, num_worlds=2, hidden=(128, 128), ease_steps=1e4, **MASKED)
    solver, state, _ = fresh
    policies, masks = solver._acting(state)
    draws = noise(solver, 0, 20).environment
    factor = solver.curriculum.factor(state, torch.tensor(0))
    with torch.no_grad():
        played = solver.simulation.episodes(policies, masks, factor, draws)
    consumer, firm = (played.roles[name].reward.flatten(1).mean(1) for name in ("consumer", "firm"))
    assert ((consumer > 5.0) & (consumer < 5.6)).all()
    assert ((firm > -56_000) & (firm < -32_000)).all()
    assert float(consumer.mean()) == pytest.approx(5.302, abs=0.08)
    assert float(firm.mean()) == pytest.approx(-43_973, abs=3000)
    assert torch.equal(played.aggregates[0].unique(), torch.tensor([1000.0]))


def learned(agent: str, steps: int, **more: Any) -> list[dict[str, torch.Tensor]]:
    """Metrics of consumers who alone learn, in a game in which work does not pay."""
    game = {**SMALL_GAME, "num_governments": 0, "consumer_theta": 1.0}
    parameters = {"lr": (3e-3,), "reward_scale": (100.0,), "entropy_weight": 0.01, "num_worlds": 16}
    return solved(made(agent, game, learning_start=(0, 10**6), **parameters, **more), range(steps))


@pytest.mark.parametrize("agent", ["ppo_types", "pg_types"])
def test_consumers_learn_not_to_work_where_that_does_not_pay(agent: str) -> None:
    """Their reward rises most of the way to the 0 of those who never work."""
    metrics = learned(agent, 60)
    first, last = (float(told["reward_consumer"]) for told in (metrics[0], metrics[-1]))
    assert first < -150 and last > 0.25 * first
