"""Decision rules of single households, and cuts through them.

A cut says what a household does as one thing varies and all else is held. The exact rules are those
of a stationary equilibrium, or of a household that expects given prices to last.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.bewley.ability import AbilityChain
from nthrun.environments.bewley.calibration import Array, Calibration, complete_markets
from nthrun.environments.bewley.declaration import MOST_LABOUR, MOST_SAVED
from nthrun.environments.bewley.distribution import Grids
from nthrun.environments.bewley.equilibrium import solve_at_any_top
from nthrun.environments.bewley.household_numpy import (
    Choices,
    DecisionRules,
    Household,
    resources,
    solve_household,
    steady_rules,
)
from nthrun.errors import NoSolutionError, NthrunError, SpecError

States = NDArray[np.intp]

VARIED = ("wealth", "ability", "savings")
DEFAULT_WEALTH = (0.1, 10.0)
NUM_HALVINGS = 60
TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What a household does, `(number,)` each.

    Attributes:
        consumption, labour, savings: c, l and a'.
        share: ζ = a' / m, of the resources m.
    """

    consumption: Array
    labour: Array
    savings: Array
    share: Array


Rule = Callable[[Array, States], Choice]
"""Wealth and the number of an ability state, `(number,)` each -> what the household does."""


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """A household in a world.

    Attributes:
        calibration, chain: of the economy.
        wealth: a.
        state: the number of its state of ability.
        r, w, rebate: what it finds.
    """

    calibration: Calibration
    chain: AbilityChain
    wealth: float
    state: int
    r: float
    w: float
    rebate: float

    @property
    def kin(self) -> States:
        """Numbers of the states of ability that are superstars' if its own is, else not."""
        states = np.arange(len(self.chain.values))
        if self.calibration.ability.superstar.enter == 0:
            return states
        count = len(states) // 2
        return np.flatnonzero(states // count == self.state // count)

    def bounds(self, varied: str) -> tuple[float, float]:
        """The lowest and the highest value that can be varied over."""
        able = self.chain.values[self.kin]
        bounds = {
            "wealth": (0.0, math.inf),
            "ability": (float(able.min()), float(able.max())),
            "savings": (0.0, MOST_SAVED),
        }
        return bounds[varied]

    def own(self, varied: str) -> float | None:
        """Where the household itself stands; None for savings, which are what it chooses."""
        able = float(self.chain.values[self.state])
        return {"wealth": self.wealth, "ability": able}.get(varied)

    def chosen(self, share: Array, labour: Array, wealth: Array, states: States) -> Choice:
        """What follows from ζ and l: a' = ζ m and (1 + τ_c) c = (1 - ζ) m, with the resources
        m = D_y(y) + D_a(a) + rebate."""
        held = self._resources(labour, wealth, states)
        price = 1 + self.calibration.taxes.consumption_rate
        return Choice((1 - share) * held / price, labour, share * held, share)

    def menu(self, share: Array) -> Choice:
        """The choice of a household that is made to save ζ and works as much as is best then.

        χ l^γ = c^(-θ) D_y'(y) w v / (1 + τ_c), with the c that ζ and l leave; the gap between the
        logarithms of both sides rises in l, and its root, or the bound it is beyond, is found by
        halving.
        """
        wealth = np.full_like(share, self.wealth)
        states = np.full(share.shape, self.state)
        lowest, highest = self.calibration.labour_bounds
        low = np.full_like(share, max(lowest, TINY))
        high = np.full_like(share, highest if math.isfinite(highest) else MOST_LABOUR)
        for _ in range(NUM_HALVINGS):
            middle = (low + high) / 2
            too_much = self._excess_labour(share, middle, wealth, states) > 0
            low, high = np.where(too_much, low, middle), np.where(too_much, middle, high)
        return self.chosen(share, np.clip((low + high) / 2, lowest, highest), wealth, states)

    def _excess_labour(self, share: Array, labour: Array, wealth: Array, states: States) -> Array:
        preferences, schedule = self.calibration.preferences, self.calibration.taxes.income
        pay = self.w * self.chain.values[states]
        consumption = self.chosen(share, labour, wealth, states).consumption
        income = np.maximum(pay * labour + self.r * wealth, TINY)
        price = 1 + self.calibration.taxes.consumption_rate
        gain = np.log(schedule.kept_at_margin(income) * pay / price)
        cost = math.log(preferences.chi) + preferences.gamma * np.log(labour)
        worth = preferences.theta * np.log(np.maximum(consumption, TINY))
        return np.asarray(cost + worth - gain)

    def _resources(self, labour: Array, wealth: Array, states: States) -> Array:
        income = self.w * self.chain.values[states] * labour + self.r * wealth
        return np.maximum(resources(self.calibration.taxes, income, wealth, self.rebate), 0.0)


def require_within(situation: Situation, varied: str, low: float, high: float) -> None:
    """Check what is varied over.

    Raises:
        NthrunError: it is empty or goes beyond what there is, or there is one value only.
    """
    least, most = situation.bounds(varied)
    if least == most:
        raise NthrunError(f"--vary {varied}: nothing to vary, as its only value here is {least:g}")
    margin = 1e-9 * max(abs(least), 1.0)
    if not (least - margin <= low < high <= most + margin and math.isfinite(high)):
        allowed = f"LO < HI from {least:.6g} to {most:.6g}"
        raise NthrunError(f"--range {low:g} {high:g}: allowed for {varied}: {allowed}")


def cut(rule: Rule, situation: Situation, varied: str, values: Array) -> Choice:
    """What a rule does as wealth or ability varies.

    Between two states of ability it is interpolated, linearly in the logarithm of ability.

    Args:
        varied: "wealth" or "ability".
        values: of it.
    """
    if varied == "wealth":
        return rule(values, np.full(values.shape, situation.state))
    order = situation.kin[np.argsort(situation.chain.values[situation.kin])]
    known = rule(np.full(order.shape, situation.wealth), order)
    positions, nodes = np.log(values), np.log(situation.chain.values[order])
    tables = (known.consumption, known.labour, known.savings, known.share)
    return Choice(*(np.interp(positions, nodes, table) for table in tables))


@dataclass(frozen=True, slots=True, eq=False)
class Stationary:
    """A stationary equilibrium, as far as a household sees it.

    Attributes:
        r, w, rebate: what it finds.
        labour: L per household.
        rules: what it does.
    """

    r: float
    w: float
    rebate: float
    labour: float
    rules: DecisionRules

    def rule(self, calibration: Calibration) -> Rule:
        """What a household does at these prices, linearly between points of wealth."""
        rules = self.rules

        def rule(wealth: Array, states: States) -> Choice:
            tables = (rules.consumption, rules.labour, rules.savings)
            return _choice(calibration, *(rules.at(table, wealth, states) for table in tables))

        return rule


def stationary(calibration: Calibration, chain: AbilityChain) -> Stationary:
    """The equilibrium of an economy; with one state of ability that of complete markets.

    Raises:
        SpecError: an economy that is not solved here.
        NoSolutionError: no equilibrium is found.
    """
    if len(chain.values) == 1:
        shared = complete_markets(calibration)
        rules = steady_rules(calibration, Grids().masses())
        return Stationary(shared.r, shared.w, 0.0, shared.labour, rules)
    equilibrium, _ = solve_at_any_top(calibration, chain, Grids())
    return Stationary(
        equilibrium.r,
        equilibrium.w,
        equilibrium.rebate,
        equilibrium.aggregates.labour,
        equilibrium.rules,
    )


def rule_at_prices(situation: Situation) -> Rule | None:
    """What a household does that expects the prices of a situation to last; None where wealth would
    grow without bound, or the rule is not found."""
    calibration, chain = situation.calibration, situation.chain
    try:
        home = Household(calibration, chain, situation.r, situation.w, situation.rebate)
        choices = solve_household(home, Grids().fitted(calibration, chain).choices())
    except (SpecError, NoSolutionError):
        return None

    def rule(wealth: Array, states: States) -> Choice:
        return _exact_choice(choices, calibration, wealth, states)

    return rule


def _exact_choice(
    choices: Choices, calibration: Calibration, wealth: Array, states: States
) -> Choice:
    points, places = np.unique(wealth, return_inverse=True)
    rules = choices.rules(points)
    tables = (rules.consumption, rules.labour, rules.savings)
    return _choice(calibration, *(table[states, places] for table in tables))


def _choice(calibration: Calibration, consumption: Array, labour: Array, savings: Array) -> Choice:
    spent = (1 + calibration.taxes.consumption_rate) * consumption
    return Choice(consumption, labour, savings, savings / (savings + spent))
