"""Worlds of households that live side by side: what a learner simulates.

A world follows some households. Of a panel they are all that there are, and what they own makes K.
Beside a histogram they count for nothing: the shares of its bins of wealth make K, and move by the
rule exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.krusell_smith.households import GAIN, SPREAD, Households, Market
from nthrun.environments.krusell_smith.declaration import PANEL, economy_of, midpoints_of
from nthrun.environments.krusell_smith.distribution_torch import (
    Cells,
    Distribution,
    Histogram,
    Seen,
)
from nthrun.environments.krusell_smith.program import distribution_of
from nthrun.environments.tensors import TINY, Constants
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec

AROUND = 0.5
"""How far from complete markets' K new worlds begin, in the width of its logarithm."""


class World(NamedTuple):
    """Worlds of households.

    Attributes:
        assets, kind: a and numbers of kinds of those followed, `(lanes, worlds, households)`.
        state: of Z, `(lanes, worlds, 1)`.
        masses: shares of a histogram's cells, `(lanes, worlds, cells)`; of a panel without any.
    """

    assets: Tensor
    kind: Tensor
    state: Tensor
    masses: Tensor


class Luck(NamedTuple):
    """What moves worlds on, uniform on [0, 1).

    Attributes:
        state: `(lanes, worlds, 1)`.
        kind: `(lanes, worlds, households)`.
    """

    state: Tensor
    kind: Tensor


class Panel:
    """Worlds of households.

    Args:
        households: what they find.
        size: worlds, and households that are followed in each of them.
        distribution: as the environment keeps its households; a histogram has the widest band.
        midpoints: of a histogram's bins, `(bins,)`; of a panel none.
        spread: whether a panel shows the deviation of wealth.
        band: by what share of itself each bin of a new world is drawn off, in [0, 1].
    """

    def __init__(
        self,
        households: Households,
        size: tuple[int, int],
        distribution: Distribution,
        midpoints: np.ndarray,
        spread: bool,
        band: float,
    ) -> None:
        self.households, self.distribution = households, distribution
        self.num_worlds, self.num_households = size
        self.size = self.num_worlds * self.num_households
        self.shows_spread, self._band = spread, band
        self.histogram = distribution if isinstance(distribution, Histogram) else None
        self._midpoints = Constants(torch.from_numpy(midpoints).float())
        self._num_bins = len(midpoints)
        owned = households.economy.economy.complete_markets_capital
        self._owned = Constants(torch.from_numpy(owned).float())
        self._states = Constants(torch.arange(households.num_states, dtype=torch.float32))

    @property
    def shows_crowd(self) -> bool:
        """Whether worlds show more of all households than K."""
        return self.shows_spread or self.histogram is not None

    @property
    def first_draws(self) -> int:
        """Uniform numbers that new worlds need."""
        return (2 + self._num_bins) * self.num_worlds + 2 * self.size

    @property
    def period_draws(self) -> int:
        """Uniform numbers of a period."""
        return self.num_worlds + self.size

    def begun(self, generators: Sequence[np.random.Generator]) -> World:
        """New worlds of every lane, drawn from its generator."""
        draws = np.stack([g.random(self.first_draws, np.float32) for g in generators])
        return self.first(torch.from_numpy(draws))

    def first(self, draws: Tensor, band: Tensor | None = None) -> World:
        """New worlds: Z by its shares in the long run, K about that of complete markets, wealth
        uniform on [0, 2 K]; a histogram begins as the environment's.

        Args:
            draws: `(lanes, first_draws)`.
            band: another one, `(lanes, 1, 1)`.
        """
        worlds = self.num_worlds
        sizes = (worlds, worlds, worlds * self._num_bins, self.size, self.size)
        state, capital, bins, assets, kind = draws.split(sizes, 1)
        economy = self.households.economy
        states = economy.first_states(state.unsqueeze(2))
        masses = bins.unflatten(1, (worlds, self._num_bins))
        if self.histogram is None:
            (owned,) = self._owned.on(draws.device)
            farther = AROUND * self.households.width * (2.0 * capital.unsqueeze(2) - 1.0)
            usual = owned[states.long()] * torch.exp(farther)
        else:
            wide = self._band if band is None else band
            masses = self.histogram.first(states, 0.5 + wide * (masses - 0.5))
            usual = self._cells(masses).mean(self._cells(masses).wealth)
        kinds = economy.first_kinds(states, self._by_world(kind))
        return World(2.0 * usual * self._by_world(assets), kinds, states, masses)

    def luck(self, draws: Tensor) -> Luck:
        """What periods bring, with an axis of periods behind that of lanes.

        Args:
            draws: `(lanes, periods × period_draws)`.
        """
        periods = draws.unflatten(1, (-1, self.num_worlds, 1 + self.num_households))
        return Luck(periods[..., :1], periods[..., 1:])

    def market(self, assets: Tensor, state: Tensor, masses: Tensor) -> Market:
        """What households find in worlds.

        Args:
            assets, state, masses: see `World`.
        """
        if self.histogram is None:
            capital = assets.mean(2, keepdim=True)
            return self.households.market(capital, self.crowd(assets), state)
        cells = self._cells(masses)
        crowd = GAIN * self.histogram.shown(masses)
        return self.households.market(cells.mean(cells.wealth), crowd, state)

    def crowd(self, assets: Tensor, weights: Tensor | None = None) -> Tensor:
        """What worlds with such households show of them beside K, `(lanes, worlds, more)`.

        Args:
            assets: `(lanes, worlds, number)`.
            weights: of each of them, of sum 1; None where all count alike.
        """
        if self.histogram is not None:
            (points,) = self._midpoints.on(assets.device)
            within = assets.clamp(points[0], points[-1]).unsqueeze(3)
            apart = (within - points).abs() / (points[1] - points[0])
            near = (1.0 - apart).clamp(min=0.0)
            counted = near.mean(2) if weights is None else (weights.unsqueeze(3) * near).sum(2)
            return GAIN * counted
        if not self.shows_spread:
            return assets[..., :0]
        capital = _mean(assets, weights)
        spread = _mean((assets - capital).square(), weights)
        return GAIN * ((spread + TINY).sqrt() / capital.clamp(min=TINY) / SPREAD - 1.0)

    def observed(self, observation: Tensor) -> tuple[Seen, Market]:
        """Who chooses in the environment, and what they find.

        Args:
            observation: `(lanes, episodes, dim)`.
        """
        seen = self.distribution.seen(observation)
        crowd = self.crowd(seen.wealth)
        if self.histogram is not None:
            crowd = GAIN * seen.crowd
        return seen, self.households.market(seen.capital, crowd, seen.state)

    def points(self, masses: Tensor) -> Tensor:
        """Wealth of the bins of a histogram, `(lanes, worlds, bins)`."""
        (points,) = self._midpoints.on(masses.device)
        return points.expand(*masses.shape[:2], -1)

    def following(self, world: World, savings: Tensor, crowd: Tensor, luck: Luck) -> World:
        """Worlds a period later.

        Args:
            savings: a' of those followed, `(lanes, worlds, households)`.
            crowd: a' of the cells of a histogram; of a panel anything.
        """
        economy = self.households.economy
        state = economy.next_states(world.state, luck.state)
        kind = economy.next_kinds(world.kind, world.state, state, luck.kind)
        return World(savings, kind, state, self._moved(world, crowd, state))

    def next_market(self, world: World, savings: Tensor, crowd: Tensor) -> Market:
        """What households find in each state of Z that may come, `(lanes, worlds × states, ...)`.

        Args:
            savings, crowd: see `following`.
        """
        (states,) = self._states.on(savings.device)
        lanes, worlds, _ = savings.shape
        each = states.view(1, 1, -1, 1).expand(lanes, worlds, -1, 1).flatten(1, 2)
        spread = World(*(self.in_every_state(part) for part in world))
        masses = self._moved(spread, self.in_every_state(crowd), each)
        return self.market(self.in_every_state(savings), each, masses)

    def in_every_state(self, numbers: Tensor) -> Tensor:
        """Numbers again for each state of Z that may come, `(lanes, worlds × states, number)`."""
        states = self.households.num_states
        return numbers.unsqueeze(2).expand(-1, -1, states, -1).flatten(1, 2)

    def expected(self, numbers: Tensor, state: Tensor, kind: Tensor) -> Tensor:
        """The mean over the next Z and kind, `(lanes, worlds, number)`.

        Args:
            numbers: of every household in each state of Z that may come, for every kind that it
                may be of then, `(lanes, worlds × states, number, kinds)`.
            state: of Z now, `(lanes, worlds, 1)`.
            kind: now, `(lanes, worlds, number)`.
        """
        chances = self.households.economy.next_probabilities(state, kind)
        of_world = numbers.unflatten(1, (-1, self.households.num_states)).transpose(2, 3)
        mean: Tensor = (chances * of_world).sum((3, 4))
        return mean

    def _moved(self, world: World, crowd: Tensor, state: Tensor) -> Tensor:
        """The masses of the next period, in which Z has this state."""
        if self.histogram is None:
            return world.masses
        cells = self._cells(world.masses)
        kept = self.histogram.savings(crowd)
        return self.histogram.following(cells, kept, (world.state, state), world.masses)

    def _cells(self, masses: Tensor) -> Cells:
        assert self.histogram is not None
        return self.histogram.cells(masses)

    def _by_world(self, draws: Tensor) -> Tensor:
        placed: Tensor = draws.unflatten(1, (self.num_worlds, self.num_households))
        return placed


def exchanged(world: World, other: World, whether: Tensor) -> World:
    """Worlds, some of them exchanged for others.

    Args:
        whether: `(lanes, worlds, 1)`.
    """
    return World(*(torch.where(whether, new, old) for old, new in zip(world, other, strict=True)))


def _mean(numbers: Tensor, weights: Tensor | None) -> Tensor:
    """The mean over households, `(lanes, worlds, 1)`."""
    if weights is None:
        return numbers.mean(2, keepdim=True)
    return (weights * numbers).sum(2, keepdim=True)


def panel_of(statics: Setting, environment: EnvironmentSpec) -> Panel:
    """The panel of a learner of an economy: with a histogram where the environment has one."""
    values = environment.values
    households = Households(economy_of(values))
    size = statics["num_worlds"], statics["num_households"]
    if values["distribution"] == PANEL:
        kept = distribution_of(environment, households.economy)
        return Panel(households, size, kept, np.zeros(0), values["moments"] == 2, 0.0)
    wide = replace(environment, values={**values, "initial_band": 1.0})
    kept = distribution_of(wide, households.economy)
    band = environment.number("initial_band")
    return Panel(households, size, kept, midpoints_of(values), False, band)
