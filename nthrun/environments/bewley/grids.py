"""Points of wealth, close together where households are poor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.bewley.faults import fault, reject

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Grids:
    """Where wealth is looked at.

    Attributes:
        num_choices: points of a' at which the Euler equation is solved, >= 10.
        num_masses: points of a on which households are counted, >= 10.
        top: the highest wealth, > 0.
        scale: > 0; a grid's steps grow in proportion to wealth + scale.
        max_share_at_top: the share of households allowed at the highest wealth.
    """

    num_choices: int = 300
    num_masses: int = 1000
    top: float = 500.0
    scale: float = 1.0
    max_share_at_top: float = 1e-6

    def __post_init__(self) -> None:
        """Raise `SpecError` outside the ranges."""
        reject(
            [
                (self.num_choices >= 10, fault("num_choices", self.num_choices, "10 or more")),
                (self.num_masses >= 10, fault("num_masses", self.num_masses, "10 or more")),
                (0 < self.top < math.inf, fault("top", self.top, "(0, ∞)")),
                (0 < self.scale < math.inf, fault("scale", self.scale, "(0, ∞)")),
            ]
        )

    def choices(self) -> Array:
        """`(num_choices,)` a'."""
        return asset_grid(self.num_choices, self.top, self.scale)

    def masses(self) -> Array:
        """`(num_masses,)` a."""
        return asset_grid(self.num_masses, self.top, self.scale)


def asset_grid(num_points: int, top: float, scale: float) -> Array:
    """`(num_points,)` wealth from 0 to the top, a step at a being in proportion to a + scale."""
    grid: Array = scale * np.expm1(np.linspace(0.0, np.log1p(top / scale), num_points))
    return grid
