"""Economies of Krusell and Smith for tests: the published ones, and one like none of them."""

from __future__ import annotations

import numpy as np

from nthrun.environments.krusell_smith.calibration import (
    ChosenLabourCalibration,
    GivenLabourCalibration,
)
from nthrun.environments.krusell_smith.economy import Economy

CHAIN = ChosenLabourCalibration(
    tfp_values=(0.7865, 0.9231, 1.0834, 1.2715),
    tfp_transition=(
        *(0.9968, 0.0032, 0.0, 0.0),
        *(0.0004, 0.9984, 0.0012, 0.0),
        *(0.0, 0.0012, 0.9984, 0.0004),
        *(0.0, 0.0, 0.0032, 0.9968),
    ),
)
JEDC = GivenLabourCalibration(hours_at_work=1 / 0.9, benefit=0.15)
ECONOMIES = (
    ChosenLabourCalibration().economy(),
    CHAIN.economy(),
    ChosenLabourCalibration(
        theta=1.3, psi=0.7, sigma_z=0.3, z_values=(0.5, 2.0), z_shares=(0.75, 0.25)
    ).economy(),
    GivenLabourCalibration().economy(),
    JEDC.economy(),
)
NAMES = ("ghh", "chain", "other ghh", "ks98", "jedc")


def everywhere(economy: Economy) -> tuple[np.ndarray, np.ndarray]:
    """K about what complete markets have in each state of Z, and these, `(capital, states)`."""
    scale = np.geomspace(0.05, 20.0, 9)[:, None]
    capital = scale * economy.complete_markets_capital
    return capital, np.broadcast_to(np.arange(economy.num_states), capital.shape)
