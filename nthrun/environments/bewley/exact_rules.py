"""The exact decision rules as rules of single households: in equilibrium, and at given prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nthrun.environments.bewley.ability import AbilityChain
from nthrun.environments.bewley.calibration import Calibration
from nthrun.environments.bewley.endogenous_grid import Choices, DecisionRules, solve_household
from nthrun.environments.bewley.equilibrium import solve_with
from nthrun.environments.bewley.grids import Grids
from nthrun.environments.bewley.household import Household
from nthrun.environments.bewley.prices import complete_markets
from nthrun.environments.bewley.rule_cuts import Array, Choice, Rule, Situation, States
from nthrun.environments.bewley.steady_state import steady_rules
from nthrun.errors import NoSolutionError, SpecError


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
    found = solve_with(calibration, chain, Grids())
    return Stationary(found.r, found.w, found.rebate, found.aggregates.labour, found.rules)


def rule_at_prices(situation: Situation) -> Rule | None:
    """What a household does that expects the prices of a situation to last; None where wealth would
    grow without bound, or the rule is not found."""
    calibration, chain = situation.calibration, situation.chain
    try:
        home = Household(calibration, chain, situation.r, situation.w, situation.rebate)
        choices = solve_household(home, Grids().choices())
    except (SpecError, NoSolutionError):
        return None

    def rule(wealth: Array, states: States) -> Choice:
        return _looked_up(choices, calibration, wealth, states)

    return rule


def _looked_up(choices: Choices, calibration: Calibration, wealth: Array, states: States) -> Choice:
    points, places = np.unique(wealth, return_inverse=True)
    rules = choices.rules(points)
    tables = (rules.consumption, rules.labour, rules.savings)
    return _choice(calibration, *(table[states, places] for table in tables))


def _choice(calibration: Calibration, consumption: Array, labour: Array, savings: Array) -> Choice:
    spent = (1 + calibration.taxes.consumption_rate) * consumption
    return Choice(consumption, labour, savings, savings / (savings + spent))
