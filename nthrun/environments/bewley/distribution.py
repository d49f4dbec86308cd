"""Who owns what: the points of wealth, the stationary distribution over them, and its sums.

Young (2010), Solving the incomplete markets model with aggregate uncertainty using the
Krusell-Smith algorithm and non-stochastic simulations, JEDC 34(1): savings between two points of
wealth go to both, in the shares that keep their mean; ability moves by its chain, independently.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from nthrun.environments.bewley.ability import AbilityChain
from nthrun.environments.bewley.calibration import (
    Array,
    Calibration,
    capital_per_labour,
    fault,
    output,
    reject,
    wage,
)
from nthrun.environments.bewley.household_numpy import DecisionRules, Household
from nthrun.errors import NoSolutionError

TOLERANCE = 1e-11
MAX_RESTARTS = 500
LEAST_SCALE = 1e-7
"""The least scale of a grid, as a share of its top: with a lower one few points are left above."""
PARTS_OF_WEALTH = 24.0
"""What households own in complete markets, in scales of the grid on which they are counted
[measured: the share of households without wealth is within .001 of that on much finer grids]."""
QUANTILE_LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Grids:
    """Points at which wealth is counted.

    Attributes:
        num_choices: points of a' at which the Euler equation is solved, >= 10.
        num_masses: points of a on which households are counted, >= 10.
        top: the highest wealth, > 0.
        scale: > 0; a grid's steps grow in proportion to wealth + scale.
        choice_scale: that of the grid of a', where it is less than `scale`.
        max_share_at_top: the share of households allowed at the highest wealth.
    """

    num_choices: int = 300
    num_masses: int = 1000
    top: float = 500.0
    scale: float = 1.0
    choice_scale: float = math.inf
    max_share_at_top: float = 1e-6

    def __post_init__(self) -> None:
        """Raise `SpecError` outside the ranges."""
        reject(
            [
                (self.num_choices >= 10, fault("num_choices", self.num_choices, "10 or more")),
                (self.num_masses >= 10, fault("num_masses", self.num_masses, "10 or more")),
                (0 < self.top < math.inf, fault("top", self.top, "(0, ∞)")),
                (0 < self.scale < math.inf, fault("scale", self.scale, "(0, ∞)")),
                (self.choice_scale > 0, fault("choice_scale", self.choice_scale, "(0, ∞]")),
            ]
        )

    def raised(self, factor: float) -> Grids:
        """The same with a higher top, and as many more points as keep the steps below it."""
        top = factor * self.top
        more = math.log1p(top / self.scale) / math.log1p(self.top / self.scale)
        return replace(
            self,
            top=top,
            num_choices=math.ceil(more * self.num_choices),
            num_masses=math.ceil(more * self.num_masses),
        )

    def fitted(self, calibration: Calibration, chain: AbilityChain) -> Grids:
        """The same with no larger scales than an economy has.

        Wealth is told apart by parts of what households own in complete markets, and choices by
        what the poorest earn: near a = 0 their consumption bends within so little wealth.
        """
        earned, owned = usual_sizes(calibration, chain)
        least = LEAST_SCALE * self.top
        return replace(
            self,
            scale=max(min(self.scale, owned / PARTS_OF_WEALTH), least),
            choice_scale=max(min(self.choice_scale, earned), least),
        )

    def choices(self) -> Array:
        """`(num_choices,)` a'."""
        return asset_grid(self.num_choices, self.top, min(self.scale, self.choice_scale))

    def masses(self) -> Array:
        """`(num_masses,)` a."""
        return asset_grid(self.num_masses, self.top, self.scale)


def usual_sizes(calibration: Calibration, chain: AbilityChain) -> tuple[float, float]:
    """What a household of the lowest ability earns in a period that owns nothing, and what one of
    ability 1 owns, roughly: at the interest rate of complete markets, by χ l^γ = c^(-θ) w v with
    c = w v l."""
    preferences, technology = calibration.preferences, calibration.technology
    ratio = capital_per_labour(technology, calibration.proportional_return_limit)
    kept = 1 - calibration.taxes.income.rate
    pay = kept * wage(technology, ratio) * np.array([chain.values.min(), 1.0])
    power = 1 / (preferences.gamma + preferences.theta)
    wanted = (pay ** (1 - preferences.theta) / preferences.chi) ** power
    poorest, usual = np.clip(wanted, *calibration.labour_bounds).tolist()
    return float(pay[0] * poorest), ratio * usual


def asset_grid(num_points: int, top: float, scale: float) -> Array:
    """`(num_points,)` wealth from 0 to the top, a step at a being in proportion to a + scale."""
    grid: Array = scale * np.expm1(np.linspace(0.0, np.log1p(top / scale), num_points))
    return grid


def stationary_mass(chain: AbilityChain, rules: DecisionRules, guess: Array | None = None) -> Array:
    """The mass `(num_states, num_assets)` that a period leaves as it is; its sum is 1.

    The eigenvector of the eigenvalue 1, by Arnoldi's method.

    Args:
        chain: how ability moves.
        rules: on the points of wealth where mass may be; savings beyond the last stay there.
        guess: mass to begin from; evenly over wealth if absent.

    Raises:
        NoSolutionError: where the method stops before a period moves less than 1e-11 of the mass.
    """
    saved = _savings_matrix(rules)
    shape = rules.savings.shape

    def moved(mass: Array) -> Array:
        return np.asarray(chain.transition.T @ (saved @ mass.ravel()).reshape(shape)).ravel()

    evenly = np.broadcast_to(chain.stationary[:, None] / shape[1], shape)
    operator = LinearOperator((evenly.size, evenly.size), matvec=moved, dtype=np.float64)
    start = (evenly if guess is None else guess).ravel()
    try:
        _, vectors = eigs(operator, k=1, which="LR", v0=start, tol=1e-13, maxiter=MAX_RESTARTS)
    except ArpackNoConvergence as error:
        raise _not_stationary(f"Arnoldi's method stopped after {MAX_RESTARTS} restarts") from error
    direction = vectors[:, 0].real
    mass = np.clip(direction / direction.sum(), 0.0, None)
    mass /= mass.sum()
    change = float(np.abs(moved(mass) - mass).sum())
    if not change <= TOLERANCE:
        raise _not_stationary(f"a period still moves {change:.2g}, allowed is {TOLERANCE}")
    return np.asarray(mass.reshape(shape))


def _savings_matrix(rules: DecisionRules) -> csr_array:
    """Where wealth goes by saving: `(n, n)`, n = num_states * num_assets, from column to row."""
    num_states, num_assets = rules.savings.shape
    savings = np.clip(rules.savings, 0.0, rules.assets[-1])
    left = np.clip(np.searchsorted(rules.assets, savings, side="right") - 1, 0, num_assets - 2)
    share = (savings - rules.assets[left]) / np.diff(rules.assets)[left]
    first = left + num_assets * np.arange(num_states)[:, None]
    rows = np.concatenate((first.ravel(), first.ravel() + 1))
    columns = np.tile(np.arange(first.size), 2)
    weights = np.concatenate((1 - share.ravel(), share.ravel()))
    return csr_array((weights, (rows, columns)), shape=(first.size, first.size))


def _not_stationary(reason: str) -> NoSolutionError:
    return NoSolutionError(
        f"no stationary distribution of wealth was found: {reason}",
        "take more risk, with which the interest rate is further below 1/β - 1",
    )


def gini(values: Array, weights: Array) -> float:
    """The Gini coefficient Σ_ij p_i p_j |x_i - x_j| / (2 Σ_i p_i x_i).

    Twice the area between the diagonal and the Lorenz curve, which is a straight line from each
    value to the next larger one.

    Args:
        values: x >= 0, any shape, not all 0.
        weights: >= 0, of the same shape, not all 0; p is their share of the sum.

    Returns:
        From 0, all are equal, up to but not including 1.
    """
    order = np.argsort(values, axis=None)
    shares = weights.ravel()[order] / weights.sum()
    owned = shares * values.ravel()[order]
    lorenz = np.cumsum(owned) / owned.sum()
    below = np.concatenate(([0.0], lorenz[:-1]))
    return float(1 - (shares * (lorenz + below)).sum())


def quantiles(values: Array, weights: Array, levels: Array) -> Array:
    """The smallest values that at least these shares of the weight are at or below.

    Args:
        values: any shape.
        weights: >= 0, of the same shape, not all 0.
        levels: `(n,)` in [0, 1].

    Returns:
        `(n,)`, each one of the values.
    """
    order = np.argsort(values, axis=None)
    held = np.cumsum(weights.ravel()[order])
    positions = np.searchsorted(held, levels * held[-1] * (1 - 1e-14), side="left")
    return np.asarray(values.ravel()[order][positions])


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Numbers per household of one period.

    Attributes:
        capital: K, the mean of a.
        labour: L, the mean of v l.
        mean_hours: the mean of l.
        share_at_lowest_labour, share_at_highest_labour: of households at a bound of l.
        consumption: C, the mean of c.
        output: Y = A K^α L^(1-α).
        revenue: of all taxes.
        saving_ratio: Σ a' / Σ ((1 + τ_c) c + a'), the share of what households have that is saved.
        gini_wealth, gini_consumption: of a and of c.
        share_without_wealth: of households with a = 0.
        wealth_quantiles: of a at 10, 25, 50, 75, 90 and 99 %.
        share_at_top: of households at the highest wealth of the grid, which should be next to 0.
    """

    capital: float
    labour: float
    mean_hours: float
    share_at_lowest_labour: float
    share_at_highest_labour: float
    consumption: float
    output: float
    revenue: float
    saving_ratio: float
    gini_wealth: float
    gini_consumption: float
    share_without_wealth: float
    wealth_quantiles: tuple[float, ...]
    share_at_top: float


def aggregates(household: Household, rules: DecisionRules, mass: Array) -> Aggregates:
    """Add up what households do, `mass` being of shape `(num_states, num_assets)`, of sum 1."""
    owned = np.broadcast_to(rules.assets, mass.shape)
    calibration = household.calibration
    price = 1 + calibration.taxes.consumption_rate
    lowest, highest = calibration.labour_bounds
    capital, spent, saved = (
        _mean(owned, mass),
        _mean(rules.consumption, mass),
        _mean(rules.savings, mass),
    )
    labour = _mean(household.chain.values[:, None] * rules.labour, mass)
    levels = quantiles(owned, mass, np.array(QUANTILE_LEVELS))
    return Aggregates(
        capital=capital,
        labour=labour,
        mean_hours=_mean(rules.labour, mass),
        share_at_lowest_labour=_mean(rules.labour <= lowest, mass),
        share_at_highest_labour=_mean(rules.labour >= highest, mass),
        consumption=spent,
        output=output(calibration.technology, capital, labour),
        revenue=revenue(household, rules, mass),
        saving_ratio=saved / (price * spent + saved),
        gini_wealth=gini(owned, mass),
        gini_consumption=gini(rules.consumption, mass),
        share_without_wealth=float(mass[:, 0].sum()),
        wealth_quantiles=tuple(float(level) for level in levels),
        share_at_top=float(mass[:, -1].sum()),
    )


def revenue(household: Household, rules: DecisionRules, mass: Array) -> float:
    """What all taxes bring in a period, per household."""
    taxes = household.calibration.taxes
    on_income = taxes.income.tax(household.income(rules.labour, rules.assets[None, :]))
    on_wealth = taxes.wealth.tax(rules.assets[None, :])
    return _mean(on_income + on_wealth + taxes.consumption_rate * rules.consumption, mass)


def _mean(values: Array | NDArray[np.bool_], mass: Array) -> float:
    return float((values * mass).sum())
