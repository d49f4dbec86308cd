"""One period of an economy of Krusell and Smith as tensors.

The equations of `economy`, for K, w, states of Z and kinds of any shapes that broadcast, such as
`(lanes, worlds, 1)` for what a world has and `(lanes, worlds, households)` for what its households
have. States and kinds are numbers from 0, as floats. L is proportional to a power of K, and what
households work and earn to powers of w, so the equations stand in `economy` alone, which is asked
at K = 1 and at w = 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.environments.economy_tensors import ChainDraws, Prices, factor_prices, utility_of
from nthrun.environments.krusell_smith.economy import Economy
from nthrun.environments.markov_chains import stationary_shares
from nthrun.environments.tensors import TINY, Constants, power


class _Tables(NamedTuple):
    """What is looked up, in the order in which it is made.

    Attributes:
        tfp: `(states,)` Z.
        supply: `(states,)` L at K = 1.
        net_income, hours, disutility: `(states * kinds,)` y, l and c - c̃ at w = 1.
        productivity: `(kinds,)`.
        transition: `(states * kinds, states * kinds)`.
    """

    tfp: Tensor
    supply: Tensor
    net_income: Tensor
    hours: Tensor
    disutility: Tensor
    productivity: Tensor
    transition: Tensor


class EconomyTensors:
    """An economy for tensors.

    Args:
        economy: the same in float64.

    Attributes:
        economy: the same.
    """

    def __init__(self, economy: Economy) -> None:
        self.economy = economy
        labour, num_cells = economy.labour, economy.shares.size
        states, one = np.arange(economy.num_states), np.ones(economy.num_states)
        tables = (
            economy.tfp,
            economy.supply(one, states),
            labour.net_income(one, states).ravel(),
            labour.hours(one, states).ravel(),
            labour.disutility(one, states).ravel(),
            labour.productivity,
            economy.transition.reshape(num_cells, num_cells),
        )
        self._held = Constants(*(torch.tensor(table, dtype=torch.float32) for table in tables))
        chances = np.vstack((economy.tfp_transition, stationary_shares(economy.tfp_transition)))
        self._state_draws = ChainDraws(chances)
        kinds = economy.kind_transition.reshape(-1, economy.num_kinds)
        self._kind_draws = ChainDraws(np.vstack((kinds, economy.shares)))

    def tfp(self, state: Tensor) -> Tensor:
        """Z of each state."""
        return self._tables(state).tfp[state.long()]

    def states(self, tfp: Tensor) -> Tensor:
        """The state whose Z is nearest to each."""
        return _nearest(self._tables(tfp).tfp, tfp)

    def productivity(self, kind: Tensor) -> Tensor:
        """What each kind shows of itself: z, or 1 at work and 0 without."""
        return self._tables(kind).productivity[kind.long()]

    def kinds(self, productivity: Tensor) -> Tensor:
        """The kind whose productivity is nearest to each."""
        return _nearest(self._tables(productivity).productivity, productivity)

    def supply(self, capital: Tensor, state: Tensor) -> Tensor:
        """L per household."""
        grown = power(capital, self.economy.labour.capital_elasticity)
        return self._tables(state).supply[state.long()] * grown

    def prices(self, capital: Tensor, state: Tensor) -> Prices:
        """r and w at K per household, taken to be at least 1e-30."""
        capital, (share, delta) = capital.clamp(min=TINY), (self.economy.alpha, self.economy.delta)
        labour = self.supply(capital, state)
        return factor_prices(share, delta, self.tfp(state), capital, labour)

    def output(self, capital: Tensor, state: Tensor) -> Tensor:
        """Y per household."""
        share = self.economy.alpha
        of_labour = power(self.supply(capital, state), 1 - share)
        return self.tfp(state) * power(capital, share) * of_labour

    def net_income(self, w: Tensor, state: Tensor, kind: Tensor) -> Tensor:
        """y."""
        table = self._tables(state).net_income
        return self._of_kind(table, state, kind) * power(w, 1 + self.economy.labour.wage_elasticity)

    def hours(self, w: Tensor, state: Tensor, kind: Tensor) -> Tensor:
        """l."""
        table = self._tables(state).hours
        return self._of_kind(table, state, kind) * power(w, self.economy.labour.wage_elasticity)

    def disutility(self, w: Tensor, state: Tensor, kind: Tensor) -> Tensor:
        """c - c̃."""
        table = self._tables(state).disutility
        return self._of_kind(table, state, kind) * power(w, 1 + self.economy.labour.wage_elasticity)

    def utility(self, net_consumption: Tensor) -> Tensor:
        """Of c̃, taken to be at least 1e-6."""
        return utility_of(net_consumption, self.economy.sigma)

    def first_states(self, draws: Tensor) -> Tensor:
        """States of Z with their shares in the long run.

        Args:
            draws: uniform on [0, 1), of the states' shape.
        """
        return self.next_states(torch.full_like(draws, self.economy.num_states), draws)

    def next_states(self, state: Tensor, draws: Tensor) -> Tensor:
        """The state of Z after each.

        Args:
            draws: uniform on [0, 1), of the states' shape.
        """
        return self._state_draws.outcomes(state, draws)

    def first_kinds(self, state: Tensor, draws: Tensor) -> Tensor:
        """Kinds with their shares in each state of Z.

        Args:
            draws: uniform on [0, 1), of the kinds' shape.
        """
        begin = self.economy.num_states**2 * self.economy.num_kinds
        return self._kind_draws.outcomes((begin + state).expand_as(draws), draws)

    def next_kinds(self, kind: Tensor, state: Tensor, next_state: Tensor, draws: Tensor) -> Tensor:
        """The kind after each, where Z moves from its state to the next.

        Args:
            draws: uniform on [0, 1), of the kinds' shape.
        """
        row = self._cell(state, kind) * self.economy.num_states + next_state
        return self._kind_draws.outcomes(row, draws)

    def next_probabilities(self, state: Tensor, kind: Tensor) -> Tensor:
        """Of every next state of Z with every next kind, `(..., states, kinds)`."""
        rows = self._of_kind(self._tables(state).transition, state, kind)
        return rows.view(*rows.shape[:-1], *self.economy.shares.shape)

    def _tables(self, beside: Tensor) -> _Tables:
        return _Tables(*self._held.on(beside.device))

    def _cell(self, state: Tensor, kind: Tensor) -> Tensor:
        return state * self.economy.num_kinds + kind

    def _of_kind(self, table: Tensor, state: Tensor, kind: Tensor) -> Tensor:
        return table[self._cell(state, kind).long()]


def _nearest(rising: Tensor, values: Tensor) -> Tensor:
    """The number of the nearest of `(n,)` rising values to each."""
    between = (rising[1:] + rising[:-1]) / 2
    return (values.unsqueeze(-1) > between).to(values.dtype).sum(-1)
