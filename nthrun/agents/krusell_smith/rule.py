"""A network's rule of an economy of Krusell and Smith: what it says, plays and is worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nthrun.agents.krusell_smith.households import Found, Market, of_kind
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
    """

    def __init__(self, panel: Panel, network: MLP) -> None:
        self.panel, self.network = panel, network
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
        seen, market = self.panel.observed(observation)
        flags = self.households.flags(seen.kind)
        found = self.households.found_by(flags, seen.wealth, market)
        said = of_kind(self.outputs(parameters, seen.wealth, market), flags)
        shares = self.savings(said, found) / found.resources.clamp(min=TINY)
        return shares.clamp(0.0, MOST_SAVED)

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
        with torch.no_grad():
            owned, market = cross_section(self.panel, parameters, assets, masses, (capital, state))
            found = self.households.found_by_every(owned, market)
            saved = self.savings(self.outputs(parameters, owned, market), found)
        return np.asarray(saved[0, 0].T.numpy(force=True), np.float64)


def cross_section(
    panel: Panel, like: Tensor, assets: Array, masses: Array, now: tuple[float, int]
) -> tuple[Tensor, Market]:
    """Wealth `(1, 1, points)`, and what households find whose masses are at it.

    Args:
        panel: how worlds are seen.
        like: a tensor whose type and device are wanted.
        assets: `(points,)`.
        masses: `(kinds, points)`.
        now: K and the state of Z.
    """

    def tensor(numbers: object) -> Tensor:
        return torch.tensor(numbers, dtype=like.dtype, device=like.device).view(1, 1, -1)

    owned, (capital, state) = tensor(assets), now
    crowd = panel.crowd(owned, tensor(masses.sum(0)))
    return owned, panel.households.market(tensor(capital), crowd, tensor(state))


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
