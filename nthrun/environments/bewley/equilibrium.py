"""The stationary general equilibrium: the interest rate at which firms use what households own.

Aiyagari (1994), Uninsured idiosyncratic risk and aggregate saving, QJE 109(3), with labour supply.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.bewley.ability import AbilityChain, rouwenhorst
from nthrun.environments.bewley.calibration import (
    Array,
    Calibration,
    capital_per_labour,
    complete_markets,
    output,
    wage,
)
from nthrun.environments.bewley.distribution import (
    Aggregates,
    Grids,
    aggregates,
    revenue,
    stationary_mass,
)
from nthrun.environments.bewley.household_numpy import DecisionRules, Household, solve_household
from nthrun.errors import NoSolutionError

REBATE_TOLERANCE = 1e-9
MAX_REBATES = 40


Decide = Callable[[Household, Grids, Array | None], tuple[DecisionRules, Array]]
"""A household's circumstances, and what to begin from -> its decision rules on the grid of masses,
and what to begin from in similar circumstances."""
TOLERANCE = 1e-8
MAX_STEPS = 30
NUM_TOPS, TOP_FACTOR = 4, 10.0
"""Tops of the grid that are tried where wealth is cut off, each so many times the one before."""
MAX_TRIALS = 15
AGGREGATE_MEASURES = (
    *("capital", "labour", "mean_hours", "consumption", "output", "saving_ratio"),
    *("gini_wealth", "gini_consumption", "share_without_wealth"),
    *("share_at_lowest_labour", "share_at_highest_labour"),
)
"""Fields of `Aggregates` that records have."""
MEASURES = ("r", "w", *AGGREGATE_MEASURES)
NO_MEASURES = dict.fromkeys(MEASURES, math.nan)
"""The measures where no equilibrium was found."""


class WealthCutOffError(NoSolutionError):
    """Households want more wealth than the top of the grid."""


def exactly(household: Household, grids: Grids, guess: Array | None) -> tuple[DecisionRules, Array]:
    """Decision rules by the method of endogenous grid points, begun from consumption on the grid.

    Raises:
        NoSolutionError: where its iteration does not end.
    """
    choices = solve_household(household, grids.choices(), guess)
    return choices.rules(grids.masses()), choices.rules(grids.choices()).consumption


@dataclass(frozen=True, slots=True, eq=False)
class Supply:
    """What households do at one interest rate, which need not be the equilibrium's.

    Attributes:
        household: their circumstances, with the wage that goes with the interest rate.
        rules: their decision rules on the grid of masses.
        mass: `(num_states, num_masses)` shares of households, of sum 1.
        guess: for the next solution to begin from; see `Decide`.
    """

    household: Household
    rules: DecisionRules
    mass: Array
    guess: Array

    @property
    def excess(self) -> float:
        """log of K/L that households supply, over what firms want at this interest rate."""
        labour = float((self.mass * self.household.chain.values[:, None] * self.rules.labour).sum())
        capital = float((self.mass * self.rules.assets).sum())
        technology = self.household.calibration.technology
        wanted = capital_per_labour(technology, self.household.r)
        return math.log(max(capital, 1e-300) / labour / wanted)


@dataclass(frozen=True, slots=True)
class Economy:
    """All that does not change while the interest rate is looked for.

    Attributes:
        calibration: of preferences, technology and taxes.
        chain: ability.
        grids: of wealth, fitted to the economy.
        decide: how households do.
    """

    calibration: Calibration
    chain: AbilityChain
    grids: Grids
    decide: Decide = exactly

    def supply(self, r: float, near: Supply | None = None) -> Supply:
        """What households do at an interest rate, `near` being what they do at one close to it.

        A rebate is what all taxes bring, found by the secant method.

        Raises:
            NoSolutionError: where the household, its distribution or the rebate is not found.
        """
        rebate = near.household.rebate if near else 0.0
        gap, change, slope = 0.0, 0.0, -1.0
        for _ in range(MAX_REBATES):
            near = self._supply(r, rebate, near)
            before, gap = gap, revenue(near.household, near.rules, near.mass) - rebate
            if not self.calibration.taxes.rebated or abs(gap) <= REBATE_TOLERANCE:
                return near
            if change != 0:
                slope = (gap - before) / change
            change = -gap / slope
            rebate += change
        raise NoSolutionError(
            f"at r = {r:.6g}: taxes still differ from the rebate by {gap:.2g} after {MAX_REBATES} "
            f"rounds, allowed is {REBATE_TOLERANCE}",
            "take lower taxes",
        )

    def _supply(self, r: float, rebate: float, near: Supply | None) -> Supply:
        technology = self.calibration.technology
        w = wage(technology, capital_per_labour(technology, r))
        household = Household(self.calibration, self.chain, r, w, rebate)
        rules, guess = self.decide(household, self.grids, near.guess if near else None)
        mass = stationary_mass(self.chain, rules, near.mass if near else None)
        return Supply(household, rules, mass, guess)


@dataclass(frozen=True, slots=True, eq=False)
class Equilibrium:
    """A stationary equilibrium.

    Attributes:
        r: the interest rate a period.
        w: the wage of a unit of v l.
        rebate: what each household gets back of the taxes.
        excess_demand: (demand - supply) / demand of K/L, what is left of it.
        chain: ability.
        rules: decision rules by ability and wealth.
        mass: `(num_states, num_assets)` shares of households on the points of `rules`, of sum 1.
        aggregates: what it adds up to.
    """

    r: float
    w: float
    rebate: float
    excess_demand: float
    chain: AbilityChain
    rules: DecisionRules
    mass: Array
    aggregates: Aggregates

    def consumption(self, assets: Array, states: NDArray[np.intp]) -> Array:
        """c at any wealth >= 0 and numbers of ability states, of shapes that broadcast."""
        return self.rules.at(self.rules.consumption, assets, states)

    def labour(self, assets: Array, states: NDArray[np.intp]) -> Array:
        """l, as `consumption` is."""
        return self.rules.at(self.rules.labour, assets, states)

    def savings(self, assets: Array, states: NDArray[np.intp]) -> Array:
        """a', as `consumption` is."""
        return self.rules.at(self.rules.savings, assets, states)


def solve(
    calibration: Calibration, num_states: int = 15, grids: Grids | None = None
) -> Equilibrium:
    """Find the equilibrium with Rouwenhorst's chain of this many ability states.

    Raises:
        SpecError: a calibration that is not solved here.
        NoSolutionError: no equilibrium is found, or it does not fit the grid.
    """
    return solve_with(calibration, rouwenhorst(calibration.ability, num_states), grids or Grids())


def solve_at_any_top(
    calibration: Calibration, chain: AbilityChain, grids: Grids
) -> tuple[Equilibrium, Grids]:
    """Find the equilibrium on grids whose top is as high as its households' wealth asks for.

    Args:
        calibration, chain: of the economy.
        grids: to begin with; where they cut wealth off, higher ones with as fine steps are taken.

    Returns:
        the equilibrium, and the grids that it is on.

    Raises:
        SpecError: a calibration that is not solved here.
        NoSolutionError: no equilibrium is found, or wealth is cut off at the highest top.
    """
    for _ in range(NUM_TOPS - 1):
        try:
            return solve_with(calibration, chain, grids), grids
        except WealthCutOffError:
            grids = grids.raised(TOP_FACTOR)
    return solve_with(calibration, chain, grids), grids


def solve_with(
    calibration: Calibration, chain: AbilityChain, grids: Grids, decide: Decide = exactly
) -> Equilibrium:
    """Find the equilibrium with any chain of ability and any rules; raises as `solve` does, a
    `WealthCutOffError` where it does not fit the grid."""
    economy = Economy(calibration, chain, grids.fitted(calibration, chain), decide)
    supply = _clearing_supply(economy, *_bracket(economy))
    sums = aggregates(supply.household, supply.rules, supply.mass)
    if sums.share_at_top > grids.max_share_at_top:
        raise WealthCutOffError(
            f"the grid cuts wealth off at r = {supply.household.r:.6g}: {sums.share_at_top:.2g} of "
            f"households are at its top {grids.top:g}, allowed is {grids.max_share_at_top:g}",
            "raise the top of the grid",
        )
    home = supply.household
    excess_demand = -math.expm1(supply.excess)
    return Equilibrium(
        home.r, home.w, home.rebate, excess_demand, chain, supply.rules, supply.mass, sums
    )


def _bracket(economy: Economy) -> tuple[Supply, Supply]:
    """What households do at two interest rates, too low and too high for equilibrium."""
    progressive = economy.calibration.taxes.income.elasticity > 0
    limit = economy.calibration.proportional_return_limit
    floor = 0.0 if progressive else -economy.calibration.technology.delta
    share = 0.9
    low = high = None
    near = economy.supply(floor + share * (limit - floor))
    for _ in range(MAX_TRIALS):
        if near.excess < 0:
            low = near
            share = 1.1 * share if progressive else 1 - (1 - share) / 4
        else:
            high = near
            share = 0.8 * share
        if low is not None and high is not None:
            return low, high
        near = economy.supply(floor + share * (limit - floor), near)
    raise _no_equilibrium(near, f"{MAX_TRIALS} interest rates between {floor:g} and {limit:g}")


def _clearing_supply(economy: Economy, low: Supply, high: Supply) -> Supply:
    """The supply that firms want, by false position.

    An end that stays twice counts half: Dowell and Jarratt (1971), A modified regula falsi method
    for computing the root of an equation, BIT 11.
    """
    below, above, moved = low.excess, high.excess, 0
    supply = low
    for _ in range(MAX_STEPS):
        share = below / (below - above)
        r = (1 - share) * low.household.r + share * high.household.r
        supply = economy.supply(r, low if share < 0.5 else high)
        excess = supply.excess
        if abs(excess) <= TOLERANCE:
            return supply
        if excess < 0:
            above *= 0.5 if moved < 0 else 1.0
            low, below, moved = supply, excess, -1
        else:
            below *= 0.5 if moved > 0 else 1.0
            high, above, moved = supply, excess, 1
    raise _no_equilibrium(supply, f"{MAX_STEPS} steps of false position")


def _no_equilibrium(last: Supply, tried: str) -> NoSolutionError:
    return NoSolutionError(
        f"no equilibrium after {tried}: at r = {last.household.r:.8g} households supply "
        f"{last.excess:.3g} more log K/L than firms want, allowed is {TOLERANCE}",
        "take finer grids, a higher top, or milder coefficients",
    )


def equilibrium_measures(equilibrium: Equilibrium) -> dict[str, float]:
    """`MEASURES` of an equilibrium."""
    sums = asdict(equilibrium.aggregates)
    return {
        "r": equilibrium.r,
        "w": equilibrium.w,
        **{name: float(sums[name]) for name in AGGREGATE_MEASURES},
    }


def complete_markets_measures(calibration: Calibration) -> dict[str, float]:
    """`MEASURES` of complete markets, where all own the same.

    Raises:
        SpecError: where there are taxes.
    """
    markets = complete_markets(calibration)
    lowest, highest = calibration.labour_bounds
    consumption = markets.consumption_per_labour * markets.labour
    return {
        "r": markets.r,
        "w": markets.w,
        "capital": markets.capital,
        "labour": markets.labour,
        "mean_hours": markets.labour,
        "consumption": consumption,
        "output": output(calibration.technology, markets.capital, markets.labour),
        "saving_ratio": markets.capital / (markets.capital + consumption),
        "gini_wealth": 0.0,
        "gini_consumption": 0.0,
        "share_without_wealth": 0.0,
        "share_at_lowest_labour": float(markets.labour <= lowest),
        "share_at_highest_labour": float(markets.labour >= highest),
    }
