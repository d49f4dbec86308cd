"""A household at given prices: its choices within one period, and its decision rules.

With consumption c, the price of a unit of it 1 + τ_c, and D the shares kept of income and of
wealth, the first-order condition of labour is χ l^γ = c^(-θ) D_y'(y) w v / (1 + τ_c), and the
budget (1 + τ_c) c + a' = D_y(y) + D_a(a) + rebate, y = w v l + r a. Labour that the condition puts
beyond a bound is at that bound.

Decision rules are found by the method of endogenous grid points: Carroll (2006), Economics Letters
91(3). The Euler equation c^(-θ) = β E c'^(-θ) (D_a'(a') + r D_y'(y')) gives c for each a' of a
grid, and the budget the wealth a at which that c and a' are chosen. Below the wealth that goes with
a' = 0 nothing is saved. No root is searched for but within a period.

All arrays have shape `(num_states, num_assets)`, or one that broadcasts to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.bewley.ability import AbilityChain
from nthrun.environments.bewley.calibration import (
    Array,
    Calibration,
    Taxes,
    complete_markets,
    fault,
    reject,
)
from nthrun.errors import NoSolutionError

MAX_NEWTON_STEPS = 60
NEWTON_TOLERANCE = 1e-13
MAX_SWEEPS = 20_000
EULER_TOLERANCE = 1e-11


@dataclass(frozen=True, slots=True, eq=False)
class Household:
    """A household's circumstances.

    Attributes:
        calibration: its preferences, taxes and bounds of labour.
        chain: its ability.
        r: the interest rate a period.
        w: the wage of a unit of v l.
        rebate: what it gets a period besides.
    """

    calibration: Calibration
    chain: AbilityChain
    r: float
    w: float
    rebate: float = 0.0

    def __post_init__(self) -> None:
        """Raise `SpecError` where the problem has no solution, or none that is found here."""
        calibration, r = self.calibration, self.r
        taxes, limit = calibration.taxes, calibration.proportional_return_limit
        endless = "at β (1 + r) >= 1 after taxes wealth grows without bound; take r below"
        steep = "a wealth tax with ξ > 0 makes the first unit of wealth infinitely worth having"
        negative = "income may be below 0 at r < 0, where a progressive tax is not defined"
        progressive = taxes.income.elasticity > 0
        reject(
            [
                (progressive or r < limit, fault("interest rate r", r, f"below {limit}", endless)),
                (not progressive or r >= 0, fault("interest rate r", r, ">= 0", negative)),
                (taxes.wealth.elasticity == 0, fault("wealth tax", taxes.wealth, "ξ = 0", steep)),
            ]
        )

    def income(self, labour: Array, assets: Array) -> Array:
        """y = w v l + r a, before taxes."""
        return self._earning * labour + self.r * assets

    def resources(self, labour: Array, assets: Array) -> Array:
        """D_y(y) + D_a(a) + rebate: what can be spent and saved."""
        return resources(self.calibration.taxes, self.income(labour, assets), assets, self.rebate)

    def savings(self, consumption: Array, labour: Array, assets: Array) -> Array:
        """The a' that the budget leaves, which may be below 0."""
        return self.resources(labour, assets) - self._price * consumption

    def value_of_wealth(self, consumption: Array, labour: Array, assets: Array) -> Array:
        """c^(-θ) (D_a'(a) + r D_y'(y)): what a unit of a is worth, in units of (1 + τ_c) utils."""
        taxes = self.calibration.taxes
        kept = taxes.income.kept_at_margin(self.income(labour, assets))
        gross = taxes.wealth.kept_at_margin(assets) + self.r * kept
        return np.asarray(consumption**-self.calibration.preferences.theta * gross)

    def labour(self, consumption: Array, assets: Array) -> Array:
        """The best l for c and a."""
        gamma = self.calibration.preferences.gamma
        schedule = self.calibration.taxes.income
        goal = self._willingness(consumption)
        free = np.broadcast_to(goal, np.broadcast_shapes(goal.shape, assets.shape)) / gamma

        def step(log_labour: Array) -> Array:
            earned = self._earning * np.exp(log_labour)
            income = earned + self.r * assets
            gap = gamma * log_labour + schedule.elasticity * np.log(income) - goal
            return -gap / (gamma + schedule.elasticity * earned / income)

        return self._bounded(np.exp(newton(step, free) if schedule.elasticity > 0 else free))

    def spending_everything(self, assets: Array) -> tuple[Array, Array]:
        """The best (c, l) of a household that saves nothing."""
        preferences = self.calibration.preferences
        schedule, theta, gamma = self.calibration.taxes.income, preferences.theta, preferences.gamma

        def step(log_labour: Array) -> Array:
            earned = self._earning * np.exp(log_labour)
            income = earned + self.r * assets
            spent = self.resources(np.exp(log_labour), assets)
            gap = gamma * log_labour - self._willingness(spent / self._price)
            slope = gamma + theta * schedule.kept_at_margin(income) * earned / spent
            if schedule.elasticity > 0:
                gap += schedule.elasticity * np.log(income)
                slope += schedule.elasticity * earned / income
            return -gap / slope

        start = np.zeros(np.broadcast_shapes(self._earning.shape, assets.shape))
        labour = self._bounded(np.exp(newton(step, start)))
        return self.resources(labour, assets) / self._price, labour

    def wealth_before(self, consumption: Array, savings: Array) -> tuple[Array, Array]:
        """The (a, l) with which a household that saves a' consumes c.

        With a wealth tax of rate τ_a the budget is a = (X - D_y(y)) / (1 - τ_a),
        X = (1 + τ_c) c + a' - rebate, so that income is the root of
        y + r D_y(y) / (1 - τ_a) = w v l(y) + r X / (1 - τ_a), which rises in y on the left.
        """
        taxes = self.calibration.taxes
        needed = self._price * consumption + savings - self.rebate
        kept = 1 - taxes.wealth.rate
        goal = self._willingness(consumption)
        power = taxes.income.elasticity / self.calibration.preferences.gamma
        free = np.exp(goal / self.calibration.preferences.gamma)
        if power > 0:
            free = free * self._income_of(needed / kept, free, power) ** -power
        labour = np.broadcast_to(self._bounded(free), needed.shape)
        income = self._income_of(needed / kept, labour, 0.0)
        return (needed - taxes.income.kept(income)) / kept, labour

    def _income_of(self, needed: Array, labour: Array, power: float) -> Array:
        """The y > 0 with y + r D_y(y) / (1 - τ_a) = w v l y^(-power) + r X / (1 - τ_a)."""
        schedule = self.calibration.taxes.income
        rate = self.r / (1 - self.calibration.taxes.wealth.rate)
        earned, interest = self._earning * labour, self.r * needed
        if schedule.elasticity == 0:
            return (earned + interest) / (1 + rate * (1 - schedule.rate))

        def step(income: Array) -> Array:
            pay = earned * income**-power
            gap = income + rate * schedule.kept(income) - pay - interest
            change = -gap / (1 + rate * schedule.kept_at_margin(income) + power * pay / income)
            return np.maximum(change, -0.9 * income)

        return newton(step, np.broadcast_to(earned, needed.shape))

    @property
    def _earning(self) -> Array:
        """`(num_states, 1)` w v, what a unit of labour earns."""
        return self.w * self.chain.values[:, None]

    @property
    def _price(self) -> float:
        return 1 + self.calibration.taxes.consumption_rate

    def _willingness(self, consumption: Array) -> Array:
        """log(c^(-θ) (1 - τ_y) w v / ((1 + τ_c) χ)): γ log l + ξ log y, if l is best."""
        preferences = self.calibration.preferences
        pay = (1 - self.calibration.taxes.income.rate) * self._earning
        price = self._price * preferences.chi
        return np.log(pay / price) - preferences.theta * np.log(consumption)

    def _bounded(self, labour: Array) -> Array:
        return np.clip(labour, *self.calibration.labour_bounds)


def resources(taxes: Taxes, income: Array, assets: Array, rebate: float) -> Array:
    """D_y(y) + D_a(a) + rebate: what can be spent and saved out of income y and wealth a."""
    return taxes.income.kept(income) + taxes.wealth.kept(assets) + rebate


def newton(step: Callable[[Array], Array], start: Array) -> Array:
    """Add Newton steps to each number until none changes it by more than 1e-13 of itself, or of 1.

    Raises:
        NoSolutionError: where 60 steps are not enough.
    """
    root = start
    for _ in range(MAX_NEWTON_STEPS):
        change = step(root)
        root = root + change
        largest = float(np.max(np.abs(change) / np.maximum(np.abs(root), 1.0)))
        if largest <= NEWTON_TOLERANCE:
            return root
    raise NoSolutionError(
        f"the choice within a period still changes by {largest:.2g} after {MAX_NEWTON_STEPS} "
        f"Newton steps, allowed is {NEWTON_TOLERANCE}",
        "take milder coefficients: a smaller θ, ξ or σ",
    )


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
        below = np.clip(np.searchsorted(self.assets, assets, side="right") - 1, 0, last)
        share = (assets - self.assets[below]) / (self.assets[below + 1] - self.assets[below])
        return np.asarray((1 - share) * table[states, below] + share * table[states, below + 1])


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
        choices = _sweep(household, assets, consumption, labour)
        rules = choices.rules_beside(assets, *spent)
        change = float(np.max(np.abs(rules.consumption / consumption - 1)))
        if change < EULER_TOLERANCE:
            return choices
        consumption, labour = rules.consumption, rules.labour
    raise NoSolutionError(
        f"at r = {household.r:.6g}: consumption still changes by {change:.2g} of itself after "
        f"{MAX_SWEEPS} sweeps, allowed is {EULER_TOLERANCE}",
        "take a smaller β, or an interest rate further below 1/β - 1",
    )


def _sweep(household: Household, assets: Array, consumption: Array, labour: Array) -> Choices:
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


def steady_rules(calibration: Calibration, assets: Array) -> DecisionRules:
    """The decision rules of the one state of ability, at the prices of complete markets.

    Args:
        assets: `(num_assets,)` a >= 0, rising.

    Raises:
        SpecError: where there are taxes.
    """
    prices = complete_markets(calibration)
    preferences = calibration.preferences
    gamma, theta = preferences.gamma, preferences.theta
    goal = np.log(prices.w / preferences.chi)

    def step(log_labour: Array) -> Array:
        earned = prices.w * np.exp(log_labour)
        income = earned + prices.r * assets
        gap: Array = gamma * log_labour + theta * np.log(income) - goal
        return -gap / (gamma + theta * earned / income)

    free = np.exp(newton(step, np.zeros_like(assets)))
    labour: Array = np.clip(free, *calibration.labour_bounds)
    consumption = prices.w * labour + prices.r * assets
    return DecisionRules(assets, consumption[None], labour[None], assets[None].copy())
