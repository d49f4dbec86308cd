"""What households supply at a given interest rate: labour, and capital by what they own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.bewley.ability import AbilityChain
from nthrun.environments.bewley.aggregates import revenue
from nthrun.environments.bewley.calibration import Calibration
from nthrun.environments.bewley.distribution import stationary_mass
from nthrun.environments.bewley.endogenous_grid import DecisionRules, solve_household
from nthrun.environments.bewley.grids import Grids
from nthrun.environments.bewley.household import Household
from nthrun.environments.bewley.prices import capital_per_labour, wage
from nthrun.errors import NoSolutionError

Array = NDArray[np.float64]

REBATE_TOLERANCE = 1e-9
MAX_REBATES = 40


Decide = Callable[[Household, Grids, Array | None], tuple[DecisionRules, Array]]
"""From a household's circumstances, and what the result's second part was at similar ones, to its
decision rules on the grid of masses and something to begin from next time."""


def exactly(household: Household, grids: Grids, guess: Array | None) -> tuple[DecisionRules, Array]:
    """By the method of endogenous grid points, beginning from consumption on the grid of choices.

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
        grids: of wealth.
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
