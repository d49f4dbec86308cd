"""Cash grids, and exact Gaussian expectations of functions that are linear between their nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, vstack
from scipy.special import ndtr

from nthrun.environments.ghm.calibration import Calibration, Floats
from nthrun.environments.ghm.declaration import MAX_NODES, GridShape
from nthrun.errors import Fault, SpecError

NEGLIGIBLE = 1e-12
CHUNK_ROWS = 256
LEAST_RISK = 0.01
WHERE = "GHM cash grid"


def cash_grid(calibration: Calibration, dt: float, shape: GridShape) -> Floats:
    """Nodes from 0 to `shape.top`, for steps of dt years.

    Raises:
        SpecError: σ_X is 0, so that near no cash there is no chance to divide finely, or there
            would be more than `MAX_NODES`.
    """
    sigma_x = calibration.sigma_x
    if sigma_x == 0:
        raise SpecError([Fault(WHERE, "sigma_x", "got 0, allowed: above 0")])
    if (count := shape.num_nodes(sigma_x, dt)) > MAX_NODES:
        problem = f"got {dt:g}, which takes {count} points of cash, allowed: up to {MAX_NODES}"
        raise SpecError([Fault(WHERE, "dt", problem, "take longer steps")])
    spacing = shape.spacing(sigma_x, dt)
    even = np.arange(shape.even_nodes(sigma_x, dt)) * spacing
    lengths = (1 + shape.growth) ** np.arange(1, shape.longer_intervals(sigma_x, dt) + 1)
    reach = (shape.top - even[-1]) / spacing
    above = even[-1] + np.cumsum(lengths) * (reach / lengths.sum() * spacing)
    return np.concatenate([even, above])


def step_deviations(calibration: Calibration, dt: float, cash: Floats) -> Floats:
    """σ(c) √dt, of the shape of `cash`, and at least a hundredth of what it is without cash."""
    # with ρ = 1 some cash bears no risk, and a normal law needs some
    least = LEAST_RISK * math.sqrt(dt * calibration.variance(0.0))
    return np.maximum(np.sqrt(dt * calibration.variance(cash)), least)


@dataclass(frozen=True, slots=True)
class Expectation:
    """E[V(X)] and its derivative by the mean, for many normal X, as linear maps of V's nodes.

    V is linear between its nodes and above the last; from the first node, 0, down it is another
    constant, so it may jump there. `value` and `slope` have shape (means, nodes); they apply to
    V less that constant.
    """

    value: csr_matrix
    slope: csr_matrix

    def of(self, below: float, nodes: Floats) -> tuple[Floats, Floats]:
        """E[V(X)] and its derivative, each of shape (means,)."""
        return self.value_of(below, nodes), self.slope @ (nodes - below)

    def value_of(self, below: float, nodes: Floats) -> Floats:
        """E[V(X)] alone."""
        return np.asarray(below + self.value @ (nodes - below))


def gaussian_expectation(grid: Floats, means: Floats, deviations: Floats) -> Expectation:
    """The expectation for X ~ N(means, deviations²), both of shape (means,), deviations > 0."""
    values, slopes = [], []
    for start in range(0, len(means), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        value, slope = _weights(grid, means[rows, None], deviations[rows, None])
        values.append(_sparse(value, NEGLIGIBLE))
        slopes.append(_sparse(slope, NEGLIGIBLE / deviations[rows, None]))
    return Expectation(vstack(values, format="csr"), vstack(slopes, format="csr"))


def _weights(grid: Floats, mean: Floats, deviation: Floats) -> tuple[Floats, Floats]:
    """Weights of the nodes, and their derivatives by the mean, as dense arrays.

    V(X) 1[X > 0] = V_0 1[X > 0] + Σ_k (V_{k+1} - V_k) min((X - x_k)⁺ / h_k, 1), without the min in
    the last term, and E[(X - x)⁺] = s φ(u) + (m - x) Φ(u) with u = (m - x) / s.
    """
    distance = (mean - grid) / deviation
    above = ndtr(distance)
    density = np.exp(-0.5 * distance**2) / math.sqrt(2 * math.pi)
    excess = deviation * density + (mean - grid) * above
    values = _node_weights(grid, above[:, :1], excess)
    return values, _node_weights(grid, density[:, :1] / deviation, above)


def _node_weights(grid: Floats, alive: Floats, excess: Floats) -> Floats:
    """Map from E[1[X > 0]] and E[(X - x_k)⁺], or their derivatives, to the weight of each node."""
    nothing = np.zeros_like(alive)
    beyond = np.concatenate([excess[:, 1:-1], nothing], axis=1)
    shares = (excess[:, :-1] - beyond) / np.diff(grid)
    rising = np.concatenate([alive, shares], axis=1)
    falling = np.concatenate([shares, nothing], axis=1)
    return np.asarray(rising - falling)


def _sparse(weights: Floats, negligible: Floats | float) -> csr_matrix:
    return csr_matrix(np.where(np.abs(weights) > negligible, weights, 0.0))
