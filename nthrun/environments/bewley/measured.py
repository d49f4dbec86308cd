"""An equilibrium in named numbers, as records have them."""

from __future__ import annotations

import math
from dataclasses import asdict

from nthrun.environments.bewley.calibration import Calibration
from nthrun.environments.bewley.equilibrium import Equilibrium
from nthrun.environments.bewley.prices import complete_markets, output

SUMS = (
    *("capital", "labour", "mean_hours", "consumption", "output", "saving_ratio"),
    *("gini_wealth", "gini_consumption", "share_without_wealth"),
    *("share_at_lowest_labour", "share_at_highest_labour"),
)
"""Those of `Aggregates`."""
NAMES = ("r", "w", *SUMS)


def measured(found: Equilibrium) -> dict[str, float]:
    """`NAMES` of an equilibrium."""
    sums = asdict(found.aggregates)
    return {"r": found.r, "w": found.w, **{name: float(sums[name]) for name in SUMS}}


def measured_complete(calibration: Calibration) -> dict[str, float]:
    """`NAMES` of complete markets, where all own the same.

    Raises:
        SpecError: where there are taxes.
    """
    found = complete_markets(calibration)
    lowest, highest = calibration.labour_bounds
    consumption = found.consumption_per_labour * found.labour
    return {
        "r": found.r,
        "w": found.w,
        "capital": found.capital,
        "labour": found.labour,
        "mean_hours": found.labour,
        "consumption": consumption,
        "output": output(calibration.technology, found.capital, found.labour),
        "saving_ratio": found.capital / (found.capital + consumption),
        "gini_wealth": 0.0,
        "gini_consumption": 0.0,
        "share_without_wealth": 0.0,
        "share_at_lowest_labour": float(found.labour <= lowest),
        "share_at_highest_labour": float(found.labour >= highest),
    }


NOTHING = dict.fromkeys(NAMES, math.nan)
"""Of no equilibrium."""
