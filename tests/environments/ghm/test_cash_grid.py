"""Cash grids and Gaussian expectations, against numerical integration."""

from __future__ import annotations

import numpy as np
import pytest

from nthrun.environments.ghm.calibration import Calibration
from nthrun.environments.ghm.cash_grid import cash_grid, gaussian_expectation
from nthrun.environments.ghm.declaration import GridShape
from nthrun.errors import SpecError


@pytest.mark.parametrize("dt", [0.001, 0.01, 0.1, 1.0])
def test_grids_go_from_nothing_to_the_top(dt: float) -> None:
    """Nodes rise from 0 to the top; none lies further from the next than 2 % more than the one
    before, and near 0 there are 16 or more to a step's shock."""
    grid = cash_grid(Calibration(), dt, GridShape(top=3.0))
    lengths = np.diff(grid)
    assert grid[0] == 0
    assert grid[-1] == pytest.approx(3, abs=1e-12)
    assert (lengths > 0).all()
    assert lengths[0] <= 0.12 * np.sqrt(dt) / 16 * (1 + 1e-9)
    assert (lengths[1:] / lengths[:-1] < 1.0201).all()


def test_a_grid_needs_passing_shocks() -> None:
    """With σ_X = 0 there is no grid."""
    with pytest.raises(SpecError, match="sigma_x: got 0, allowed: above 0"):
        cash_grid(Calibration(sigma_x=0), 0.1, GridShape())


def integrated(grid: np.ndarray, below: float, nodes: np.ndarray, law: np.ndarray) -> np.ndarray:
    """E[V(X)] for each mean and deviation, by the midpoint rule over the normal law."""
    edges = np.linspace(-8.5, 8.5, 400_001)
    shocks = (edges[1:] + edges[:-1]) / 2
    weights = np.exp(-(shocks**2) / 2) * (edges[1] - edges[0]) / np.sqrt(2 * np.pi)
    slope = (nodes[-1] - nodes[-2]) / (grid[-1] - grid[-2])
    found = []
    for mean, deviation in law:
        cash = mean + deviation * shocks
        value = np.interp(cash, grid, nodes) + slope * np.maximum(cash - grid[-1], 0)
        found.append(weights @ np.where(cash > 0, value, below))
    return np.array(found)


def test_expectations_are_exact() -> None:
    """E[V(X)] of a random V that jumps at 0 is what integration gives, below 0 and above the grid
    too, and `slope` is its derivative by the mean."""
    draws = np.random.default_rng(0)
    grid = cash_grid(Calibration(), 0.1, GridShape(top=1.0))
    nodes, below = np.cumsum(draws.normal(size=len(grid))), 3.0
    means, deviations = draws.uniform(-0.2, 1.3, 40), draws.uniform(0.01, 0.3, 40)
    value, slope = gaussian_expectation(grid, means, deviations).of(below, nodes)
    expected = integrated(grid, below, nodes, np.stack([means, deviations], -1))
    np.testing.assert_allclose(value, expected, atol=3e-4)
    above, under = (
        gaussian_expectation(grid, means + step, deviations).of(below, nodes)[0]
        for step in (1e-6, -1e-6)
    )
    np.testing.assert_allclose(slope, (above - under) / 2e-6, rtol=1e-6, atol=1e-5)
