"""Grids of wealth."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest

from nthrun.environments.bewley.grids import Grids, asset_grid
from nthrun.errors import SpecError


def test_steps_grow_with_wealth() -> None:
    """A grid goes from 0 to its top, each step in one proportion to wealth plus the scale."""
    grid = asset_grid(50, 200.0, 0.5)
    assert grid[0] == 0
    assert grid[-1] == pytest.approx(200.0, rel=1e-14)
    np.testing.assert_allclose((grid[1:] + 0.5) / (grid[:-1] + 0.5), 401 ** (1 / 49), rtol=1e-12)


def test_grids_have_their_sizes() -> None:
    """Choices and masses have their numbers of points and one top."""
    grids = Grids(num_choices=20, num_masses=30, top=7.0)
    assert (len(grids.choices()), len(grids.masses())) == (20, 30)
    assert grids.choices()[-1] == pytest.approx(7.0) == grids.masses()[-1]


@pytest.mark.parametrize(
    ("name", "value"), [("num_choices", 9), ("num_masses", 9), ("top", 0.0), ("scale", nan)]
)
def test_grids_without_room_are_refused(name: str, value: float) -> None:
    """Too few points, and a top or scale that is not positive, are refused by name."""
    with pytest.raises(SpecError, match=name):
        Grids(**{name: value})  # type: ignore[arg-type]
