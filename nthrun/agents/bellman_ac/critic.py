"""The critic of the Bellman equation: what households of every kind are worth."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.krusell_smith.households import Households, Market
from nthrun.agents.krusell_smith.panel import Panel
from nthrun.agents.krusell_smith.rule import cross_section
from nthrun.agents.networks import MLP
from nthrun.environments.markov_chains import Array


class Critic:
    """The value of households.

    Args:
        panel: how worlds are seen.
        network: with an output for every kind.
    """

    def __init__(self, panel: Panel, network: MLP) -> None:
        self.panel, self.network = panel, network
        self.households = panel.households
        self.middle, self.scale = usual_values(panel.households)

    def __call__(self, parameters: Tensor, assets: Tensor, market: Market) -> Tensor:
        """V for every kind, `(lanes, worlds, number, kinds)`."""
        said = self.network(parameters, self.households.inputs(assets, market))
        return self.middle + self.scale * said.view(*assets.shape, self.households.num_kinds)

    def at(self, parameters: Tensor, assets: Array, masses: Array, now: tuple[float, int]) -> Array:
        """V of every kind, `(kinds, points)`; see `cross_section`."""
        row = parameters.detach().double()
        value = self(row, *cross_section(self.panel, row, assets, masses, now))
        return np.asarray(value[0, 0].T.numpy(force=True))


def usual_values(households: Households) -> tuple[float, float]:
    """The mean and the deviation of what insured households with wealth from a third to three times
    K in complete markets would get, were every period like the first."""
    exact = households.economy.economy
    owned = torch.from_numpy(exact.complete_markets_capital).float().view(1, -1, 1)
    states = torch.arange(exact.num_states, dtype=torch.float32).view(1, -1, 1)
    market = households.market(owned, owned[..., :0], states)
    assets = owned * torch.exp(torch.linspace(-1.0, 1.0, 21) * math.log(3.0))
    found = households.found_by_every(assets, market)
    worth = households.economy.utility(found.insured) / (1.0 - exact.beta)
    return float(worth.mean()), float(worth.std())
