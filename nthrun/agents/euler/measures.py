"""The equilibrium that learned rules have: exactly, and without the noise of a panel.

The rules are looked at on a grid of wealth; their stationary distribution and the interest rate at
which firms use what households own are found as for the exact rules.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.bewley.ability import AbilityChain
from nthrun.environments.bewley.calibration import Calibration
from nthrun.environments.bewley.distribution import Grids
from nthrun.environments.bewley.equilibrium import (
    NO_MEASURES,
    Equilibrium,
    equilibrium_measures,
    solve_with,
)
from nthrun.environments.bewley.household_numpy import DecisionRules, Household
from nthrun.errors import NoSolutionError

Array = NDArray[np.float64]
Rule = Callable[[Household, Array], tuple[Array, Array]]
"""From a household's circumstances and `(num_assets,)` wealth to c and l, `(num_states,
num_assets)`, that it can pay for."""

NUM_MASSES = 400


def equilibrium_of(calibration: Calibration, chain: AbilityChain, rule: Rule) -> Equilibrium:
    """The stationary equilibrium in which all households follow a rule.

    Raises:
        NoSolutionError: there is none, or it is not found.
    """

    def decide(
        household: Household, grids: Grids, guess: Array | None
    ) -> tuple[DecisionRules, Array]:
        assets = grids.masses()
        consumption, labour = rule(household, assets)
        if not np.isfinite(consumption).all():
            raise NoSolutionError("the rule has lost its numbers", "take a smaller lr")
        rest = household.savings(consumption, labour, assets[None, :])
        return DecisionRules(assets, consumption, labour, rest.clip(0.0)), consumption

    return solve_with(calibration, chain, Grids(num_masses=NUM_MASSES), decide)


def measures(
    calibration: Calibration, chain: AbilityChain, rule: Rule, exact_r: float
) -> dict[str, float]:
    """The numbers of the equilibrium of a rule, NaN where it has none; `oracle_gap` is the distance
    of its r from the exact solution's.
    """
    try:
        numbers = equilibrium_measures(equilibrium_of(calibration, chain, rule))
    except NoSolutionError:
        numbers = NO_MEASURES
    return numbers | {"oracle_gap": abs(numbers["r"] - exact_r)}
