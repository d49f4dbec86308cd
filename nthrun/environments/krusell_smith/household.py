"""A household's best choices, given a law of motion of capital.

The method of endogenous grid points: Carroll (2006), Economics Letters 91(3). On a grid of a', of K
and of Z the Euler equation gives

    c̃ = (β E (1 + r') c̃'^-σ)^(-1/σ),    x = c̃ + a',

K' being what the law says. Below the x that goes with a' = 0 all is spent. Between points of K what
is expected of a state is found by cubics in logarithms, so that few points will do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nthrun.environments.krusell_smith.economy import Economy, States
from nthrun.environments.krusell_smith.histogram import Rule
from nthrun.environments.krusell_smith.law import Law
from nthrun.environments.markov_chains import Array
from nthrun.errors import NoSolutionError

MAX_SWEEPS = 20_000
LEAST_CONSUMPTION = 1e-9
"""c̃ is at least that part of capital, so that nobody's marginal utility is infinite."""


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """Where the Euler equation holds.

    Attributes:
        saved: `(points,)` a', rising from 0.
        log_capital: `(nodes,)` log K, evenly rising.
        consumption: `(states, groups, nodes, points)` c̃ of one who saves a'; a group of kinds
            expects the same.
    """

    saved: Array
    log_capital: Array
    consumption: Array

    @property
    def resources(self) -> Array:
        """x of one who saves a', shaped like consumption."""
        return self.consumption + self.saved


class Household:
    """Households of an economy, on grids.

    Args:
        economy: where they live.
        saved: `(points,)` a', rising from 0.
        log_capital: `(nodes,)` log K, evenly rising, at least 4.
    """

    def __init__(self, economy: Economy, saved: Array, log_capital: Array) -> None:
        self.economy, self.saved, self.log_capital = economy, saved, log_capital
        kinds = economy.kind_transition
        alike = np.allclose(kinds, kinds[:, :1], rtol=0, atol=1e-12)
        self._groups = np.zeros(economy.num_kinds, np.intp) if alike else np.arange(len(kinds[0]))
        self._chances = kinds[:, :1] if alike else kinds
        states, capital = np.arange(economy.num_states)[:, None], np.exp(log_capital)
        self._gross = 1 + economy.prices(capital, states).r
        income = economy.net_income(capital, states).transpose(0, 2, 1)
        self._next_resources = self._gross[:, None, :, None] * saved + income[..., None]
        self._least = LEAST_CONSUMPTION * capital[:, None]

    def first_choices(self) -> Choices:
        """Everybody consumes the return of wealth and earnings, roughly."""
        usual = self._next_resources.mean(1)[:, None] - self.saved
        shape = (self.economy.num_states, self._chances.shape[1], len(self.log_capital), 1)
        spent = np.maximum(usual, self._least) + np.zeros(shape)
        return Choices(self.saved, self.log_capital, np.maximum(spent, 0.05 * self.saved))

    def solved(self, law: Law, choices: Choices, tolerance: float) -> Choices:
        """The best choices where capital follows a law.

        Args:
            law: of motion.
            choices: to begin from.
            tolerance: by how much of itself consumption may still change in a sweep.

        Raises:
            NoSolutionError: where 20 000 sweeps are not enough.
        """
        weights = self._weights(law)
        change = np.inf
        for _ in range(MAX_SWEEPS):
            consumption = self._sweep(choices, weights)
            change = float(np.abs(consumption / choices.consumption - 1).max())
            choices = Choices(self.saved, self.log_capital, consumption)
            if change < tolerance:
                return choices
            if not np.isfinite(change):
                break
        raise NoSolutionError(
            f"consumption still changes by {change:.2g} of itself after {MAX_SWEEPS} sweeps, "
            f"allowed is {tolerance}",
            "take a smaller β, or a larger depreciation",
        )

    def rule(self, choices: Choices) -> Rule:
        """What households do that choose like this, at any K within the grid."""

        def next_assets(assets: Array, masses: Array, capital: float, state: int) -> Array:
            weights = cubic_weights(self.log_capital, np.array(np.log(capital)))
            nodes = np.flatnonzero(weights)
            at, states = np.exp(self.log_capital[nodes]), np.full(len(nodes), state)
            gross = 1 + self.economy.prices(at, states).r
            income = self.economy.net_income(at, states).T
            x = gross[:, None] * assets + income[..., None]
            spent = self._spent(choices, x[None], states[:1], nodes)[0]
            spent = np.exp(np.einsum("knp,n->kp", np.log(spent), weights[nodes]))
            now, here = np.array(capital), np.array(state)
            x = (1 + self.economy.prices(now, here).r) * assets
            x = x + self.economy.net_income(now, here)[:, None]
            return np.asarray(np.maximum(x - spent, 0.0))

        return Rule(next_assets)

    def _sweep(self, choices: Choices, weights: Array) -> Array:
        """c̃ of those who from the next period on choose like this."""
        economy = self.economy
        states, nodes = np.arange(economy.num_states), np.arange(len(self.log_capital))
        spent = self._spent(choices, self._next_resources, states, nodes)
        marginal = self._gross[:, None, :, None] * _power(spent, -economy.sigma)
        expected = np.einsum("sgtk,tknp->sgtnp", self._chances, marginal, optimize=True)
        at_law = np.exp(np.einsum("smn,sgtnp->sgtmp", weights, np.log(expected), optimize=True))
        worth = economy.beta * np.einsum("st,sgtmp->sgmp", economy.tfp_transition, at_law)
        return np.asarray(_power(worth, -1 / economy.sigma))

    def _spent(self, choices: Choices, x: Array, states: States, nodes: States) -> Array:
        """c̃ at any x, `(states, kinds, nodes, points)`, of some states and nodes."""
        chosen = np.ix_(states, np.arange(choices.consumption.shape[1]), nodes)
        known, spent = choices.resources[chosen], choices.consumption[chosen]
        found = np.empty(x.shape)
        for place in np.ndindex(*x.shape[:-1]):
            state, kind, node = place
            row = state, self._groups[kind], node
            found[place] = np.interp(x[place], known[row], spent[row])
        known, spent = known[:, self._groups], spent[:, self._groups]
        slope = (spent[..., -1] - spent[..., -2]) / (known[..., -1] - known[..., -2])
        found += slope[..., None] * np.maximum(x - known[..., -1:], 0.0)
        return np.asarray(np.maximum(np.where(x < known[..., :1], x, found), self._least[nodes]))

    def _weights(self, law: Law) -> Array:
        """`(states, nodes, nodes)`: of the nodes, for K' of each node."""
        states = np.arange(self.economy.num_states)[:, None]
        return cubic_weights(self.log_capital, law.log_next(self.log_capital, states))


def _power(base: Array, exponent: float) -> Array:
    """base^exponent; quick where it is a whole one."""
    if exponent == -1.0:
        return 1 / base
    if exponent == -2.0:
        return 1 / (base * base)
    return np.asarray(base**exponent)


def cubic_weights(nodes: Array, points: Array) -> Array:
    """`(..., nodes)` weights of values at evenly rising nodes, for the cubic through the 4 nearest;
    points beyond the ends are taken at them.

    Args:
        nodes: `(nodes,)`, at least 4.
        points: any shape.
    """
    step = (nodes[-1] - nodes[0]) / (len(nodes) - 1)
    place = np.clip((points - nodes[0]) / step, 0.0, len(nodes) - 1.0)
    first = np.clip(np.floor(place).astype(np.intp) - 1, 0, len(nodes) - 4)
    t = place - first
    parts = (
        *(-(t - 1) * (t - 2) * (t - 3) / 6, t * (t - 2) * (t - 3) / 2),
        *(-t * (t - 1) * (t - 3) / 2, t * (t - 1) * (t - 2) / 6),
    )
    weights = np.zeros((*np.shape(points), len(nodes)))
    for offset, part in enumerate(parts):
        np.put_along_axis(weights, (first + offset)[..., None], np.asarray(part)[..., None], -1)
    return weights
