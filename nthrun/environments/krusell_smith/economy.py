"""The economies of Krusell and Smith: who earns what, what firms pay, and how all of it moves.

Firms produce Y = Z K^α L^(1-α) and pay r = α Z (K/L)^(α-1) - δ and w = (1-α) Z (K/L)^α. Total
factor productivity Z is a Markov chain; a household is of one of finitely many kinds, whose chain
may depend on that of Z. K is decided the period before.

Labour is chosen (Greenwood, Hercowitz and Huffman, 1988, Investment, capacity utilization, and the
real business cycle, AER 78(3)) or given (Krusell and Smith, 1998, Income and wealth heterogeneity
in the macroeconomy, JPE 106(5)). Either way a household's problem is to spend

    x = (1 + r) a + y,      a' = x - c̃ >= 0,      maximising E Σ βᵗ (c̃^(1-σ) - 1) / (1-σ),

y being what it earns, and where labour is chosen what it earns net of the disutility of the best
labour, so that c̃ = c - ψ l^(1+θ)/(1+θ) is what is left of consumption c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.markov_chains import Array

States = NDArray[np.integer[Any]]
"""Numbers of states of Z, from 0."""


class Prices(NamedTuple):
    """What firms pay: r for capital, net of depreciation, and w for a unit of effective labour."""

    r: Array
    w: Array


class Labour(Protocol):
    """How labour comes about. Arguments broadcast; `kinds` is the last axis of results."""

    @property
    def productivity(self) -> Array:
        """`(kinds,)` what a household shows of its kind: z, or 1 at work and 0 without."""

    @property
    def capital_elasticity(self) -> float:
        """d log L / d log K, which is the same everywhere."""

    @property
    def wage_elasticity(self) -> float:
        """d log l / d log w, which is the same everywhere; with 1 more that of y and of c - c̃."""

    def supply(self, capital: Array, tfp: Array, state: States) -> Array:
        """Effective labour L per household, shaped like the capital."""

    def net_income(self, w: Array, state: States) -> Array:
        """y of every kind, `(..., kinds)`."""

    def hours(self, w: Array, state: States) -> Array:
        """l of every kind, `(..., kinds)`."""

    def disutility(self, w: Array, state: States) -> Array:
        """c - c̃ of every kind, `(..., kinds)`; 0 where labour is given."""


@dataclass(frozen=True, slots=True, eq=False)
class ChosenLabour:
    """Labour with the disutility ψ l^(1+θ)/(1+θ), of which the best is l = (w z / ψ)^(1/θ).

    Attributes:
        psi: ψ > 0.
        theta: θ > 0, the inverse Frisch elasticity.
        alpha: α of firms.
        productivity: `(kinds,)` z > 0.
        shares: `(kinds,)` of households, the same in every state of Z.
    """

    psi: float
    theta: float
    alpha: float
    productivity: Array
    shares: Array

    @property
    def capital_elasticity(self) -> float:
        """α / (α + θ)."""
        return self.alpha / (self.alpha + self.theta)

    @property
    def wage_elasticity(self) -> float:
        """1 / θ."""
        return 1 / self.theta

    @property
    def intensity(self) -> float:
        """I = E z^(1+1/θ): L per household is (w/ψ)^(1/θ) I."""
        return float(self.shares @ self.productivity ** (1 + 1 / self.theta))

    def supply(self, capital: Array, tfp: Array, state: States) -> Array:
        """The L that clears the market: w = [Z (1-α) (K/I)^α ψ^(α/θ)]^(θ/(θ+α))."""
        per_hour = capital / self.intensity
        base = tfp * (1 - self.alpha) * per_hour**self.alpha * self.psi ** (self.alpha / self.theta)
        w = base ** (self.theta / (self.theta + self.alpha))
        return np.asarray((w / self.psi) ** (1 / self.theta) * self.intensity)

    def net_income(self, w: Array, state: States) -> Array:
        """θ/(1+θ) w z l."""
        earned = w[..., None] * self.productivity * self.hours(w, state)
        return np.asarray(self.theta / (1 + self.theta) * earned)

    def hours(self, w: Array, state: States) -> Array:
        """(w z / ψ)^(1/θ)."""
        return np.asarray((w[..., None] * self.productivity / self.psi) ** (1 / self.theta))

    def disutility(self, w: Array, state: States) -> Array:
        """ψ l^(1+θ)/(1+θ)."""
        worked = self.hours(w, state)
        return np.asarray(self.psi / (1 + self.theta) * worked ** (1 + self.theta))


@dataclass(frozen=True, slots=True, eq=False)
class GivenLabour:
    """Labour l̄ of those at work, kind 1, whose tax pays the benefit of those without, kind 0.

    Attributes:
        hours_at_work: l̄ > 0.
        benefit: μ in [0, 1), what one without work gets, as a share of w.
        unemployment: `(states,)` shares of kind 0 in every state of Z.
    """

    hours_at_work: float
    benefit: float
    unemployment: Array

    @property
    def productivity(self) -> Array:
        """0 and 1."""
        return np.array([0.0, 1.0])

    @property
    def capital_elasticity(self) -> float:
        """0."""
        return 0.0

    @property
    def wage_elasticity(self) -> float:
        """0."""
        return 0.0

    def supply(self, capital: Array, tfp: Array, state: States) -> Array:
        """l̄ (1 - u)."""
        employed = 1 - self.unemployment[state]
        return np.asarray(self.hours_at_work * employed + np.zeros_like(capital))

    def net_income(self, w: Array, state: States) -> Array:
        """w μ without work, w (1 - τ) l̄ at work, with τ = μ u / (l̄ (1 - u))."""
        out_of_work = self.unemployment[state]
        paid = self.benefit * out_of_work / (1 - out_of_work)
        both = np.broadcast_arrays(self.benefit, self.hours_at_work - paid)
        return np.asarray(w[..., None] * np.stack(both, -1))

    def hours(self, w: Array, state: States) -> Array:
        """0 and l̄."""
        return np.broadcast_to(np.array([0.0, self.hours_at_work]), (*w.shape, 2))

    def disutility(self, w: Array, state: States) -> Array:
        """None."""
        return np.zeros((*w.shape, 2))


@dataclass(frozen=True, slots=True, eq=False)
class Economy:
    """One economy. Arrays of K and of states of Z broadcast.

    Attributes:
        beta: β in (0, 1).
        sigma: σ > 0, 1 being logarithmic utility.
        alpha: α in (0, 1).
        delta: δ in [0, 1].
        tfp: `(states,)` Z > 0, rising.
        tfp_transition: `(states, states)` probabilities, from the row's state to the column's.
        transition: `(states, kinds, states, kinds)` joint probabilities of Z and of a kind.
        shares: `(states, kinds)` of households, which the transition keeps exactly.
        labour: how it comes about.
    """

    beta: float
    sigma: float
    alpha: float
    delta: float
    tfp: Array
    tfp_transition: Array
    transition: Array
    shares: Array
    labour: Labour

    @property
    def num_states(self) -> int:
        """States of Z."""
        return len(self.tfp)

    @property
    def num_kinds(self) -> int:
        """Kinds of households."""
        return int(self.shares.shape[1])

    @property
    def kind_transition(self) -> Array:
        """`(states, kinds, states, kinds)` probabilities of the next kind, given the next state;
        where no way leads to that, its shares."""
        reached = self.tfp_transition[:, None, :, None]
        given = np.divide(
            self.transition, reached, out=np.zeros_like(self.transition), where=reached > 0
        )
        return np.where(reached > 0, given, self.shares)

    @property
    def complete_markets_capital(self) -> Array:
        """`(states,)` K per household with which r = 1/β - 1 were each state of Z to last."""
        rental = 1 / self.beta - 1 + self.delta
        per_labour = (self.alpha * self.tfp / rental) ** (1 / (1 - self.alpha))
        at_one = self.supply(np.ones(self.num_states), np.arange(self.num_states))
        return np.asarray((per_labour * at_one) ** (1 / (1 - self.labour.capital_elasticity)))

    def supply(self, capital: Array, state: States) -> Array:
        """L per household."""
        return self.labour.supply(capital, self.tfp[state], state)

    def prices(self, capital: Array, state: States) -> Prices:
        """r and w at K > 0 per household."""
        ratio = capital / self.supply(capital, state)
        rental = self.alpha * self.tfp[state] * ratio ** (self.alpha - 1)
        return Prices(rental - self.delta, (1 - self.alpha) * self.tfp[state] * ratio**self.alpha)

    def output(self, capital: Array, state: States) -> Array:
        """Y per household."""
        labour = self.supply(capital, state)
        return np.asarray(self.tfp[state] * capital**self.alpha * labour ** (1 - self.alpha))

    def net_income(self, capital: Array, state: States) -> Array:
        """y of every kind, `(..., kinds)`."""
        return self.labour.net_income(self.prices(capital, state).w, state)
