"""What rules are worth: closed forms, and the equation that a value solves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from environments.krusell_smith.rules import everybody_alike

from nthrun.environments.bewley.distribution import asset_grid
from nthrun.environments.krusell_smith import values
from nthrun.environments.krusell_smith.calibration import ChosenLabourCalibration
from nthrun.environments.krusell_smith.cross_sections import resources
from nthrun.environments.krusell_smith.histogram import Rule
from nthrun.environments.krusell_smith.law import Law
from nthrun.environments.krusell_smith.values import RuleValue
from nthrun.environments.markov_chains import Array
from nthrun.errors import NoSolutionError

STANDING = Law(np.array([[0.0, 1.0, 0.0]] * 5), np.tile([-3.0, 3.0], (5, 1)))
"""Capital stays what it is."""
NODES = np.linspace(-2.0, 1.0, 7)


def keeping(assets: Array, masses: Array, capital: float, state: int) -> Array:
    """Everybody keeps what there is."""
    return np.broadcast_to(assets, masses.shape).copy()


def test_a_household_that_keeps_its_wealth_where_nothing_moves() -> None:
    """With one productivity and one Z, who keeps a is worth u(r a + y) / (1 - β)."""
    calm = ChosenLabourCalibration(
        z_values=(1.0,), z_shares=(1.0,), tfp_values=(1.0,), tfp_transition=(1.0,)
    )
    for sigma in (1.0, 2.0):
        economy = replace(calm, sigma=sigma).economy()
        value = RuleValue(economy, Rule(keeping), STANDING, asset_grid(60, 5.0, 0.1), NODES)
        assets, capital = np.array([0.0, 0.4, 3.0]), float(np.exp(NODES[3]))
        consumed = resources(economy, assets, capital, 0) - assets
        enjoyed = np.log(consumed) if sigma == 1 else 1 - 1 / consumed
        found = value.at(assets, capital, 0)
        np.testing.assert_allclose(found, enjoyed / (1 - economy.beta), rtol=2e-4)


def test_the_value_solves_its_equation() -> None:
    """At wealth between the points, V = u(c̃) + β E V', expected over what may come."""
    economy = ChosenLabourCalibration(tfp_states=3, productivity_nodes=3).economy()

    def saving(assets: Array, masses: Array, capital: float, state: int) -> Array:
        return 0.85 * resources(economy, assets, capital, state)

    law = Law(
        np.array([[-0.03, 0.97, 0.0], [0.0, 0.97, 0.0], [0.03, 0.97, 0.0]]), STANDING.log_bounds[:3]
    )
    value = RuleValue(economy, Rule(saving), law, asset_grid(150, 6.0, 0.05), NODES)
    assets, capital, state = np.array([0.31, 0.77, 1.9]), float(np.exp(NODES[2])), 1
    x = resources(economy, assets, capital, state)
    saved, ahead = 0.85 * x, np.zeros_like(x)
    following = float(np.exp(law.log_next(np.log(capital), state)))
    for kind in range(3):
        for other in range(3):
            each = value.at(saved[kind], following, other)
            ahead[kind] += economy.transition[state, kind, other] @ each
    wanted = 1 - 1 / (x - saved) + economy.beta * ahead
    np.testing.assert_allclose(value.at(assets, capital, state), wanted, rtol=2e-4)


def test_kinds_that_nobody_becomes_do_not_count() -> None:
    """Where everybody is at work for ever, the value of one at work is that of the closed form's
    consumption, and wealth is worth more to it than nothing."""
    economy = everybody_alike()

    def all_spent(assets: Array, masses: Array, capital: float, state: int) -> Array:
        return np.zeros_like(masses)

    law = Law(STANDING.coefficients[:2], STANDING.log_bounds[:2])
    value = RuleValue(economy, Rule(all_spent), law, asset_grid(40, 1.0, 0.05), NODES)
    found = value.at(np.array([0.0, 0.5]), float(np.exp(NODES[3])), 0)[1]
    states, capital = np.arange(2), np.full(2, np.exp(NODES[3]))
    earned = np.log(economy.net_income(capital, states)[:, 1])
    lasting = np.linalg.solve(np.eye(2) - economy.beta * economy.tfp_transition, earned)
    gain = np.log(resources(economy, np.array([0.5]), float(capital[0]), 0)[1, 0]) - earned[0]
    np.testing.assert_allclose(found, [lasting[0], lasting[0] + gain], rtol=5e-5)


def test_a_value_that_does_not_settle_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the sweeps do not suffice, one line has their number and by what V still changes."""
    monkeypatch.setattr(values, "MAX_SWEEPS", 3)
    economy = ChosenLabourCalibration(tfp_states=3, productivity_nodes=3).economy()
    law = Law(STANDING.coefficients[:3], STANDING.log_bounds[:3])
    said = r"does not settle: it still changes by \S+ of itself, .* within 3 sweeps"
    with pytest.raises(NoSolutionError, match=said):
        RuleValue(economy, Rule(keeping), law, asset_grid(20, 5.0, 0.1), NODES)
