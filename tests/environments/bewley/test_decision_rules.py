"""Laws of cuts through decision rules, and of the exact rules of single households."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nthrun.environments.bewley.ability import rouwenhorst
from nthrun.environments.bewley.calibration import (
    AbilityProcess,
    Calibration,
    Preferences,
    Superstar,
    Taxes,
    TaxSchedule,
)
from nthrun.environments.bewley.decision_rules import (
    Choice,
    Situation,
    cut,
    require_within,
    rule_at_prices,
    stationary,
)
from nthrun.environments.bewley.equilibrium import solve
from nthrun.environments.bewley.household_numpy import Household
from nthrun.errors import NthrunError

PLAIN = Calibration()
TAXED = Calibration(
    Preferences(theta=1.5, chi=1.3),
    taxes=Taxes(TaxSchedule(0.2, 0.1), TaxSchedule(0.01), consumption_rate=0.1, rebated=True),
)
INELASTIC = Calibration(labour_bounds=(1.0, 1.0))


def situation(calibration: Calibration, **changes: float) -> Situation:
    """A household of middling ability with a wealth of 2."""
    chain = rouwenhorst(calibration.ability, 5)
    rebate = 0.1 if calibration.taxes.rebated else 0.0
    here = Situation(calibration, chain, wealth=2.0, state=2, r=0.02, w=1.2, rebate=rebate)
    return replace(here, **changes)


@pytest.mark.parametrize("calibration", [PLAIN, TAXED, INELASTIC], ids=["plain", "taxed", "fixed"])
def test_forced_to_save_what_it_would_it_does_the_same(calibration: Calibration) -> None:
    """A household that is made to save the share that it chooses consumes, works and saves as it
    does by the exact rules."""
    here = situation(calibration)
    rule = rule_at_prices(here)
    assert rule is not None
    chosen = rule(np.array([here.wealth]), np.array([here.state]))
    forced = here.menu(chosen.share)
    assert 0 < chosen.share[0] < 1
    for part in ("consumption", "labour", "savings", "share"):
        np.testing.assert_allclose(getattr(forced, part), getattr(chosen, part), rtol=1e-6)


@pytest.mark.parametrize("calibration", [PLAIN, TAXED], ids=["plain", "taxed"])
def test_forced_savings_leave_the_best_labour(calibration: Calibration) -> None:
    """Whatever share is saved, the budget holds and labour is the best for what is consumed."""
    here = situation(calibration, state=1)
    share = np.linspace(0.0, 0.9, 7)
    forced = here.menu(share)
    home = Household(calibration, here.chain, here.r, here.w, here.rebate)
    wealth = np.full((1, 7), here.wealth)
    labour = home.labour(np.tile(forced.consumption, (5, 1)), wealth)[1]
    np.testing.assert_allclose(forced.labour, labour, rtol=1e-7)
    rest = home.savings(forced.consumption, np.tile(forced.labour, (5, 1)), wealth)[1]
    np.testing.assert_allclose(forced.savings, rest, rtol=1e-9, atol=1e-12)
    assert (np.diff(forced.consumption) < 0).all()


def test_ability_is_interpolated_in_its_logarithm() -> None:
    """At a state of ability a cut is the rule's, and half way between two logarithms it is the mean
    of both; wealth is not interpolated."""
    here = situation(PLAIN)

    def rule(wealth: np.ndarray, states: np.ndarray) -> Choice:
        return Choice(wealth, states**2.0, wealth * states, states + 0.0)

    values = here.chain.values
    between = np.sqrt(values[3] * values[4])
    found = cut(rule, here, "ability", np.array([values[1], values[3], between]))
    np.testing.assert_allclose(found.labour, [1.0, 9.0, 12.5])
    np.testing.assert_allclose(found.consumption, 2.0)
    found = cut(rule, here, "wealth", np.array([0.1, 7.0]))
    np.testing.assert_allclose(found.savings, [0.2, 14.0])


def test_superstars_are_among_themselves() -> None:
    """The ability of a household varies over that of superstars if it is one, else over the
    others'."""
    process = AbilityProcess(superstar=Superstar(0.01, 0.9, 2.0))
    here = situation(replace(PLAIN, ability=process), state=3)
    star = replace(here, state=8)
    assert list(here.kin) == [0, 1, 2, 3, 4]
    assert list(star.kin) == [5, 6, 7, 8, 9]
    assert star.bounds("ability") == pytest.approx([2 * edge for edge in here.bounds("ability")])


def test_exact_rules_at_equilibrium_prices_are_the_equilibrium_s() -> None:
    """At the prices of the equilibrium both exact rules are one, but for interpolation; where
    wealth would grow without bound there is no rule."""
    found = solve(PLAIN, 5)
    exact = stationary(PLAIN, found.chain)
    assert (exact.r, exact.w, exact.labour) == (found.r, found.w, found.aggregates.labour)
    here = situation(PLAIN, r=exact.r, w=exact.w)
    wealth, states = np.linspace(0.0, 20.0, 50), np.arange(50) % 5
    rule = rule_at_prices(here)
    assert rule is not None
    one, other = rule(wealth, states), exact.rule(PLAIN)(wealth, states)
    np.testing.assert_allclose(one.consumption, other.consumption, rtol=2e-4)
    np.testing.assert_allclose(one.savings, other.savings, rtol=2e-3, atol=1e-3)
    np.testing.assert_array_equal(other.labour, found.labour(wealth, states))
    assert rule_at_prices(replace(here, r=0.05)) is None


def test_with_shared_risk_wealth_is_kept() -> None:
    """Where markets are complete the exact rule saves what is owned."""
    shared = stationary(PLAIN, rouwenhorst(PLAIN.ability, 2))
    one = situation(PLAIN).chain
    alone = replace(one, values=np.ones(1), transition=np.ones((1, 1)), stationary=np.ones(1))
    exact = stationary(PLAIN, alone)
    assert exact.r == pytest.approx(1 / 0.96 - 1) and exact.r > shared.r
    choice = exact.rule(PLAIN)(np.array([0.0, 3.0]), np.array([0, 0]))
    np.testing.assert_allclose(choice.savings, [0.0, 3.0], rtol=1e-12)


@pytest.mark.parametrize(
    ("varied", "low", "high", "allowed"),
    [
        ("wealth", -1.0, 2.0, "from 0 to inf"),
        ("wealth", 2.0, 2.0, "LO < HI"),
        ("wealth", 0.0, np.inf, "LO < HI"),
        ("ability", 0.01, 1.0, "LO < HI from 0.2"),
        ("savings", 0.0, 1.0, "from 0 to 0.999"),
    ],
)
def test_ranges_that_there_are_not(varied: str, low: float, high: float, allowed: str) -> None:
    """A range that is empty, or goes beyond what there is, is told with what is allowed."""
    here = situation(PLAIN)
    with pytest.raises(NthrunError, match=f"--range .*: allowed for {varied}: .*{allowed}"):
        require_within(here, varied, low, high)
    require_within(here, varied, *(0.1, 10.0) if varied == "wealth" else here.bounds(varied))


def test_one_state_of_ability_leaves_nothing_to_vary() -> None:
    """Where markets are complete, varying ability is refused in one line that says so."""
    here = situation(PLAIN)
    ones = {name: np.ones(1) for name in ("values", "stationary")}
    alone = replace(here, chain=replace(here.chain, transition=np.ones((1, 1)), **ones), state=0)
    said = "--vary ability: nothing to vary, as its only value here is 1"
    with pytest.raises(NthrunError, match=said) as caught:
        require_within(alone, "ability", *alone.bounds("ability"))
    assert len(caught.value.lines()) == 1
