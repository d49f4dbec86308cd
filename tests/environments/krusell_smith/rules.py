"""Rules of households of which it is known what comes of them, and coarse grids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nthrun.environments.krusell_smith.calibration import GivenLabourCalibration
from nthrun.environments.krusell_smith.classical import Grids
from nthrun.environments.krusell_smith.cross_sections import resources
from nthrun.environments.krusell_smith.economy import Economy, GivenLabour
from nthrun.environments.krusell_smith.histogram import Rule
from nthrun.environments.markov_chains import Array

COARSE = Grids(num_points=150, num_choices=60, capital_step=0.3, tolerance=1e-5)


def saving(economy: Economy, share: float, sees_masses: bool = False) -> Rule:
    """A rule that saves a share of resources."""

    def next_assets(assets: Array, masses: Array, capital: float, state: int) -> Array:
        return share * resources(economy, assets, capital, state)

    return Rule(next_assets, sees_masses)


def everybody_alike() -> Economy:
    """An economy with full depreciation and log utility whose households are all at work."""
    economy = GivenLabourCalibration(beta=0.9, delta=1.0).economy()
    always = np.zeros_like(economy.transition)
    always[:, :, :, 1] = economy.tfp_transition[:, None, :]
    labour = GivenLabour(1.0, 0.0, np.zeros(2))
    shares = np.tile([0.0, 1.0], (2, 1))
    return replace(economy, transition=always, shares=shares, labour=labour)


def best_where_all_are_alike(economy: Economy) -> Rule:
    """c = (1-β) (x + β (1-α)/(1-β) Y): log utility spends the share 1-β of all wealth, and wages to
    come, like the return of capital, move with Y."""

    def next_assets(assets: Array, masses: Array, capital: float, state: int) -> Array:
        x = resources(economy, assets, capital, state)
        output = economy.output(np.array(capital), np.array(state))
        human = economy.beta * (1 - economy.alpha) * output
        return np.maximum(economy.beta * x - human, 0.0)

    return Rule(next_assets, sees_masses=True)
