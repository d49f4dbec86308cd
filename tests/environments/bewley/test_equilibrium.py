"""General equilibria against independent solvers, published tables and accounting."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
import pytest

from nthrun.environments.bewley import equilibrium
from nthrun.environments.bewley.ability import rouwenhorst, tauchen
from nthrun.environments.bewley.calibration import (
    INELASTIC,
    UNBOUNDED,
    AbilityProcess,
    Calibration,
    Preferences,
    Superstar,
    Taxes,
    TaxSchedule,
    Technology,
    capital_per_labour,
    complete_markets,
    interest_rate,
    wage,
)
from nthrun.environments.bewley.distribution import (
    Grids,
    aggregates,
    asset_grid,
    revenue,
    usual_sizes,
)
from nthrun.environments.bewley.equilibrium import (
    Economy,
    Equilibrium,
    solve,
    solve_at_any_top,
    solve_with,
)
from nthrun.environments.bewley.household_numpy import Household, solve_household
from nthrun.errors import NoSolutionError

GRIDS = Grids(num_choices=100, num_masses=200, top=60.0)
PROCESS = AbilityProcess(0.6, 0.2)
REBATED = Taxes(TaxSchedule(0.2), TaxSchedule(0.002), 0.065, rebated=True)
DEFAULT = Calibration()
PATIENT = Calibration(Preferences(beta=0.975))
FREE = Calibration(labour_bounds=UNBOUNDED)
COARSE = Grids(num_choices=60, num_masses=200, top=100.0)
QUICK = AbilityProcess(0.6, 0.2)
# r in percent, K, L, hours, share at 0.99, C, Y, saving ratio, Ginis of a and c, share without a.
FIVE = (2.8616, 6.708, 0.9427, 0.9249, 0.484, 1.399, 1.801, 0.8274, 0.664, 0.305, 0.148)
NINE = (2.8459, 6.722, 0.9421, 0.9253, 0.475, 1.3985, 1.8019, 0.8278, 0.676, 0.308, 0.156)
FIFTEEN = (2.8391, 6.729, 0.9420, 0.9256, 0.476, 1.3986, 1.8023, 0.8279, 0.682, 0.309, 0.157)
TWENTY_ONE = (2.8364, 6.732, 0.9420, 0.9257, 0.477, 1.3986, 1.8025, 0.8280, 0.684, 0.309, None)
IF_PATIENT = (1.4360, 8.774, 0.9490, 0.9292, 0.494, 1.4506, 1.9771, 0.8581, 0.667, 0.285, 0.136)
IF_FREE = (2.7343, 7.055, 0.9703, 0.9398, 0.0, 1.4441, 1.8674, 0.8301, 0.689, 0.317, 0.170)
TOLERANCES = (1e-3, 1e-3, 1e-4, 1.1e-4, 2.5e-3, 2e-4, 5e-4, 1e-4, 1.5e-3, 1.5e-3, 2.5e-3)
AIYAGARI = [
    (0.2, 1.0, 0.0, 4.1443, 4.1461),
    (0.2, 3.0, 0.6, 3.8760, 3.9100),
    (0.2, 5.0, 0.6, 3.6139, 3.6773),
    (0.2, 3.0, 0.9, 3.3710, 3.5784),
    (0.4, 3.0, 0.0, 3.7822, 3.8204),
    (0.4, 3.0, 0.6, 2.9143, 3.0596),
    (0.4, 3.0, 0.9, 1.5135, 2.1155),
]


def _economy(calibration: Calibration) -> Economy:
    return Economy(calibration, rouwenhorst(calibration.ability, 3), GRIDS)


def test_supply_is_at_the_prices_of_firms() -> None:
    """The wage goes with the interest rate, and the excess is the log of supply over demand."""
    calibration = Calibration(ability=PROCESS)
    found = _economy(calibration).supply(0.03)
    wanted = capital_per_labour(calibration.technology, 0.03)
    assert found.household.w == wage(calibration.technology, wanted)
    sums = aggregates(found.household, found.rules, found.mass)
    assert exp(found.excess) * wanted == pytest.approx(sums.capital / sums.labour, rel=1e-12)


def test_supply_rises_with_the_interest_rate() -> None:
    """The excess of capital supplied rises with the interest rate."""
    economy = _economy(Calibration(ability=PROCESS, labour_bounds=INELASTIC))
    excesses = [economy.supply(r).excess for r in (-0.02, 0.01, 0.03, 0.041)]
    assert excesses == sorted(excesses)
    assert excesses[0] < 0 < excesses[-1]


def test_a_near_supply_changes_nothing() -> None:
    """Begun from what households do at another interest rate, the excess is the same to 1e-7."""
    economy = _economy(Calibration(ability=PROCESS))
    expected = economy.supply(0.03).excess
    assert economy.supply(0.03, economy.supply(0.02)).excess == pytest.approx(expected, abs=1e-7)


def test_the_rebate_is_what_taxes_bring() -> None:
    """Taxes that are rebated bring the rebate, to 1e-9, and it is not 0."""
    found = _economy(Calibration(ability=PROCESS, taxes=REBATED)).supply(0.03)
    taxed = revenue(found.household, found.rules, found.mass)
    assert found.household.rebate == pytest.approx(taxed, abs=1e-9)
    assert taxed > 0.1


def test_a_rebate_that_is_not_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few rounds end in an error with the interest rate and the gap that is left."""
    monkeypatch.setattr(equilibrium, "MAX_REBATES", 1)
    with pytest.raises(
        NoSolutionError, match=r"r = 0\.03: taxes still differ from the rebate by 0"
    ):
        _economy(Calibration(ability=PROCESS, taxes=REBATED)).supply(0.03)


@pytest.fixture(scope="module")
def default() -> Equilibrium:
    return solve(DEFAULT)


def _assert_row(found: Equilibrium, expected: tuple[float | None, ...]) -> None:
    sums = found.aggregates
    row = (
        100 * found.r,
        sums.capital,
        sums.labour,
        sums.mean_hours,
        sums.share_at_highest_labour,
        sums.consumption,
        sums.output,
        sums.saving_ratio,
        sums.gini_wealth,
        sums.gini_consumption,
        sums.share_without_wealth,
    )
    for value, target, tolerance in zip(row, expected, TOLERANCES, strict=True):
        assert target is None or value == pytest.approx(target, abs=tolerance)


def test_the_default_economy(default: Equilibrium) -> None:
    """With 15 abilities r is 2.8391 % to 0.001, and ten aggregates are those of another solver."""
    _assert_row(default, FIFTEEN)


def test_wealth_of_the_default_economy(default: Equilibrium) -> None:
    """Quantiles of wealth are those of another solver, to 1.6 % or 0.01."""
    expected = (0.0, 0.208, 2.459, 8.724, 18.942, 48.96)
    assert default.aggregates.wealth_quantiles == pytest.approx(expected, rel=0.016, abs=0.014)


def test_the_goods_market_clears(default: Equilibrium) -> None:
    """C + δ K = Y to 1e-9, and mean savings are K."""
    sums = default.aggregates
    assert sums.consumption + 0.06 * sums.capital == pytest.approx(sums.output, abs=1e-9)
    assert (default.mass * default.rules.savings).sum() == pytest.approx(sums.capital, rel=1e-8)


def test_prices_are_those_of_firms(default: Equilibrium) -> None:
    """r is the interest rate at K/L, and the excess demand that is said is what is left."""
    sums = default.aggregates
    supplied = sums.capital / sums.labour
    assert default.r == pytest.approx(interest_rate(DEFAULT.technology, supplied), abs=1e-9)
    left = 1 - supplied / capital_per_labour(DEFAULT.technology, default.r)
    assert default.excess_demand == pytest.approx(left, abs=1e-12)
    assert abs(left) < 1e-8


def test_risk_lowers_the_interest_rate(default: Equilibrium) -> None:
    """Without insurance r is below, and K above, what they are in complete markets."""
    insured = complete_markets(DEFAULT)
    assert default.r < insured.r - 0.01
    assert default.aggregates.capital > insured.capital


def test_less_risk_nears_complete_markets() -> None:
    """Risk without memory leaves r below 1/β - 1 by less than 0.04 points."""
    calibration = Calibration(ability=AbilityProcess(0.0, 0.2), labour_bounds=INELASTIC)
    found = solve(calibration, 3, COARSE)
    insured = complete_markets(calibration)
    assert insured.r - 4e-4 < found.r < insured.r


def test_decisions_are_read_between_the_points(default: Equilibrium) -> None:
    """At any wealth and ability, in arrays of any shape, c, l and a' meet the budget."""
    assets = np.random.default_rng(0).uniform(0, 100, size=(4, 5))
    states = np.arange(20).reshape(4, 5) % 15
    consumption, labour = default.consumption(assets, states), default.labour(assets, states)
    income = default.w * default.chain.values[states] * labour + default.r * assets
    left = income + assets - consumption
    np.testing.assert_allclose(default.savings(assets, states), left, rtol=1e-9)
    assert consumption.shape == (4, 5)
    on_points = default.consumption(default.rules.assets, np.full(1000, 6))
    np.testing.assert_allclose(on_points, default.rules.consumption[6], rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("elasticity", [0.0, 0.1])
def test_taxes_are_spent_or_rebated(elasticity: float) -> None:
    """Output is consumption, depreciation and revenue, or the first two where it is rebated."""
    income, wealth = TaxSchedule(0.2, elasticity), TaxSchedule(0.002)
    for rebated in (False, True):
        taxes = Taxes(income, wealth, 0.065, rebated)
        found = solve(Calibration(ability=QUICK, taxes=taxes), 3, COARSE)
        sums = found.aggregates
        spent = 0.0 if rebated else sums.revenue
        total = sums.consumption + 0.06 * sums.capital + spent
        assert total == pytest.approx(sums.output, abs=1e-7)
        assert found.rebate == pytest.approx(sums.revenue if rebated else 0.0, abs=1e-8)
        assert sums.revenue > 0.1


@pytest.mark.slow
def test_a_little_progression_changes_little() -> None:
    """ξ = 1e-6, solved by Newton's method, gives r and K of ξ = 0, solved in closed form."""
    found = [
        solve(Calibration(ability=QUICK, taxes=Taxes(TaxSchedule(0.2, xi))), 3, COARSE)
        for xi in (0.0, 1e-6)
    ]
    assert found[1].r == pytest.approx(found[0].r, abs=1e-6)
    assert found[1].aggregates.capital == pytest.approx(found[0].aggregates.capital, rel=1e-4)
    assert found[1].r != found[0].r


def test_log_utility_does_not_see_the_unit_of_productivity() -> None:
    """With θ = 1, A twice as large leaves r and hours as they are and doubles C^(1-α)."""
    scale = 2 ** (1 / 0.67)
    larger = Technology(productivity=2.0)
    one = solve(Calibration(ability=QUICK), 3, COARSE)
    two = solve(
        Calibration(technology=larger, ability=QUICK), 3, Grids(60, 200, 100 * scale, scale)
    )
    assert two.r == pytest.approx(one.r, abs=1e-8)
    assert two.aggregates.mean_hours == pytest.approx(one.aggregates.mean_hours, rel=1e-7)
    ratio = two.aggregates.consumption / one.aggregates.consumption
    assert 0.67 * log(ratio) == pytest.approx(log(2), rel=1e-6)


def test_a_low_return_to_capital_has_a_negative_interest_rate() -> None:
    """Where capital earns little of output households hold it at r < 0, and markets clear."""
    technology = Technology(alpha=0.05)
    found = solve(Calibration(technology=technology, ability=AbilityProcess(0.9, 0.4)), 5, COARSE)
    assert -0.06 < found.r < 0
    assert abs(found.excess_demand) < 1e-8


def test_a_grid_that_cuts_wealth_off_is_refused() -> None:
    """A top that households reach ends in an error with their share, the top and what to do."""
    with pytest.raises(NoSolutionError, match=r"at its top 20, allowed is 1e-06; hint: raise"):
        solve(Calibration(ability=QUICK), 3, Grids(60, 200, 20.0))


@pytest.mark.slow
def test_superstars_need_a_higher_top() -> None:
    """Superstars of factor 504 do not fit wealth of 500; where they do, they own much more."""
    stars = AbilityProcess(superstar=Superstar(2.2e-6, 0.99, 504.3))
    with pytest.raises(NoSolutionError, match="cuts wealth off"):
        solve(Calibration(ability=stars), 3, Grids(100, 300))
    grids = Grids(150, 400, 1e5)
    rich = solve(Calibration(ability=stars), 3, grids).aggregates
    plain = solve(DEFAULT, 3, grids).aggregates
    assert rich.gini_wealth > plain.gini_wealth + 0.1


@pytest.mark.slow
def test_the_top_rises_with_the_wealth_of_an_economy() -> None:
    """A top that is high enough is kept; else tops ten times as high are tried, on grids whose
    steps are as fine, until wealth is not cut off."""
    chain = rouwenhorst(QUICK, 3)
    kept = Grids(60, 200, 100.0)
    found, grids = solve_at_any_top(Calibration(ability=QUICK), chain, kept)
    assert grids == kept
    again, grids = solve_at_any_top(Calibration(ability=QUICK), chain, Grids(60, 200, 20.0))
    assert grids.top == 200.0
    assert grids.num_masses > 200
    assert again.r == pytest.approx(found.r, abs=1e-4)


def test_a_very_risky_economy() -> None:
    """At ρ = .98, σ = .36 r is .4515 % on fine grids, K 10.891 and L .9530, at a top of 5,000."""
    calibration = Calibration(ability=AbilityProcess(0.98, 0.36))
    found, grids = solve_at_any_top(calibration, rouwenhorst(calibration.ability, 15), Grids())
    assert grids.top == 5000.0
    assert 100 * found.r == pytest.approx(0.4515, abs=2e-3)
    assert found.aggregates.capital == pytest.approx(10.891, abs=6e-3)
    assert found.aggregates.labour == pytest.approx(0.9530, abs=1e-4)


NEAR_THE_LIMIT = {
    "default": DEFAULT,
    "little work": Calibration(Preferences(chi=10.0)),
    "risk-averse": Calibration(Preferences(theta=2.0)),
    "poor": Calibration(technology=Technology(productivity=0.1)),
    "rich": Calibration(technology=Technology(productivity=5.0)),
    "risky": Calibration(ability=AbilityProcess(0.9, 0.4)),
    "taxed": Calibration(taxes=Taxes(TaxSchedule(0.3, 0.15), TaxSchedule(0.01))),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("default", "risky") else pytest.mark.slow)
        for name in NEAR_THE_LIMIT
    ],
)
def test_consumption_near_the_limit_of_borrowing(name: str) -> None:
    """Near a = 0, in units of what the poorest earn, consumption is that of a grid with twenty
    times as many points to 2 in 1,000, whatever the scale of the economy, and to 6 in 10,000
    above."""
    calibration = NEAR_THE_LIMIT[name]
    chain = rouwenhorst(calibration.ability, 7)
    earned, owned = usual_sizes(calibration, chain)
    r = 0.7 * calibration.proportional_return_limit
    wage_paid = wage(calibration.technology, capital_per_labour(calibration.technology, r))
    household = Household(calibration, chain, r, wage_paid)
    grids = Grids().fitted(calibration, chain)
    near, far = np.linspace(0, 3 * earned, 301), np.linspace(3 * earned, 10 * owned, 300)
    fine = asset_grid(6000, grids.top, earned / 10)
    choices = [solve_household(household, grid) for grid in (grids.choices(), fine)]
    for assets, tolerance in ((near, 2e-3), (far, 6e-4)):
        found, exact = (each.rules(assets).consumption for each in choices)
        np.testing.assert_allclose(found, exact, rtol=tolerance)


def test_the_unit_of_output_changes_nothing() -> None:
    """With productivity .1 the same economy in other units has the same hours, to 1 in 10,000, and
    the same share of households without wealth, to .003."""
    poor = Calibration(technology=Technology(productivity=0.1))
    found, usual = (solve(c, 7).aggregates for c in (poor, DEFAULT))
    assert found.mean_hours == pytest.approx(usual.mean_hours, rel=1e-4)
    without = found.share_without_wealth, usual.share_without_wealth
    assert without[0] == pytest.approx(without[1], abs=3e-3)


@pytest.mark.parametrize("limit", ["MAX_STEPS", "MAX_TRIALS"])
def test_no_equilibrium_is_told(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few steps end in an error with the last interest rate and what is left of the excess."""
    monkeypatch.setattr(equilibrium, limit, 1)
    with pytest.raises(
        NoSolutionError, match=r"no equilibrium after 1 .* at r = 0\.0\d+ household"
    ):
        solve(Calibration(ability=QUICK), 3, COARSE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("calibration", "num_states", "expected"),
    [
        (DEFAULT, 5, FIVE),
        (DEFAULT, 9, NINE),
        (DEFAULT, 21, TWENTY_ONE),
        (PATIENT, 15, IF_PATIENT),
        (FREE, 15, IF_FREE),
    ],
)
def test_the_table_of_economies(
    calibration: Calibration, num_states: int, expected: tuple[float | None, ...]
) -> None:
    """Each economy has the r, to 0.001 points, and the aggregates of another solver."""
    _assert_row(solve(calibration, num_states), expected)


@pytest.mark.slow
def test_tauchen_of_seven_is_not_good_enough() -> None:
    """Tauchen's chain of 7 states puts r at 2.5127 %, a third of a point off."""
    found = solve_with(DEFAULT, tauchen(DEFAULT.ability, 7), Grids())
    assert 100 * found.r == pytest.approx(2.5127, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("deviation", "theta", "rho", "by_tauchen", "by_rouwenhorst"), AIYAGARI)
def test_the_economies_of_aiyagari(
    deviation: float, theta: float, rho: float, by_tauchen: float, by_rouwenhorst: float
) -> None:
    """With inelastic labour the economies of Aiyagari (1994), table II, whose σ is the deviation of
    log v itself, have the r in percent of another solver, to 0.005 points, on either chain."""
    calibration = Calibration(
        Preferences(theta=theta),
        Technology(alpha=0.36, delta=0.08),
        AbilityProcess(rho, deviation * sqrt(1 - rho**2)),
        labour_bounds=INELASTIC,
    )
    seven = solve_with(calibration, tauchen(calibration.ability, 7), Grids())
    nine = solve_with(calibration, rouwenhorst(calibration.ability, 9), Grids())
    assert 100 * seven.r == pytest.approx(by_tauchen, abs=5e-3)
    assert 100 * nine.r == pytest.approx(by_rouwenhorst, abs=5e-3)


@pytest.mark.slow
def test_the_riskiest_economy_of_aiyagari() -> None:
    """At σ = 0.4, θ = 3, ρ = 0.9 K is 7.9995, the saving rate 30.27 % and the Gini of wealth
    0.488, on Tauchen's chain of 7 states."""
    technology = Technology(alpha=0.36, delta=0.08)
    process = AbilityProcess(0.9, 0.4 * sqrt(1 - 0.81))
    calibration = Calibration(Preferences(theta=3.0), technology, process, labour_bounds=INELASTIC)
    sums = solve_with(calibration, tauchen(process, 7), Grids()).aggregates
    assert sums.capital == pytest.approx(7.9995, abs=2e-3)
    assert 0.08 * sums.capital / sums.output == pytest.approx(0.3027, abs=1e-4)
    assert sums.gini_wealth == pytest.approx(0.488, abs=1e-3)
