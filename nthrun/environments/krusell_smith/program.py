"""The economy as a tensor program; `economy_torch` and `distribution_torch` have its equations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.environments.economy_tensors import Prices
from nthrun.environments.krusell_smith.declaration import PANEL, economy_of, midpoints_of
from nthrun.environments.krusell_smith.distribution_torch import (
    Cells,
    Distribution,
    Histogram,
    Panel,
    even_shares,
)
from nthrun.environments.krusell_smith.economy_torch import EconomyTensors
from nthrun.environments.tensors import start_states
from nthrun.specs.environment_spec import EnvironmentSpec


class Period(NamedTuple):
    """What happens in a period, `(lanes, worlds, 1)`, and what each cell does, `(lanes, worlds,
    cells)`.

    Attributes:
        capital: K.
        prices: r and w.
        output: Y.
        savings: a' of each cell.
        net_consumption: c̃ of each.
        consumption: c of each, which is that with the disutility of labour.
        hours: l of each.
    """

    capital: Tensor
    prices: Prices
    output: Tensor
    savings: Tensor
    net_consumption: Tensor
    consumption: Tensor
    hours: Tensor


class KrusellSmith:
    """State (what is kept of the households, number of the state of Z).

    Attributes:
        economy: its equations.
        distribution: how households are kept.
    """

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec = spec
        self.economy = EconomyTensors(economy_of(spec.values))
        self.distribution = distribution_of(spec, self.economy)
        self._shows_prices = spec.values["observation"] == "prices"

    def reset(self, draws: Tensor) -> Tensor:
        """Z by its shares in the long run and households as they begin there, unless the spec
        fixes the start."""
        luck, rest = draws.tensor_split([1], -1)
        state = self.economy.first_states(luck)
        households = self.distribution.first(state, rest)
        return start_states(self._spec, torch.cat([households, state], -1))

    def observe(self, state: Tensor) -> Tensor:
        """What is seen of the households, Z, and r and w if they are shown."""
        kept, tfp_state = parts_of(state)
        seen = [self.distribution.shown(kept), self.economy.tfp(tfp_state)]
        if self._shows_prices:
            cells = self.distribution.cells(kept)
            seen += self.economy.prices(cells.mean(cells.wealth), tfp_state)
        return torch.cat(seen, -1)

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Produce, save and consume, and draw the next Z and kinds; never terminates."""
        kept, tfp_state = parts_of(state)
        cells = self.distribution.cells(kept)
        period = self.period(cells, tfp_state, action)
        reward = cells.mean(self.economy.utility(period.net_consumption))
        luck, rest = draws.tensor_split([1], -1)
        states = (tfp_state, self.economy.next_states(tfp_state, luck))
        following = self.distribution.following(cells, period.savings, states, rest)
        new_state = torch.cat([following, states[1]], -1)
        return Transition(new_state, reward, torch.zeros_like(reward))

    def period(self, cells: Cells, tfp_state: Tensor, share: Tensor) -> Period:
        """A period in which each cell saves a share of x = (1 + r) a + y.

        Args:
            tfp_state: number of the state of Z, `(lanes, worlds, 1)`.
            share: in [0, 1), of each cell.
        """
        economy, capital = self.economy, cells.mean(cells.wealth)
        r, w = economy.prices(capital, tfp_state)
        resources = (1 + r) * cells.wealth + economy.net_income(w, tfp_state, cells.kind)
        savings = self.distribution.savings(share * resources)
        enjoyed = resources - savings
        return Period(
            capital,
            Prices(r, w),
            economy.output(capital, tfp_state),
            savings,
            enjoyed,
            enjoyed + economy.disutility(w, tfp_state, cells.kind),
            economy.hours(w, tfp_state, cells.kind),
        )


def parts_of(state: Tensor) -> tuple[Tensor, Tensor]:
    """What is kept of the households, and the number of the state of Z, of a state."""
    kept, tfp_state = state.tensor_split([-1], -1)
    return kept, tfp_state


def distribution_of(spec: EnvironmentSpec, economy: EconomyTensors) -> Distribution:
    """How the households of a spec's economy are kept."""
    given = spec.number("initial_wealth")
    mean_wealth = economy.economy.complete_markets_capital
    if given > 0:
        mean_wealth = np.full_like(mean_wealth, given)
    if spec.values["distribution"] == PANEL:
        count, moments = spec.integer("households"), spec.integer("moments")
        return Panel(economy, count, mean_wealth, moments)
    midpoints = midpoints_of(spec.values)
    shares = even_shares(midpoints, 2 * mean_wealth)
    if given_shares := spec.items("initial_shares"):
        shares = np.tile(np.array(given_shares) / sum(given_shares), (len(shares), 1))
    return Histogram(economy, midpoints, shares, spec.number("initial_band"))
