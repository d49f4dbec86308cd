"""Linear functions of tile-coded observations, with eligibility traces.

Tile coding (Sutton and Barto, 2018, section 9.5.4) makes binary features of a bounded observation.
Every tiling is a grid of equal tiles, `num_bins` of which span a dimension's range. Tiling t is
displaced against the grid by a share of a tile that differs from dimension to dimension, in steps
of odd numbers, which the book recommends over equal steps. They have no factor in common with the
number of tilings, so that in every dimension no two tilings are displaced alike:

    x_j      = num_bins (o_j - low_j) / (high_j - low_j), clamped to [0, num_bins]
    k_j      = the j-th odd number coprime to num_tilings
    c_tj     = floor(x_j + (t k_j mod num_tilings) / num_tilings)
    tile_t   = Σ_j c_tj (num_bins + 1)^j

A tiling has num_bins + 1 tiles a dimension, so that the displaced grids cover the range too. An
observation beyond its bounds has the tiles of the nearest one within them. What is tiled together
is a group of dimensions: all of them, every pair, or each alone.

A linear function is a row of weights, its value the sum of the active features' weights. Rows of
one agent lie side by side, `(lanes, rows, width)`, and so do their traces; they are as wide as
`padded` says, and no feature has the last weights. An agent's state has `weights` and `traces` of
that shape, and `(lanes, 1)` each:

    decay    γλ
    fading   what the next step multiplies the traces by: γλ, or 0 where an episode begins
"""

from __future__ import annotations

import math
from itertools import count, islice

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import State
from nthrun.agents.layouts import padded
from nthrun.agents.sizes import TileSizes
from nthrun.environments.tensors import Constants
from nthrun.specs.interface import Interface


class TileCoder:
    """The active features of observations.

    Args:
        sizes: of the coding.
        environment: whose bounds are tiled; finite ones.
    """

    def __init__(self, sizes: TileSizes, environment: Interface) -> None:
        self.sizes = sizes
        self._constants = Constants(*_constants(sizes, environment))

    def __call__(self, observation: Tensor) -> Tensor:
        """Numbers of the active features, all different, `(lanes, batch, num_active)`.

        Args:
            observation: `(lanes, batch, num_dims)`; what is not a number lies on its lower bound.
        """
        low, scale, dims, offset, stride, first, bias = self._constants.on(observation.device)
        sizes = self.sizes
        position = (observation - low) * scale
        position = torch.where(position > 0.0, position, 0.0).clamp(max=float(sizes.num_bins))
        if sizes.tiling != "joint":
            position = position[..., dims]
        corner = (position.unflatten(-1, (-1, len(stride), 1)) + offset).floor()
        tiles: Tensor = ((corner * stride).sum(-2) + first).flatten(-2).long()
        if sizes.bias:
            tiles = torch.cat((tiles, bias.expand(*tiles.shape[:-1], 1)), -1)
        return tiles


def displacements(num_tilings: int, num_dims: int) -> list[int]:
    """k_j: the first odd numbers coprime to `num_tilings`, one a dimension."""
    odd = (number for number in count(1, 2) if math.gcd(number, num_tilings) == 1)
    return list(islice(odd, num_dims))


def _constants(sizes: TileSizes, environment: Interface) -> tuple[Tensor, ...]:
    """Lower bounds, tiles per unit, the groups' dimensions, offsets `(dims, num_tilings)`, strides
    `(dims, 1)`, each tiling's first feature `(groups, num_tilings)`, and the bias."""
    low = np.array(environment.observation_low, np.float64)
    width = np.array(environment.observation_high, np.float64) - low
    scale = sizes.num_bins / np.where(width > 0, width, 1.0)
    groups = np.array(sizes.groups())
    order, tiling = np.ogrid[: groups.shape[1], : sizes.num_tilings]
    steps = np.array(displacements(sizes.num_tilings, groups.shape[1]))
    offset = tiling * steps[:, None] % sizes.num_tilings / sizes.num_tilings
    stride = (sizes.num_bins + 1) ** order
    first = np.arange(len(groups) * sizes.num_tilings) * sizes.num_tiles
    numbers = (low, scale, offset, stride, first.reshape(len(groups), sizes.num_tilings))
    tensors = [torch.from_numpy(array.astype(np.float32)) for array in numbers]
    bias = torch.tensor([sizes.num_features - 1])
    return *tensors[:2], torch.from_numpy(groups.reshape(-1)), *tensors[2:], bias


def values(weights: Tensor, tiles: Tensor) -> Tensor:
    """Values of every row.

    Args:
        weights: `(lanes, rows, width)`.
        tiles: the active features, `(lanes, batch, num_active)`.

    Returns:
        `(lanes, batch, rows)`.
    """
    lanes, batch, num_active = tiles.shape
    _, rows, width = weights.shape
    index = tiles.unsqueeze(2).expand(lanes, batch, rows, num_active)
    return weights.unsqueeze(1).expand(lanes, batch, rows, width).gather(3, index).sum(3)


def linear_state(lanes: int, rows: int, num_features: int, decay: Tensor) -> State:
    """Weights and traces of zero, before the first episode."""
    shape = (lanes, rows, padded(num_features))
    return {
        "weights": torch.zeros(shape),
        "traces": torch.zeros(shape),
        "decay": decay,
        "fading": decay.clone(),
    }


def fade(state: State, ended: Tensor) -> Tensor:
    """The factor of the traces now, `(lanes, 1, 1)`; an episode that ended is forgotten next.

    Args:
        ended: `(lanes, 1, 1)`.
    """
    fading = state["fading"].unsqueeze(2)
    state["fading"] = state["decay"].masked_fill(ended.squeeze(1), 0.0)
    return fading


def learn(
    weights: Tensor, traces: Tensor, fading: Tensor, index: Tensor, increase: Tensor, rate: Tensor
) -> None:
    """e ← fading e + increase of the features in `index`; w ← w + rate e.

    All features are gone over once, for both, and those in `index` are added to both after that.

    Args:
        weights, traces: `(lanes, rows, width)`, changed in place.
        fading: `(lanes, 1, 1)`.
        index: features that differ within a row, `(lanes, rows, num_active)`.
        increase: as `index`.
        rate: `(lanes, rows, 1)`.
    """
    traces.mul_(fading)
    weights.addcmul_(traces, rate)
    traces.scatter_add_(2, index, increase)
    weights.scatter_add_(2, index, rate * increase)
