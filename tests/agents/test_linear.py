"""Laws of tile coding."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nthrun.agents.linear import TileCoder
from nthrun.agents.sizes import MAX_FEATURES, TileSizes, fits_tiles
from nthrun.specs.interface import Interface

SIZES = [
    TileSizes(dims, num_tilings, num_bins, tiling, bias)
    for dims, num_tilings, num_bins, tiling, bias in (
        (1, 1, 1, "joint", False),
        (2, 8, 4, "joint", True),
        (3, 5, 3, "joint", False),
        (3, 8, 4, "pairs", True),
        (1, 4, 6, "pairs", True),
        (4, 3, 7, "separate", False),
    )
]
BOUNDS = (-1.2, 0.0, 3.0, -0.07), (0.6, 4.0, 5.0, 0.07)


def interface(num_dims: int) -> Interface:
    """Observations of so many components, of different bounds."""
    low, high = BOUNDS
    return Interface(low[:num_dims], high[:num_dims])


def tiles(sizes: TileSizes, observation: list[float]) -> list[int]:
    """The active features of one observation."""
    coder = TileCoder(sizes, interface(sizes.num_dims))
    found: list[int] = coder(torch.tensor(observation).view(1, 1, -1))[0, 0].tolist()
    return found


def within(sizes: TileSizes, shares: list[float]) -> list[float]:
    """The point at these shares of every dimension's range."""
    ends = zip(*BOUNDS, shares, strict=False)
    return [low + share * (high - low) for low, high, share in ends][: sizes.num_dims]


@pytest.mark.parametrize("sizes", SIZES)
@given(shares=st.lists(st.floats(-3, 4) | st.just(math.nan), min_size=4, max_size=4))
@settings(max_examples=30, deadline=None)
def test_one_tile_of_every_tiling_is_active(sizes: TileSizes, shares: list[float]) -> None:
    """Whatever is observed, each tiling has one active tile, among its own, and the bias is on."""
    found = tiles(sizes, within(sizes, shares))
    assert len(found) == sizes.num_active
    owners = [tile // sizes.num_tiles for tile in found]
    assert owners == list(range(sizes.num_active))
    assert found[-1] == sizes.num_features - 1 or not sizes.bias
    assert min(found) >= 0
    assert max(found) < sizes.num_features


@pytest.mark.parametrize("sizes", [sizes for sizes in SIZES if sizes.num_dims < 3])
def test_every_feature_is_active_somewhere(sizes: TileSizes) -> None:
    """Over a grid as fine as the displacements every feature is active somewhere, and no other: no
    weights lie idle."""
    finest = sizes.num_bins * sizes.num_tilings
    shares = product(np.linspace(0, 1, finest + 1), repeat=sizes.num_dims)
    points = torch.tensor([within(sizes, list(point)) for point in shares])
    found = TileCoder(sizes, interface(sizes.num_dims))(points.unsqueeze(0))[0]
    assert found.unique().tolist() == list(range(sizes.num_features))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("beyond", [0.0, 1e-3, 1.0, math.inf])
def test_beyond_a_bound_is_on_it(sizes: TileSizes, beyond: float) -> None:
    """An observation beyond its bounds has the tiles of the bound."""
    for share in (0.0, 1.0):
        on = within(sizes, [share] * 4)
        sign = 2 * share - 1
        assert tiles(sizes, [value + sign * beyond for value in on]) == tiles(sizes, on)


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_a_step_of_one_tilings_share_changes_one_tile(dim: int) -> None:
    """With 8 tilings, moving by an eighth of a tile along a dimension changes exactly one tile, and
    by k eighths k of them: near observations share tiles, and those a tile apart share none."""
    sizes = TileSizes(3, 8, 4, "joint", False)
    start = [0.3, 0.55, 0.41]
    first = tiles(sizes, within(sizes, [*start, 0.0]))
    for k in range(9):
        moved = list(start)
        moved[dim] += k / (8 * 4)
        again = tiles(sizes, within(sizes, [*moved, 0.0]))
        assert sum(a != b for a, b in zip(first, again, strict=True)) == k


def test_displacements_differ_between_dimensions() -> None:
    """Moving two dimensions alike does not meet the tilings' edges together: along the diagonal an
    eighth of a tile changes two tilings, where equal displacements would change one."""
    sizes = TileSizes(2, 8, 4, "joint", False)
    one, other = ([share, share, 0, 0] for share in (0.52, 0.52 + 1 / 32))
    pairs = zip(tiles(sizes, within(sizes, one)), tiles(sizes, within(sizes, other)), strict=True)
    assert sum(a != b for a, b in pairs) == 2


@pytest.mark.parametrize("num_tilings", range(1, 17))
@pytest.mark.parametrize("num_dims", range(1, 7))
def test_every_dimension_is_displaced(num_dims: int, num_tilings: int) -> None:
    """Along every dimension each of n tilings has its edges elsewhere: going over one tile in steps
    of 1/n changes one tiling at each."""
    sizes = TileSizes(num_dims, num_tilings, 2, "joint", False)
    coder = TileCoder(sizes, Interface((0.0,) * num_dims, (2.0,) * num_dims))
    for dim in range(num_dims):
        points = torch.full((1, num_tilings + 1, num_dims), 0.5 / num_tilings)
        points[0, :, dim] += torch.arange(num_tilings + 1) / num_tilings
        changed = (coder(points)[0].diff(dim=0) != 0).sum(1)
        assert changed.tolist() == [1] * num_tilings


def coprime_odd_number(place: int, num_tilings: int) -> int:
    """The odd number at a place, from 0, among those without a factor in common."""
    odd = [k for k in range(1, 1000, 2) if math.gcd(k, num_tilings) == 1]
    return odd[place]


@pytest.mark.parametrize("sizes", SIZES)
def test_tiles_are_those_of_the_equations(sizes: TileSizes) -> None:
    """Tiles of random observations are those that the equations give, dimension by dimension."""
    rng = np.random.default_rng(0)
    low, high = BOUNDS
    for _ in range(50):
        point = within(sizes, list(rng.random(4)))
        expected = []
        for group, tiling in product(sizes.groups(), range(sizes.num_tilings)):
            tile = 0
            for j, dim in enumerate(group):
                x = sizes.num_bins * (point[dim] - low[dim]) / (high[dim] - low[dim])
                step = coprime_odd_number(j, sizes.num_tilings)
                offset = tiling * step % sizes.num_tilings / sizes.num_tilings
                tile += math.floor(x + offset) * (sizes.num_bins + 1) ** j
            expected.append(tile + (len(expected)) * sizes.num_tiles)
        assert tiles(sizes, point)[: len(expected)] == expected


@pytest.mark.parametrize("sizes", SIZES)
def test_an_observations_tiles_are_its_own(sizes: TileSizes) -> None:
    """Lanes and episodes side by side are tiled as each alone."""
    points = torch.rand(3, 5, sizes.num_dims) * 4 - 1
    coder = TileCoder(sizes, interface(sizes.num_dims))
    together = coder(points)
    assert together.shape == (3, 5, sizes.num_active)
    for lane, episode in product(range(3), range(5)):
        alone = coder(points[lane : lane + 1, episode : episode + 1])
        assert torch.equal(alone[0, 0], together[lane, episode])


def test_a_component_without_width_is_tiled() -> None:
    """A component whose bounds are equal takes no part, and is not divided by."""
    coder = TileCoder(TileSizes(2, 2, 3, "joint", False), Interface((0.0, 1.0), (1.0, 1.0)))
    assert coder(torch.tensor([[[0.9, 1.0]]])).tolist() == [[[2, 16 + 3]]]


def misfits(environment: Interface, **values: list[Any]) -> list[tuple[str, str, str]]:
    """What is said of hyperparameters, swept or at these defaults."""
    defaults: dict[str, list[Any]] = {
        "num_tilings": [8],
        "num_bins": [4],
        "tiling": ["joint"],
        "bias": [True],
    }
    return list(fits_tiles(environment, lambda name: tuple((defaults | values)[name])))


def test_unbounded_observations_are_named() -> None:
    """What has no bounds cannot be tiled; at most four components without are
    named, in one line."""
    environment = Interface((-1.0, -math.inf, 0.0), (1.0, 1.0, math.inf))
    [(_, problem, hint)] = misfits(environment)
    assert "components 1, 2 (from 0) of 3" in problem
    assert hint
    assert not misfits(Interface((-1.0,), (1.0,)))
    [(_, problem, _)] = misfits(Interface((0.0,) * 1026, (math.inf,) * 1026))
    assert "components 0, 1, 2, 3 and 1,022 more (from 0) of 1026" in problem


def test_too_many_features_are_counted() -> None:
    """More features than allowed are refused with their number; tiling pairs makes them few."""
    acrobot = Interface((-1.0,) * 6, (1.0,) * 6)
    assert not misfits(acrobot)
    [(name, problem, hint)] = misfits(acrobot, num_bins=[2, 8])
    assert name == "num_bins"
    assert "8 tilings with (8 + 1)^6 tiles are 4,251,529 features" in problem
    assert f"{MAX_FEATURES:,}" in problem
    assert "pairs" in hint
    assert not misfits(acrobot, num_bins=[8], tiling=["pairs", "separate"])
