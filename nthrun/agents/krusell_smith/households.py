"""What households of an economy of Krusell and Smith find, and what networks see of it.

A network sees a household's wealth, as two logarithms that tell small and large wealth apart, Z,
and what its world shows of all households, each scaled by bounds that follow from the economy: log
K lies about between what complete markets would own were the lowest and the highest Z to last. It
has an output for every kind of household.

Rules begin with that of a household that could borrow and were insured, and expected r, w and mean
income to last: it consumes

    c̃ = (1 - β) (1 + ε q²/(1 + q²)) x + β ȳ,      q = a / 5K,

ȳ being the mean of y over households. The small ε keeps wealth from growing without end where it
is so large that no rule was learned: there the insured neither gather nor spend it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.environments.krusell_smith.economy import Economy
from nthrun.environments.krusell_smith.economy_torch import EconomyTensors
from nthrun.environments.tensors import Constants

LEAST_WIDTH, LEAST_TFP_WIDTH = 0.1, 1e-6
"""Half of the ranges that log K and log Z are taken to have, at least."""
BEYOND = 1.5
"""How far beyond its range log K is taken for what it is; what lies farther is put there."""
SMALL, LARGE = 0.05, 1.0
"""Wealth below which either logarithm is flat, in fifths of the usual K."""
GAIN = 2.0
"""Factor on features, so that weights of the usual size bend a rule where it bends."""
IMPATIENCE, RICH = 0.02, 5.0
"""ε, and wealth at which a half of it counts, in K."""
SPREAD = 0.55
"""The usual deviation of wealth, as a share of K."""


class Market(NamedTuple):
    """What all households of a world find.

    Attributes:
        r, w, capital: K within bounds; `(lanes, worlds, 1)` each.
        income: y of every kind, `(lanes, worlds, kinds)`.
        mean_income: ȳ, `(lanes, worlds, 1)`.
        seen: what networks see of the world, `(lanes, worlds, inputs)`.
    """

    r: Tensor
    w: Tensor
    capital: Tensor
    income: Tensor
    mean_income: Tensor
    seen: Tensor


class Found(NamedTuple):
    """What households can spend, and would if they were insured; of any shape that broadcasts.

    Attributes:
        resources: x.
        insured: c̃.
    """

    resources: Tensor
    insured: Tensor


class Households:
    """Households of an economy.

    Args:
        economy: where they live.

    Attributes:
        economy: the same, as tensors.
    """

    def __init__(self, economy: Economy) -> None:
        self.economy = EconomyTensors(economy)
        self.num_kinds, self.num_states = economy.num_kinds, economy.num_states
        owned = np.log(economy.complete_markets_capital)
        self.middle = float(owned[0] + owned[-1]) / 2
        self.width = max(float(owned[-1] - owned[0]) / 2, LEAST_WIDTH)
        self.usual_capital = math.exp(self.middle)
        logs = np.log(economy.tfp)
        self._log_tfp = float(logs[0] + logs[-1]) / 2
        self._tfp_width = max(float(logs[-1] - logs[0]) / 2, LEAST_TFP_WIDTH)
        kinds = torch.arange(economy.num_kinds, dtype=torch.float32)
        self._held = Constants(kinds, torch.from_numpy(economy.shares).float())

    def bounded(self, capital: Tensor) -> Tensor:
        """K within what rules are learned for: no rule is known from beyond."""
        farthest = self.width + BEYOND
        return capital.clamp(math.exp(self.middle - farthest), math.exp(self.middle + farthest))

    def market(self, capital: Tensor, crowd: Tensor, state: Tensor) -> Market:
        """What households find.

        Args:
            capital: K, `(lanes, worlds, 1)`.
            crowd: what else a world shows of its households, `(lanes, worlds, more)`.
            state: of Z, `(lanes, worlds, 1)`.
        """
        kinds, shares = self._held.on(capital.device)
        capital = self.bounded(capital)
        r, w = self.economy.prices(capital, state)
        income = self.economy.net_income(w, state, kinds)
        mean_income = (income * shares[state.squeeze(-1).long()]).sum(-1, keepdim=True)
        productive = (torch.log(self.economy.tfp(state)) - self._log_tfp) / self._tfp_width
        owned = (torch.log(capital) - self.middle) / self.width
        seen = torch.cat([GAIN * productive, GAIN * owned, crowd.to(owned.dtype)], -1)
        return Market(r, w, capital, income, mean_income, seen)

    def inputs(self, assets: Tensor, market: Market) -> Tensor:
        """What a network sees, `(lanes, worlds × number, inputs)`.

        Args:
            assets: a, `(lanes, worlds, number)`.
        """
        owned = 5.0 / self.usual_capital * assets
        near = GAIN * 0.7 * torch.log(owned + SMALL)
        far = GAIN * (torch.log(owned + LARGE) - 1.5)
        shared = market.seen.unsqueeze(2).expand(-1, -1, assets.shape[2], -1)
        together = torch.cat([near.unsqueeze(3), far.unsqueeze(3), shared], 3)
        return together.flatten(1, 2)

    def flags(self, kind: Tensor) -> Tensor:
        """1 for the kind that each household is of, else 0, `(lanes, worlds, number, kinds)`.

        A product with them picks what belongs to its kind; the gradient needs no scattered sum.

        Args:
            kind: `(lanes, worlds, number)`.
        """
        kinds, shares = self._held.on(kind.device)
        return (kind.unsqueeze(3) == kinds).to(shares.dtype)

    def found_by(self, flags: Tensor, assets: Tensor, market: Market) -> Found:
        """What households with these flags find, `(lanes, worlds, number)`."""
        income = of_kind(market.income.unsqueeze(2), flags)
        return self._found(assets, income, market.r, market.capital, market.mean_income)

    def found_by_every(self, assets: Tensor, market: Market) -> Found:
        """What a household of each kind finds, `(lanes, worlds, number, kinds)`."""
        shared = (market.r, market.capital, market.mean_income)
        spread = (number.unsqueeze(3) for number in shared)
        return self._found(assets.unsqueeze(3), market.income.unsqueeze(2), *spread)

    def _found(
        self, assets: Tensor, income: Tensor, r: Tensor, capital: Tensor, mean_income: Tensor
    ) -> Found:
        beta = self.economy.economy.beta
        resources = (1.0 + r) * assets + income
        rich = (assets / (RICH * capital)).square()
        spent = (1.0 - beta) * (1.0 + IMPATIENCE * rich / (1.0 + rich))
        return Found(resources, spent * resources + beta * mean_income)


def of_kind(every: Tensor, flags: Tensor) -> Tensor:
    """What belongs to the kind that a household is of, `(lanes, worlds, number)`.

    Args:
        every: for every kind, `(lanes, worlds, number or 1, kinds)`.
        flags: of the households.
    """
    return (every * flags).sum(3)
