"""What a rule is worth to households that follow it and expect a law of motion of capital."""

from __future__ import annotations

import math

import numpy as np

from nthrun.environments.krusell_smith.economy import Economy, States
from nthrun.environments.krusell_smith.histogram import Rule
from nthrun.environments.krusell_smith.household import cubic_weights
from nthrun.environments.krusell_smith.law import Law
from nthrun.environments.markov_chains import Array
from nthrun.errors import NoSolutionError

TOLERANCE, MAX_SWEEPS = 1e-9, 20_000
"""By how much of itself a value may still change in a sweep, and how many sweeps there are."""
LEAST_CONSUMPTION = 1e-9


class RuleValue:
    """V = u(c̃) + β E V' of a rule that depends on households by K alone.

    It is found on grids of wealth and of log K. Between their points what is interpolated is the
    c̃ that, had for ever, is worth V: that is nearly a line in wealth.

    Args:
        economy: where households live.
        rule: what they do.
        law: what they expect of K.
        assets: `(points,)` wealth, rising from 0.
        log_capital: `(nodes,)` log K, evenly rising, at least 4.

    Raises:
        NoSolutionError: V does not settle.
    """

    def __init__(
        self, economy: Economy, rule: Rule, law: Law, assets: Array, log_capital: Array
    ) -> None:
        self._economy, self._assets, self._log_capital = economy, assets, log_capital
        states = np.arange(economy.num_states)
        savings = np.stack([self._savings(rule, state) for state in states.tolist()])
        at_law = law.log_next(log_capital, states[:, None])
        self._lasting = self._found(savings, cubic_weights(log_capital, at_law))

    def at(self, assets: Array, capital: float, state: int) -> Array:
        """V of every kind, `(kinds, number)`.

        Args:
            assets: `(number,)`.
            capital: K.
            state: of Z.
        """
        weights = cubic_weights(self._log_capital, np.array(np.log(capital)))
        lasting = np.einsum("knp,n->kp", self._lasting[state], weights)
        return self._worth(np.stack([np.interp(assets, self._assets, row) for row in lasting]))

    def _savings(self, rule: Rule, state: int) -> Array:
        """a' where Z is in a state, `(kinds, nodes, points)`."""
        nobody = np.zeros((self._economy.num_kinds, len(self._assets)))
        at = np.exp(self._log_capital).tolist()
        found = [rule.next_assets(self._assets, nobody, capital, state) for capital in at]
        return np.stack(found, 1)

    def _found(self, savings: Array, weights: Array) -> Array:
        """c̃ that is worth V if had for ever, `(states, kinds, nodes, points)`."""
        economy, assets = self._economy, self._assets
        states, capital = np.arange(economy.num_states)[:, None], np.exp(self._log_capital)
        gross = 1 + economy.prices(capital, states).r
        income = economy.net_income(capital, states).transpose(0, 2, 1)
        x = gross[:, None, :, None] * assets + income[..., None]
        enjoyed = self._utility(np.maximum(x - savings, LEAST_CONSUMPTION))
        low, share = _places(assets, savings)
        lasting = np.maximum(x - savings, LEAST_CONSUMPTION)
        for _ in range(MAX_SWEEPS):
            at_law = np.einsum("snm,tjmp->stjnp", weights, lasting, optimize=True)
            expected = np.einsum(
                "sktj,stjnp->sknp", economy.transition, self._worth(at_law), optimize=True
            )
            following = self._for_ever(expected)
            low_part, high_part = (np.take_along_axis(following, low + k, 3) for k in (0, 1))
            ahead = self._worth((1 - share) * low_part + share * high_part)
            found = self._for_ever(enjoyed + economy.beta * ahead)
            change = float(np.abs(found / lasting - 1).max())
            lasting = found
            if change < TOLERANCE:
                return lasting
            if not math.isfinite(change):
                break
        raise NoSolutionError(
            f"the value of the rule does not settle: it still changes by {change:.2g} of itself, "
            f"allowed: less than {TOLERANCE:g} within {MAX_SWEEPS:,} sweeps",
            "take a lower beta or sigma",
        )

    def _utility(self, consumption: Array) -> Array:
        sigma = self._economy.sigma
        if sigma == 1:
            return np.log(consumption)
        return np.asarray((consumption ** (1 - sigma) - 1) / (1 - sigma))

    def _worth(self, lasting: Array) -> Array:
        """V of c̃ for ever."""
        return self._utility(lasting) / (1 - self._economy.beta)

    def _for_ever(self, value: Array) -> Array:
        """The c̃ that is worth a value if had for ever."""
        sigma, enjoyed = self._economy.sigma, (1 - self._economy.beta) * value
        if sigma == 1:
            return np.exp(enjoyed)
        return np.asarray((1 + (1 - sigma) * enjoyed) ** (1 / (1 - sigma)))


def _places(assets: Array, savings: Array) -> tuple[States, Array]:
    """Points of the grid below savings, and how far these are on the way to the next."""
    inside = np.clip(savings, 0.0, assets[-1])
    low = np.minimum(np.searchsorted(assets, inside, side="right") - 1, len(assets) - 2)
    return low, (inside - assets[low]) / (assets[low + 1] - assets[low])
