"""Ability as tensors: what each state is worth, and the state that comes next."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nthrun.environments.bewley.ability import AbilityChain
from nthrun.environments.constants import Constants

NEVER = 2.0
"""More than any probability."""


class AbilityDraws:
    """A chain of ability for tensors of its states' numbers, `(lanes, episodes, households)`."""

    def __init__(self, chain: AbilityChain) -> None:
        self._num_states = len(chain.values)
        self._halvings = (self._num_states - 1).bit_length()
        order = np.lexsort((-chain.stationary, chain.values))
        rising = chain.values[order]
        tables = (chain.values, self._edges(chain), (rising[1:] + rising[:-1]) / 2, order)
        self._tables = Constants(*(torch.from_numpy(table).float() for table in tables))

    def values(self, states: Tensor) -> Tensor:
        """v of each state."""
        return self._tables.on(states.device)[0][states.long()].to(states.dtype)

    def states(self, ability: Tensor) -> Tensor:
        """The state whose v is nearest to each; of states that are worth the same, the likeliest.

        Args:
            ability: v, any shape.
        """
        _, _, between, order = self._tables.on(ability.device)
        return order[torch.bucketize(ability.contiguous(), between)].to(ability.dtype)

    def first(self, draws: Tensor) -> Tensor:
        """States with their stationary shares.

        Args:
            draws: uniform on [0, 1), of the states' shape.
        """
        return self.following(torch.full_like(draws, self._num_states), draws)

    def following(self, states: Tensor, draws: Tensor) -> Tensor:
        """The state after each: the number of cumulated probabilities that are at most the draw,
        found by halving."""
        edges = self._tables.on(states.device)[1]
        begin = states.long() * (1 << self._halvings)
        found = torch.zeros_like(begin)
        for halving in reversed(range(self._halvings)):
            half = 1 << halving
            found = found + half * (edges[begin + found + (half - 1)] <= draws).long()
        return found.to(states.dtype)

    def _edges(self, chain: AbilityChain) -> np.ndarray:
        """Cumulated probabilities but for the last, row after row, those of the start behind; each
        row is filled up to a power of two."""
        rows = np.vstack((chain.transition, chain.stationary))
        edges = np.full((len(rows), 1 << self._halvings), NEVER)
        edges[:, : self._num_states - 1] = rows.cumsum(1)[:, :-1]
        return edges.ravel()
