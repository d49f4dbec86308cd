"""What economies of many households share, as tensors: prices, utility, and Markov chains."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.environments.markov_chains import Array
from nthrun.environments.tensors import Constants

LEAST_CONSUMPTION = 1e-6
"""Utility is that of at least this much, so that it is finite where a household has nothing."""
NEVER = 2.0
"""A number above every probability, where a row of cumulated ones has no more outcomes."""


class Prices(NamedTuple):
    """What firms pay, such as `(lanes, episodes, 1)`: r for capital, net of depreciation, and w
    for a unit of effective labour."""

    r: Tensor
    w: Tensor


def factor_prices(
    share: float, delta: float, productivity: float | Tensor, capital: Tensor, labour: Tensor
) -> Prices:
    """r = α A (K/L)^(α-1) - δ and w = (1 - α) A (K/L)^α.

    Args:
        share: α.
        delta: δ.
        productivity: A > 0.
        capital, labour: K > 0 and L > 0, per household or not.
    """
    ratio = torch.log(capital / labour)
    rental = share * productivity * torch.exp((share - 1) * ratio)
    return Prices(rental - delta, (1 - share) * productivity * torch.exp(share * ratio))


def utility_of(consumption: Tensor, aversion: float) -> Tensor:
    """(c^(1-σ) - 1) / (1 - σ), and log c where the aversion to risk σ is 1, of a c of at least
    1e-6."""
    curvature = 1 - aversion
    enjoyed = torch.log(consumption.clamp(min=LEAST_CONSUMPTION))
    return torch.expm1(curvature * enjoyed) / curvature if curvature != 0 else enjoyed


class ChainDraws:
    """Outcomes of rows of probabilities, such as the next states of a Markov chain.

    Args:
        rows: `(rows, outcomes)`, each of sum 1.
    """

    def __init__(self, rows: Array) -> None:
        self._halvings = (rows.shape[1] - 1).bit_length()
        edges = np.full((len(rows), 1 << self._halvings), NEVER)
        edges[:, : rows.shape[1] - 1] = rows.cumsum(1)[:, :-1]
        self._edges = Constants(torch.from_numpy(edges.ravel()).float())

    def outcomes(self, rows: Tensor, draws: Tensor) -> Tensor:
        """The number of each outcome: of the cumulated probabilities of its row that are at most
        the draw, found by halving.

        Args:
            rows: numbers of rows, any shape.
            draws: uniform on [0, 1), likewise.
        """
        (edges,) = self._edges.on(rows.device)
        begin = rows.long() * (1 << self._halvings)
        reached = torch.zeros_like(begin)
        for halving in reversed(range(self._halvings)):
            half = 1 << halving
            reached = reached + half * (edges[begin + reached + (half - 1)] <= draws).long()
        return reached.to(rows.dtype)
