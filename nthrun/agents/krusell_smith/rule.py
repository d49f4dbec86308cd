"""A network's rule of an economy of Krusell and Smith: what it says, plays and is worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nthrun.agents.krusell_smith.households import GAIN, Found, Market, of_kind
from nthrun.agents.krusell_smith.panel import Panel, World
from nthrun.agents.networks import MLP
from nthrun.environments.krusell_smith.declaration import MOST_SAVED
from nthrun.environments.tensors import TINY

Array = NDArray[np.float64]


class NetworkRule(ABC):
    """A rule for what to save.

    Args:
        panel: how worlds are seen.
        network: with an output for every kind.
        num_seen: how many choose in the environment.
    """

    def __init__(self, panel: Panel, network: MLP, num_seen: int) -> None:
        self.panel, self.network, self.num_seen = panel, network, num_seen
        self.households = panel.households

    @abstractmethod
    def savings(self, outputs: Tensor, found: Found) -> Tensor:
        """a' >= 0, shaped like the outputs.

        Args:
            outputs: of the network.
            found: by the households that they are for.
        """

    def outputs(self, parameters: Tensor, assets: Tensor, market: Market) -> Tensor:
        """What the network says for every kind, `(lanes, worlds, number, kinds)`.

        Args:
            parameters: `(lanes, P)`.
            assets: `(lanes, worlds, number)`.
        """
        said = self.network(parameters, self.households.inputs(assets, market))
        return said.view(*assets.shape, self.households.num_kinds)

    def crowd_savings(
        self, parameters: Tensor, world: World, market: Market, savings: Tensor
    ) -> Tensor:
        """a' of those who make K: of the households followed, or of the cells of a histogram.

        Args:
            savings: a' of the households followed.
        """
        if self.panel.histogram is None:
            return savings
        points = self.panel.points(world.masses)
        found = self.households.found_by_every(points, market)
        saved = self.savings(self.outputs(parameters, points, market), found)
        return saved.transpose(2, 3).flatten(2)

    def action(self, parameters: Tensor, observation: Tensor) -> Tensor:
        """The share that each household saves, or all of each cell of a histogram.

        Args:
            observation: of the environment, `(lanes, episodes, dim)`.
        """
        if self.panel.histogram is None:
            return self._action_of_panel(parameters, observation)
        points = self.panel.points(observation)
        shares = observation[..., : points.shape[2]]
        state = self.households.economy.states(observation[..., points.shape[2]].unsqueeze(2))
        capital = (shares * points).sum(2, keepdim=True)
        market = self.households.market(capital, GAIN * shares, state)
        found = self.households.found_by_every(points, market)
        saved = self.savings(self.outputs(parameters, points, market), found)
        return share_of(saved, found).transpose(2, 3).flatten(2)

    def _action_of_panel(self, parameters: Tensor, observation: Tensor) -> Tensor:
        economy, crowd = self.households.economy, int(self.panel.shows_spread)
        count = self.num_seen
        sizes = (count, count, 1, crowd, 1)
        seen = observation[..., : sum(sizes)].split(sizes, 2)
        assets, productivity, capital, deviation, tfp = seen
        shown = self.panel.spread_seen(deviation, capital)
        market = self.households.market(capital, shown, economy.states(tfp))
        flags = self.households.flags(economy.kinds(productivity))
        found = self.households.found_by(flags, assets, market)
        said = of_kind(self.outputs(parameters, assets, market), flags)
        return share_of(self.savings(said, found), found)

    def next_assets(
        self, parameters: Tensor, assets: Array, masses: Array, capital: float, state: int
    ) -> Array:
        """a', `(kinds, points)`.

        Args:
            parameters: of one lane, `(1, P)`.
            assets: `(points,)`.
            masses: of households of each kind there, `(kinds, points)`.
            capital: K.
            state: of Z.
        """
        dtype, device = parameters.dtype, parameters.device

        def tensor(numbers: object) -> Tensor:
            return torch.tensor(numbers, dtype=dtype, device=device).view(1, 1, -1)

        owned = tensor(assets)
        crowd = self.panel.crowd(owned, tensor(masses.sum(0)))
        with torch.no_grad():
            market = self.households.market(tensor(capital), crowd, tensor(state))
            found = self.households.found_by_every(owned, market)
            saved = self.savings(self.outputs(parameters, owned, market), found)
        return np.asarray(saved[0, 0].T.numpy(force=True), np.float64)


def share_of(savings: Tensor, found: Found) -> Tensor:
    """What is saved of resources, within the environment's bounds."""
    return (savings / found.resources.clamp(min=TINY)).clamp(0.0, MOST_SAVED)


def first_rows(network: MLP, generators: Sequence[np.random.Generator]) -> Tensor:
    """Fresh parameters of every lane, `(lanes, P)`; the last layer is 0, and with it all that the
    network says."""
    rows = np.stack([network.initial(g, "kaiming_uniform") for g in generators])
    rows[:, -sum(network.sizes()[-2:]) :] = 0.0
    return torch.from_numpy(rows)


def share_left(step: Tensor, total_steps: int, decays: bool) -> Tensor:
    """The share of the step sizes that is left at a step: falling in a line to 0, or all."""
    share = 1.0 - step.to(torch.float32) / total_steps
    return share if decays else torch.ones_like(share)


def if_finite(number: Tensor) -> Tensor:
    """A number, 0 where it is none: the loss alone says whether a lane is lost."""
    return torch.where(torch.isfinite(number), number, 0.0)
