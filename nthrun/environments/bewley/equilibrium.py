"""The stationary general equilibrium: the interest rate at which firms use what households own.

Aiyagari (1994), Uninsured idiosyncratic risk and aggregate saving, QJE 109(3), with labour supply.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.bewley.ability import AbilityChain, rouwenhorst
from nthrun.environments.bewley.aggregates import Aggregates, aggregates
from nthrun.environments.bewley.calibration import Calibration
from nthrun.environments.bewley.endogenous_grid import DecisionRules
from nthrun.environments.bewley.grids import Grids
from nthrun.environments.bewley.supply import Decide, Economy, Supply, exactly
from nthrun.errors import NoSolutionError

Array = NDArray[np.float64]

TOLERANCE = 1e-8
MAX_STEPS = 30
MAX_TRIALS = 15


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


def solve_with(
    calibration: Calibration, chain: AbilityChain, grids: Grids, decide: Decide = exactly
) -> Equilibrium:
    """Find the equilibrium with any chain of ability and any rules; raises as `solve` does."""
    economy = Economy(calibration, chain, grids, decide)
    found = _cleared(economy, *_bracket(economy))
    sums = aggregates(found.household, found.rules, found.mass)
    if sums.share_at_top > grids.max_share_at_top:
        raise NoSolutionError(
            f"the grid cuts wealth off at r = {found.household.r:.6g}: {sums.share_at_top:.2g} of "
            f"households are at its top {grids.top:g}, allowed is {grids.max_share_at_top:g}",
            "raise the top of the grid",
        )
    home = found.household
    left = -math.expm1(found.excess)
    return Equilibrium(home.r, home.w, home.rebate, left, chain, found.rules, found.mass, sums)


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
    raise _not_cleared(near, f"{MAX_TRIALS} interest rates between {floor:g} and {limit:g}")


def _cleared(economy: Economy, low: Supply, high: Supply) -> Supply:
    """The supply that firms want, by false position.

    An end that stays twice counts half: Dowell and Jarratt (1971), A modified regula falsi method
    for computing the root of an equation, BIT 11.
    """
    below, above, moved = low.excess, high.excess, 0
    found = low
    for _ in range(MAX_STEPS):
        share = below / (below - above)
        r = (1 - share) * low.household.r + share * high.household.r
        found = economy.supply(r, low if share < 0.5 else high)
        excess = found.excess
        if abs(excess) <= TOLERANCE:
            return found
        if excess < 0:
            above *= 0.5 if moved < 0 else 1.0
            low, below, moved = found, excess, -1
        else:
            below *= 0.5 if moved > 0 else 1.0
            high, above, moved = found, excess, 1
    raise _not_cleared(found, f"{MAX_STEPS} steps of false position")


def _not_cleared(last: Supply, tried: str) -> NoSolutionError:
    return NoSolutionError(
        f"no equilibrium after {tried}: at r = {last.household.r:.8g} households supply "
        f"{last.excess:.3g} more log K/L than firms want, allowed is {TOLERANCE}",
        "take finer grids, a higher top, or milder coefficients",
    )
