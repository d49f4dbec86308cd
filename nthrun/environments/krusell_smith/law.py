"""Laws of motion of capital: log K' = b₀ + b₁ log K + b₂ (log K)², its own in each state of Z.

That a law fits one step well says little of its forecasts, whose errors add up: den Haan (2010),
Assessing the accuracy of the aggregate law of motion in models with heterogeneous agents, JEDC
34(1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nthrun.environments.krusell_smith.economy import Economy, States
from nthrun.environments.markov_chains import Array

LEAST_VISITS = 10
"""Periods in a state with which its law is fitted."""


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """A law of motion.

    Attributes:
        coefficients: `(states, 3)` b₀, b₁, b₂; NaN in states of too few visits.
        log_bounds: `(states, 2)` the least and the largest log K that it is known for. Beyond them
            a law is a straight line, since a parabola bends back.
    """

    coefficients: Array
    log_bounds: Array

    def log_next(self, log_capital: Array, state: States) -> Array:
        """log K', arguments broadcasting."""
        b0, b1, b2 = np.moveaxis(self.coefficients[state], -1, 0)
        inside = np.clip(log_capital, self.log_bounds[state, 0], self.log_bounds[state, 1])
        beyond = (b1 + 2 * b2 * inside) * (log_capital - inside)
        return np.asarray(b0 + inside * (b1 + inside * b2) + beyond)


@dataclass(frozen=True, slots=True)
class PooledLaw:
    """log K' = intercept + slope log K + slope_z log Z in all states, and its R²; NaN where K or Z
    never move."""

    intercept: float
    slope: float
    slope_z: float
    r_squared: float


def curved_by_default(economy: Economy) -> bool:
    """Whether a law needs its b₂: where labour follows capital, K moves so far that forecasts of a
    log-linear law go astray."""
    return economy.labour.capital_elasticity > 0


def fitted_law(log_capital: Array, states: States, num_states: int, curved: bool) -> Law:
    """The law of least squares.

    Args:
        log_capital: `(periods + 1,)` log K.
        states: `(periods,)` of Z.
        num_states: of Z.
        curved: whether it has a b₂, which else is 0.
    """
    coefficients, bounds = np.full((num_states, 3), np.nan), np.full((num_states, 2), np.nan)
    for state in range(num_states):
        visits = np.flatnonzero(states == state)
        if len(visits) >= LEAST_VISITS:
            before, after = log_capital[visits], log_capital[visits + 1]
            coefficients[state] = _parabola(before, after, 2 if curved else 1)
            bounds[state] = before.min(), before.max()
    return Law(coefficients, bounds)


def _parabola(x: Array, y: Array, degree: int) -> Array:
    """b₀, b₁, b₂ of least squares, found around the mean of x, where powers are told apart."""
    mean = x.mean()
    powers = np.vander(x - mean, degree + 1, increasing=True)
    found = np.zeros(3)
    found[: degree + 1] = np.linalg.lstsq(powers, y, rcond=None)[0]
    a, b, c = found
    return np.array([a - b * mean + c * mean**2, b - 2 * c * mean, c])


def pooled_law(log_capital: Array, states: States, tfp: Array) -> PooledLaw:
    """One law of least squares for all states, log-linear."""
    x, z, y = log_capital[:-1], np.log(tfp[states]), log_capital[1:]
    means = x.mean(), z.mean(), y.mean()
    columns = np.stack([x - means[0], z - means[1]], 1)
    (slope, slope_z), _, rank, _ = np.linalg.lstsq(columns, y - means[2], rcond=None)
    if rank < 2:
        return PooledLaw(*(4 * [np.nan]))
    left = y - means[2] - columns @ [slope, slope_z]
    r_squared = 1 - float(left @ left / ((y - means[2]) @ (y - means[2])))
    intercept = float(means[2] - slope * means[0] - slope_z * means[1])
    return PooledLaw(intercept, float(slope), float(slope_z), r_squared)


def forecast_errors(law: Law, log_capital: Array, states: States) -> Array:
    """`(periods,)` |log K - its forecast|, made at the start for the whole path by the law alone.

    Args:
        law: without NaN in the states of the path.
        log_capital: `(periods + 1,)` log K.
        states: `(periods,)` of Z.
    """
    rows = np.hstack([law.coefficients, law.log_bounds]).tolist()
    forecast, forecasts = float(log_capital[0]), []
    for state in states.tolist():
        b0, b1, b2, low, high = rows[state]
        inside = min(max(forecast, low), high)
        beyond = (b1 + 2 * b2 * inside) * (forecast - inside)
        forecast = b0 + inside * (b1 + inside * b2) + beyond
        forecasts.append(forecast)
    return np.abs(np.array(forecasts) - log_capital[1:])
