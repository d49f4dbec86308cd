"""The households of a world as tensors: each of a panel, or the shares of all in bins of wealth.

Either is a state of cells, `(lanes, worlds, cells)`, whose households are alike. Every cell of a
panel is one household. The cells of a histogram are the bins of each kind, one kind after the
other, and their households have the wealth of the bin's mid-point; savings between two mid-points
go to both, in the shares that keep their mean (Young (2010), Solving the incomplete markets model
with aggregate uncertainty using the Krusell-Smith algorithm and non-stochastic simulations, Journal
of Economic Dynamics and Control 34(1)).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from nthrun.environments.krusell_smith.economy_torch import EconomyTensors
from nthrun.environments.markov_chains import Array
from nthrun.environments.tensors import TINY, Constants

EVEN_POINTS = 2000
"""Points that stand for an even spread of wealth, where it is put into bins."""


class Cells(NamedTuple):
    """Households of a world, those of a cell being alike, `(lanes, worlds, cells)`.

    Attributes:
        wealth: a of each.
        kind: its kind's number.
        mass: its share of all households.
    """

    wealth: Tensor
    kind: Tensor
    mass: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """Of what each household has, `(lanes, worlds, 1)`."""
        return (self.mass * values).sum(-1, keepdim=True)


class Seen(NamedTuple):
    """What an observation shows.

    Attributes:
        wealth: a of each cell, `(lanes, worlds, cells)`.
        kind: its kind's number, likewise.
        capital: K, `(lanes, worlds, 1)`.
        crowd: what is seen of all beside K, `(lanes, worlds, more)`: the deviation of a panel's
            wealth if that is shown, or the shares of a histogram's bins.
        state: of Z, `(lanes, worlds, 1)`.
    """

    wealth: Tensor
    kind: Tensor
    capital: Tensor
    crowd: Tensor
    state: Tensor


class Distribution(Protocol):
    """A way to keep the households of a world."""

    def first(self, state: Tensor, draws: Tensor) -> Tensor:
        """Households at the start, `(lanes, worlds, size)`.

        Args:
            state: of Z, `(lanes, worlds, 1)`.
            draws: uniform on [0, 1).
        """

    def cells(self, kept: Tensor) -> Cells:
        """What is kept, `(lanes, worlds, size)`, taken apart."""

    def savings(self, wanted: Tensor) -> Tensor:
        """The a' nearest to what each cell wants that can be kept."""

    def following(
        self, cells: Cells, savings: Tensor, states: tuple[Tensor, Tensor], draws: Tensor
    ) -> Tensor:
        """The households of the next period.

        Args:
            savings: a' of each cell.
            states: of Z, of this period and the next, `(lanes, worlds, 1)` each.
            draws: uniform on [0, 1).
        """

    def shown(self, kept: Tensor) -> Tensor:
        """What is seen of them."""

    def seen(self, observation: Tensor) -> Seen:
        """What an observation shows, which begins with `shown` and Z."""


class Panel:
    """Wealth of each household, then the kind of each.

    Args:
        economy: theirs.
        num_households: how many.
        initial_wealth: mean at the start, in each state of Z, `(states,)`; they begin with wealth
            uniform on [0, 2 × that].
        moments: whether mean wealth is seen of all (1), or its deviation too (2).
    """

    def __init__(
        self, economy: EconomyTensors, num_households: int, initial_wealth: Array, moments: int
    ) -> None:
        self._economy = economy
        self._num_households = num_households
        self._most_wealth = Constants(torch.tensor(2 * initial_wealth, dtype=torch.float32))
        self._moments = moments

    def first(self, state: Tensor, draws: Tensor) -> Tensor:
        """See `Distribution`; draws are those of wealth, then of kinds."""
        wealth, luck = draws.split(self._num_households, -1)
        (most,) = self._most_wealth.on(state.device)
        kinds = self._economy.first_kinds(state, luck)
        return torch.cat([most[state.long()] * wealth, kinds], -1)

    def cells(self, kept: Tensor) -> Cells:
        """See `Distribution`."""
        wealth, kind = kept.split(self._num_households, -1)
        return Cells(wealth, kind, torch.full_like(wealth, 1 / self._num_households))

    def savings(self, wanted: Tensor) -> Tensor:
        """See `Distribution`: anything."""
        return wanted

    def following(
        self, cells: Cells, savings: Tensor, states: tuple[Tensor, Tensor], draws: Tensor
    ) -> Tensor:
        """See `Distribution`."""
        return torch.cat([savings, self._economy.next_kinds(cells.kind, *states, draws)], -1)

    def shown(self, kept: Tensor) -> Tensor:
        """Wealth of each, productivity of each, and the moments of wealth."""
        cells = self.cells(kept)
        mean = cells.mean(cells.wealth)
        seen = [cells.wealth, self._economy.productivity(cells.kind), mean]
        if self._moments == 2:
            seen.append(torch.sqrt(cells.mean((cells.wealth - mean) ** 2)))
        return torch.cat(seen, -1)

    def seen(self, observation: Tensor) -> Seen:
        """See `Distribution`."""
        count = self._num_households
        sizes = [count, count, 1, self._moments - 1, 1]
        wealth, productivity, capital, crowd, tfp = observation[..., : sum(sizes)].split(sizes, -1)
        kind = self._economy.kinds(productivity)
        return Seen(wealth, kind, capital, crowd, self._economy.states(tfp))


class _Bins(NamedTuple):
    """What a histogram looks up.

    Attributes:
        midpoints: `(bins,)` wealth.
        first: `(states, bins)` shares of the bins at the start.
        kinds: `(states, kinds)` shares of the kinds.
        wealth, kind: `(cells,)` of each cell.
        chances: `(states * states, kinds, kinds)` probabilities of the next kind, by both states.
    """

    midpoints: Tensor
    first: Tensor
    kinds: Tensor
    wealth: Tensor
    kind: Tensor
    chances: Tensor


class Histogram:
    """The share of all households in each bin of each kind.

    Args:
        economy: theirs.
        midpoints: wealth of the bins, `(bins,)`, evenly spaced and rising.
        shares: of the bins at the start, in each state of Z, `(states, bins)`.
        band: by what share of itself each of these is drawn off, in [0, 1].
    """

    def __init__(
        self, economy: EconomyTensors, midpoints: Array, shares: Array, band: float
    ) -> None:
        self._economy = economy
        self._num_kinds, self._num_bins = economy.economy.num_kinds, len(midpoints)
        self._low, self._high = float(midpoints[0]), float(midpoints[-1])
        self._width = float(midpoints[1] - midpoints[0])
        self._band = band
        wealth = np.tile(midpoints, self._num_kinds)
        kinds = np.arange(self._num_kinds).repeat(self._num_bins)
        chances = economy.economy.kind_transition.swapaxes(1, 2)
        chances = chances.reshape(-1, self._num_kinds, self._num_kinds)
        tables = (midpoints, shares, economy.economy.shares, wealth, kinds, chances)
        self._held = Constants(*(torch.tensor(table, dtype=torch.float32) for table in tables))

    def first(self, state: Tensor, draws: Tensor) -> Tensor:
        """See `Distribution`; a draw for each bin."""
        bins, here = self._bins(state), state.squeeze(-1).long()
        drawn = bins.first[here] * (1 + self._band * (2 * draws - 1))
        drawn = drawn / drawn.sum(-1, keepdim=True).clamp(min=TINY)
        return (bins.kinds[here].unsqueeze(-1) * drawn.unsqueeze(-2)).flatten(-2)

    def cells(self, kept: Tensor) -> Cells:
        """See `Distribution`."""
        bins = self._bins(kept)
        return Cells(bins.wealth.expand_as(kept), bins.kind.expand_as(kept), kept)

    def savings(self, wanted: Tensor) -> Tensor:
        """See `Distribution`: what lies between the lowest bin and the highest."""
        return wanted.clamp(self._low, self._high)

    def following(
        self, cells: Cells, savings: Tensor, states: tuple[Tensor, Tensor], draws: Tensor
    ) -> Tensor:
        """See `Distribution`; nothing is drawn."""
        bins = self._bins(savings)
        move = states[0] * self._economy.economy.num_states + states[1]
        apart = (savings.unsqueeze(-1) - bins.midpoints).abs() / self._width
        arriving = cells.mass.unsqueeze(-1) * (1 - apart).clamp(min=0.0)
        by_kind: Tensor = arriving.unflatten(-2, (self._num_kinds, self._num_bins)).sum(-2)
        moved = by_kind.unsqueeze(-2) * bins.chances[move.squeeze(-1).long()].unsqueeze(-1)
        found = moved.sum(-3)
        # Each kind has its share exactly, however many periods' rounding adds up.
        share = bins.kinds[states[1].squeeze(-1).long()].unsqueeze(-1)
        scaled = found * (share / found.sum(-1, keepdim=True).clamp(min=TINY))
        return scaled.flatten(-2)

    def shown(self, kept: Tensor) -> Tensor:
        """The share of all households in each bin."""
        by_kind: Tensor = kept.unflatten(-1, (self._num_kinds, self._num_bins))
        return by_kind.sum(-2)

    def beyond(self, kept: Tensor, state: Tensor, band: Tensor) -> Tensor:
        """What of the bins' shares lies outside a band about those of the start, summed over bins,
        `(..., 1)`.

        Args:
            kept: shares of the cells.
            state: of Z, whose start is meant, `(..., 1)`.
            band: the share of itself by which a bin's may be off.
        """
        first = self._bins(kept).first[state.squeeze(-1).long()]
        off = (self.shown(kept) - first).abs()
        return (off - band * first).clamp(min=0.0).sum(-1, keepdim=True)

    def seen(self, observation: Tensor) -> Seen:
        """See `Distribution`."""
        bins = self._bins(observation)
        shares, tfp = observation[..., : self._num_bins + 1].split([self._num_bins, 1], -1)
        capital = (shares * bins.midpoints).sum(-1, keepdim=True)
        wealth, kind = (each.expand(*capital.shape[:-1], -1) for each in (bins.wealth, bins.kind))
        return Seen(wealth, kind, capital, shares, self._economy.states(tfp))

    def _bins(self, beside: Tensor) -> _Bins:
        return _Bins(*self._held.on(beside.device))


def even_shares(midpoints: Array, most: Array) -> Array:
    """Shares of evenly spaced bins, `(economies, bins)`, of wealth uniform on
    [0, most]."""
    points = (np.arange(EVEN_POINTS) + 0.5) / EVEN_POINTS * np.array(most)[:, None]
    within = points.clip(midpoints[0], midpoints[-1])
    apart = np.abs(within[..., None] - midpoints) / (midpoints[1] - midpoints[0])
    return np.asarray((1 - apart).clip(0).mean(1))
