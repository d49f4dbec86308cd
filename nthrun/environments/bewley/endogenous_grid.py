"""The household's decision rules, by the method of endogenous grid points.

Carroll (2006), The method of endogenous gridpoints for solving dynamic stochastic optimization
problems, Economics Letters 91(3). The Euler equation c^(-θ) = β E c'^(-θ) (D_a'(a') + r D_y'(y'))
gives c for each a' of a grid, and the budget the wealth a at which that c and a' are chosen. Below
the wealth that goes with a' = 0 nothing is saved. No root is searched for but within a period.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.bewley.household import Household
from nthrun.errors import NoSolutionError

Array = NDArray[np.float64]

MAX_SWEEPS = 20_000
TOLERANCE = 1e-11


@dataclass(frozen=True, slots=True, eq=False)
class DecisionRules:
    """What a household does, by ability and wealth.

    Attributes:
        assets: `(num_assets,)` a, rising from 0.
        consumption, labour, savings: `(num_states, num_assets)` c, l and a'.
    """

    assets: Array
    consumption: Array
    labour: Array
    savings: Array

    def at(self, table: Array, assets: Array, states: NDArray[np.intp]) -> Array:
        """A table of these rules between its points, linearly; beyond the last one too.

        Args:
            table: `consumption`, `labour` or `savings`.
            assets: a >= 0, any shape.
            states: numbers of ability states, of a shape that broadcasts with it.
        """
        last = len(self.assets) - 2
        left = np.clip(np.searchsorted(self.assets, assets, side="right") - 1, 0, last)
        share = (assets - self.assets[left]) / (self.assets[left + 1] - self.assets[left])
        return np.asarray((1 - share) * table[states, left] + share * table[states, left + 1])


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """Where the Euler equation holds: wealth and consumption for each a' of a grid.

    Attributes:
        household: whose choices.
        wealth: `(num_states, num_assets)` a, rising along a row, of which the first may be < 0.
        consumption: `(num_states, num_assets)` c.
    """

    household: Household
    wealth: Array
    consumption: Array

    def rules(self, assets: Array) -> DecisionRules:
        """The decision rules on `(num_assets,)` any wealth >= 0, exact where nothing is saved."""
        return self.rules_beside(assets, *self.household.spending_everything(assets[None, :]))

    def rules_beside(self, assets: Array, spent: Array, spenders_labour: Array) -> DecisionRules:
        """The rules, given the (c, l) of those who save nothing at the same wealth."""
        poor = assets < self.wealth[:, :1]
        pairs = zip(self.wealth, self.consumption, strict=True)
        smooth = np.stack([_interpolated(assets, *pair) for pair in pairs])
        consumption = np.where(poor, spent, smooth)
        owned = np.broadcast_to(assets, poor.shape)
        labour = np.where(poor, spenders_labour, self.household.labour(consumption, owned))
        rest = self.household.savings(consumption, labour, owned)
        return DecisionRules(assets, consumption, labour, np.where(poor, 0.0, rest.clip(0.0)))


def solve_household(household: Household, assets: Array, guess: Array | None = None) -> Choices:
    """Iterate on the Euler equation until consumption changes by less than 1e-11 of itself.

    Args:
        household: its circumstances.
        assets: `(num_assets,)` rising from 0: the a' of the grid, and where c is kept.
        guess: `(num_states, num_assets)` c > 0 to begin from; all that could be spent if absent.

    Raises:
        NoSolutionError: where 20 000 sweeps are not enough.
    """
    spent = household.spending_everything(assets[None, :])
    consumption = spent[0] if guess is None else guess
    labour = household.labour(consumption, assets[None, :])
    for _ in range(MAX_SWEEPS):
        choices = _swept(household, assets, consumption, labour)
        rules = choices.rules_beside(assets, *spent)
        change = float(np.max(np.abs(rules.consumption / consumption - 1)))
        if change < TOLERANCE:
            return choices
        consumption, labour = rules.consumption, rules.labour
    raise NoSolutionError(
        f"at r = {household.r:.6g}: consumption still changes by {change:.2g} of itself after "
        f"{MAX_SWEEPS} sweeps, allowed is {TOLERANCE}",
        "take a smaller β, or an interest rate further below 1/β - 1",
    )


def _swept(household: Household, assets: Array, consumption: Array, labour: Array) -> Choices:
    """The choices of a household that from the next period on consumes and works like this."""
    preferences = household.calibration.preferences
    worth = household.value_of_wealth(consumption, labour, assets[None, :])
    expected = preferences.beta * (household.chain.transition @ worth)
    today = expected ** (-1 / preferences.theta)
    wealth, _ = household.wealth_before(today, np.broadcast_to(assets, today.shape))
    return Choices(household, wealth, today)


def _interpolated(points: Array, x: Array, y: Array) -> Array:
    """y between rising x, linearly, and on the line of the last two beyond the last."""
    slope = (y[-1] - y[-2]) / (x[-1] - x[-2])
    beyond: Array = y[-1] + slope * (points - x[-1])
    return np.where(points > x[-1], beyond, np.interp(points, x, y))
