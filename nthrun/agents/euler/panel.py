"""The simulated households of a lane: worlds, each with prices that its own households make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import State
from nthrun.environments.bewley.calibration import Calibration
from nthrun.environments.bewley.household_torch import AbilityDraws, Prices, prices, wage_at

MOST_FIRST_LABOUR = 1.0
"""Labour per household that the first period's prices are formed with, at most."""


class Market(NamedTuple):
    """What every household of the panel finds, `(lanes, worlds × households)`; all of one world
    find the same."""

    r: Tensor
    w: Tensor
    rebate: Tensor


class Panel:
    """Worlds of households.

    Its state is `wealth` and `ability`, the numbers of ability states, `(lanes, worlds ×
    households)`, and of the period before, `labour`, L, and `rebate`, `(lanes, worlds)`.

    Args:
        calibration: of the economy.
        ability: its chain as tensors.
        bounds: lowest and highest r that a world has, whatever its households own: beyond them no
            rule is learned, by which a world could find its way back.
        num_worlds, num_households: worlds, and households of each.
    """

    def __init__(
        self,
        calibration: Calibration,
        ability: AbilityDraws,
        bounds: tuple[float, float],
        num_worlds: int,
        num_households: int,
    ) -> None:
        self._calibration, self._ability, self._bounds = calibration, ability, bounds
        self.num_worlds, self.num_households = num_worlds, num_households
        self.size = num_worlds * num_households

    def initial(self, generators: Sequence[np.random.Generator], mean_wealth: float) -> State:
        """Wealth uniform on [0, 2 mean_wealth], ability by its stationary shares."""
        drawn = np.stack([g.random((2, self.size), np.float32) for g in generators])
        luck, wealth = torch.from_numpy(drawn).unbind(1)
        states = self._ability.first(luck)
        labour = min(self._calibration.labour_bounds[1], MOST_FIRST_LABOUR)
        able = self.by_world(self._ability.values(states)).mean(2)
        return {
            "wealth": 2.0 * mean_wealth * wealth,
            "ability": states,
            "labour": labour * able,
            "rebate": torch.zeros_like(able),
        }

    def by_world(self, numbers: Tensor) -> Tensor:
        """`(lanes, worlds, households)` of `(lanes, worlds × households)`."""
        return numbers.view(len(numbers), self.num_worlds, self.num_households)

    def prices(self, wealth: Tensor, labour: Tensor) -> Prices:
        """`(lanes, worlds)` r and w where households own this much, and L was that, within bounds.

        Args:
            wealth: `(lanes, worlds × households)`.
            labour: `(lanes, worlds)`.
        """
        technology = self._calibration.technology
        r = prices(technology, self.by_world(wealth).mean(2), labour).r.clamp(*self._bounds)
        return Prices(r, wage_at(technology, r))

    def market(self, state: State) -> Market:
        """What households find in this period."""
        paid = self.prices(state["wealth"], state["labour"])
        return Market(*(self.to_all(number) for number in (*paid, state["rebate"])))

    def to_all(self, numbers: Tensor) -> Tensor:
        """A number of each world for each of its households."""
        spread = numbers.unsqueeze(2).expand(-1, -1, self.num_households)
        return spread.reshape(len(numbers), self.size)

    def move(
        self, state: State, savings: Tensor, labour: Tensor, revenue: Tensor, draws: Tensor
    ) -> None:
        """End the period.

        Args:
            savings, labour: a' and l, `(lanes, worlds × households)`.
            revenue: taxes of each.
            draws: uniform on [0, 1), of the same shape.
        """
        able = self._ability.values(state["ability"])
        state["labour"].copy_(self.by_world(able * labour).mean(2))
        if self._calibration.taxes.rebated:
            state["rebate"].copy_(self.by_world(revenue).mean(2))
        state["ability"].copy_(self._ability.following(state["ability"], draws))
        state["wealth"].copy_(savings)
