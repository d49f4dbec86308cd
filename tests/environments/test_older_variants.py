"""Environments as the field's earlier tool has them, beside ours of nearly the same names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from environments.worlds import Steps, tensor_steps, uniform, world

COUNT = 500
PENDULUMS = ([-3.2, -8.0], [3.2, 8.0])
CARS = ([-1.2, -0.07], [0.6, 0.07])
POLES = ([-2.0, -2.0, -0.2, -2.0], [2.0, 2.0, 0.2, 2.0])


def stepped(name: str, states: np.ndarray, actions: np.ndarray, **fields: Any) -> Steps:
    """A step from each state."""
    return tensor_steps(world(name, **fields), states, actions, torch.float64)


def pushes(high: float) -> np.ndarray:
    """Actions within bounds."""
    return uniform([-high], [high], COUNT, 5)[:, 0]


def test_the_sparse_pendulum_is_paid_before_its_step() -> None:
    """It moves as SparsePendulum-v1, and is paid for the angle that it leaves."""
    before = uniform(*PENDULUMS, COUNT, 1)
    fields = {"tolerance": 40.0, "sparsity_factor": 2.0, "g": 9.0}
    early = stepped("EarlySparsePendulum-v1", before, pushes(2.0), **fields)
    late = stepped("SparsePendulum-v1", before, pushes(2.0), **fields)
    np.testing.assert_array_equal(early.states, late.states)
    angles = (before[:, 0] + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_array_equal(early.rewards, np.abs(angles) < np.radians(20.0))
    assert 0 < early.rewards.sum() < COUNT
    assert (early.rewards != late.rewards).any()


def test_the_strong_cart_pole_is_pushed_three_times_as_hard() -> None:
    """It moves as ContinuousCartpole-v0 would with three times the action."""
    before, taken = uniform(*POLES, COUNT, 2), pushes(1.0 / 3.0)
    strong = stepped("StrongContinuousCartpole-v0", before, taken)
    usual = stepped("ContinuousCartpole-v0", before, 3.0 * taken)
    np.testing.assert_allclose(strong.states, usual.states, atol=1e-12)
    np.testing.assert_array_equal(strong.terminated, usual.terminated)


@pytest.mark.parametrize(("episodic", "less"), [(False, 0.0), (True, 0.6)])
def test_the_car_is_paid_its_position(episodic: bool, less: float) -> None:
    """It moves and ends as DenseMountainCarContinuous-v1, and is paid where it arrives."""
    before, taken = uniform(*CARS, COUNT, 3), pushes(1.0)
    paid = stepped("PositionMountainCarContinuous-v1", before, taken, episodic=episodic)
    dense = stepped("DenseMountainCarContinuous-v1", before, taken, episodic=episodic)
    np.testing.assert_array_equal(paid.states, dense.states)
    np.testing.assert_array_equal(paid.terminated, dense.terminated)
    np.testing.assert_allclose(paid.rewards, paid.states[:, 0] - less, atol=1e-12)


def test_cells_are_seen_as_they_are() -> None:
    """The cell, or its number, is the observation, and all else is as in XYGridworld."""
    cells = np.array([[x, y] for x in range(3) for y in range(4)], float)
    taken = np.arange(len(cells)) % 4.0
    fields = {"rows": 4, "cols": 3}
    other = stepped("XYGridworld", cells, taken, **fields)
    cell = stepped("CellXYGridworld", cells, taken, **fields)
    number = stepped("NumberGridworld", cells, taken, **fields)
    for steps in (cell, number):
        np.testing.assert_array_equal(steps.states, other.states)
        np.testing.assert_array_equal(steps.rewards, other.rewards)
        np.testing.assert_array_equal(steps.terminated, other.terminated)
    np.testing.assert_array_equal(cell.observations, cell.states)
    x, y = other.states.T
    np.testing.assert_array_equal(number.observations, (3 * y + x)[:, None])
