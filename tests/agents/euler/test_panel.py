"""The simulated panel against plain sums over its households."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from agents.euler.economies import REBATED, TAXES, solver_of, stepped, uniform, unsettled

from nthrun.environments.bewley.calibration import capital_per_labour, interest_rate, wage

SOLVERS = pytest.mark.parametrize("agent", ["euler_quadrature", "euler_all_in_one"])


def test_prices_are_those_of_a_world() -> None:
    """Every household of a world finds the prices that firms pay at its mean wealth and the labour
    of the period before, and no other world's."""
    solver, state = solver_of("euler_quadrature")
    state["wealth"].copy_(6 + 6 * uniform(2, 16))
    state["labour"].copy_(0.9 + 0.1 * uniform(2, 2, seed=3))
    market = solver.panel.market(state)
    technology = solver.calibration.technology
    for lane in range(2):
        for world in range(2):
            own = slice(8 * world, 8 * world + 8)
            ratio = float(state["wealth"][lane, own].mean() / state["labour"][lane, world])
            r, w = interest_rate(technology, ratio), wage(technology, ratio)
            np.testing.assert_allclose(market.r[lane, own].numpy(), r, rtol=1e-4)
            np.testing.assert_allclose(market.w[lane, own].numpy(), w, rtol=1e-4)


@SOLVERS
@pytest.mark.parametrize("taxes", TAXES)
def test_a_period_adds_up(agent: str, taxes: str) -> None:
    """What a household consumes, at its price, and owns next are all that it had; L is the mean of
    what was supplied, and taxes, if they go back at all, are next period's rebate: what is produced
    is consumed, saved or, without a rebate, taken."""
    solver, state = solver_of(agent, TAXES[taxes])
    state = unsettled(state)
    state["rebate"].fill_(0.05 if taxes == "rebated" else 0.0)
    market = solver.panel.market(state)
    before = {name: tensor.clone() for name, tensor in state.items()}
    looked_at = solver.looked_at(before, uniform(2, 0))
    decided = solver.decide(before, looked_at, None)
    found = solver.found(looked_at)
    held = solver.household.resources(decided.labour, found)
    spent = solver.household.price * decided.consumption
    torch.testing.assert_close(spent + decided.savings, held, rtol=1e-5, atol=1e-5)
    assert taxes == "untaxed" or (decided.savings > 0).any()
    stepped(solver, state, 0)
    torch.testing.assert_close(state["wealth"], decided.savings, rtol=1e-5, atol=1e-5)
    able = solver.ability.values(before["ability"])
    supplied = (able * decided.labour).view(2, 2, 8).mean(2)
    torch.testing.assert_close(state["labour"], supplied)
    income = market.w * able * decided.labour + market.r * before["wealth"] + market.rebate
    left = income + before["wealth"] - decided.consumption - decided.savings
    revenue = left.view(2, 2, 8).mean(2)
    expected = revenue if taxes == "rebated" else torch.zeros_like(revenue)
    torch.testing.assert_close(state["rebate"], expected, rtol=1e-4, atol=1e-5)
    assert taxes == "untaxed" or (revenue > 0.01).all()


def test_a_rebate_is_part_of_what_is_had() -> None:
    """What a household of the panel has rises by the rebate of its world, to the digit."""
    solver, state = solver_of("euler_quadrature", REBATED)
    labour = torch.full((2, 16), 0.9)
    had = []
    for rebate in (0.0, 0.25):
        state["rebate"].fill_(rebate)
        looked_at = solver.looked_at(state, uniform(2, 0))
        had.append(solver.household.resources(labour, solver.found(looked_at)))
    torch.testing.assert_close(had[1] - had[0], torch.full((2, 16), 0.25), rtol=1e-5, atol=1e-6)


def test_shares_of_ability_stay() -> None:
    """From its stationary shares on, each state of ability has its share of the panel, period after
    period, to five standard errors."""
    solver, state = solver_of("euler_quadrature", {"households": 5000}, lanes=1)
    shares = solver.chain.stationary
    error = 5 * np.sqrt(shares * (1 - shares) / state["ability"].shape[1])
    for step in range(20):
        counted = np.bincount(state["ability"][0].long().numpy(), minlength=3) / 10_000
        assert (np.abs(counted - shares) < error).all(), step
        kept = state["wealth"].clone()
        draws = uniform(1, 10_000, seed=step)
        solver.panel.move(state, kept, torch.ones_like(kept), torch.zeros_like(kept), draws)


@pytest.mark.parametrize(("wealth", "bound"), [(0.0, 1), (1e6, 0)])
def test_prices_stay_where_rules_are_learned(wealth: float, bound: int) -> None:
    """Where households own nothing, or too much, r is that of its bounds, and w goes with it."""
    solver, state = solver_of("euler_quadrature")
    owned = torch.full_like(state["wealth"], wealth)
    found = solver.panel.prices(owned, state["labour"])
    r = solver.scale.bounds[bound]
    technology = solver.calibration.technology
    assert found.r.flatten().tolist() == pytest.approx([r] * found.r.numel(), rel=1e-5)
    w = wage(technology, capital_per_labour(technology, r))
    assert found.w.flatten().tolist() == pytest.approx([w] * found.w.numel(), rel=1e-4)
