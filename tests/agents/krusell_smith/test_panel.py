"""Worlds of households against sums written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from agents.euler.economies import uniform
from agents.solver_runs import solver_spec

from nthrun.agents.krusell_smith.households import of_kind
from nthrun.agents.krusell_smith.panel import Luck, Panel, World, panel_of

PRESETS: list[dict[str, Any]] = [{"preset": "ghh"}, {"preset": "jedc"}]
BINS: dict[str, Any] = {"distribution": "histogram", "bins": 15, "households": 100}


def panel(environment: dict[str, Any]) -> Panel:
    """A small panel of an economy."""
    spec = solver_spec("euler_ks", {}, environment)
    return panel_of(spec.sweep.setting(0), spec.environment)


def worlds(made: Panel, lanes: int = 2) -> World:
    """Its first worlds."""
    return made.first(uniform(lanes, made.first_draws))


@pytest.mark.parametrize("environment", PRESETS, ids=str)
def test_resources_are_those_of_the_economy(environment: dict[str, Any]) -> None:
    """What a household can spend is (1 + r) a + y at the prices that its own world's wealth makes,
    y being that of its kind."""
    made = panel(environment)
    world = worlds(made)
    market = made.market(world.assets, world.state, world.masses)
    flags = made.households.flags(world.kind)
    found = made.households.found_by(flags, world.assets, market)
    economy = made.households.economy.economy
    assets = world.assets.double().numpy()
    states = world.state.long().numpy()[..., 0]
    capital = assets.mean(2)
    income = economy.net_income(capital, states)
    mine = np.take_along_axis(income, world.kind.long().numpy(), 2)
    r = economy.prices(capital, states).r[..., None]
    np.testing.assert_allclose(found.resources, (1 + r) * assets + mine, rtol=2e-5)
    every = made.households.found_by_every(world.assets, market)
    assert torch.equal(of_kind(every.insured, flags), found.insured)


@pytest.mark.parametrize("environment", PRESETS, ids=str)
def test_expectations_are_exact(environment: dict[str, Any]) -> None:
    """The expected value of anything known of the next Z and kind is its sum over both, weighted
    with the chances of the economy's transition."""
    made = panel(environment)
    world = worlds(made)
    economy = made.households.economy.economy
    lanes, num_worlds, count = world.assets.shape
    shape = (lanes, num_worlds, economy.num_states, count, economy.num_kinds)
    numbers = uniform(*shape)
    expected = made.expected(numbers.flatten(1, 2), world.state, world.kind)
    for place in np.ndindex(lanes, num_worlds, count):
        lane, where, who = place
        state, kind = int(world.state[lane, where, 0]), int(world.kind[place])
        chances = economy.transition[state, kind]
        summed = (chances * numbers[lane, where, :, who].double().numpy()).sum()
        assert float(expected[place]) == pytest.approx(summed, rel=1e-5)


@pytest.mark.parametrize("environment", PRESETS, ids=str)
def test_a_histogram_makes_k(environment: dict[str, Any]) -> None:
    """Beside a histogram K is what its cells own, moves to what they save, whatever the households
    do that are followed, and masses stay those of the kinds."""
    made = panel(environment | BINS)
    assert made.histogram is not None
    world = worlds(made)
    before = made.market(world.assets, world.state, world.masses).capital
    other = made.market(3.0 * world.assets, world.state, world.masses).capital
    assert torch.equal(before, other)
    cells = made.histogram.cells(world.masses)
    saved = made.histogram.savings(0.9 * cells.wealth)
    luck = Luck(uniform(2, made.num_worlds, 1), uniform(2, made.num_worlds, made.num_households))
    after = made.following(world, world.assets, saved, luck)
    capital = made.market(after.assets, after.state, after.masses).capital
    torch.testing.assert_close(capital, cells.mean(saved), rtol=1e-4, atol=0.0)
    shares = after.masses.unflatten(2, (made.households.num_kinds, -1)).sum(3)
    exact = made.households.economy.economy.shares[after.state.long().numpy()[..., 0]]
    np.testing.assert_allclose(shares, exact, atol=1e-5)


def test_a_spread_is_seen() -> None:
    """With two moments a network sees the deviation of a world's wealth over its mean, and nothing
    else of who owns it; weighted households count as often as they weigh."""
    made = panel({"moments": 2})
    world = worlds(made)
    seen = made.crowd(world.assets)
    assert torch.equal(made.crowd(2.0 * world.assets).round(decimals=4), seen.round(decimals=4))
    weights = torch.full_like(world.assets, 1 / made.num_households)
    torch.testing.assert_close(made.crowd(world.assets, weights), seen, rtol=1e-4, atol=1e-5)
    assert made.crowd(world.assets.flip(2)).allclose(seen, atol=1e-5)
