"""Gridworlds: walks, walls and the two observations."""

from __future__ import annotations

import pytest
import torch
from environments.worlds import NO_DRAWS, spec_of, world
from torch import Tensor

LEFT, RIGHT, DOWN, UP = range(4)
GRID = {"rows": 3, "cols": 4}


def walk(name: str, *actions: int) -> tuple[list[list[float]], list[float], list[float], Tensor]:
    """States, rewards, ends and the last observation of a walk from the start."""
    environment = world(name, **GRID)
    state = environment.reset(torch.empty(1, 1, 0))
    states, rewards, ends = [], [], []
    for action in actions:
        outcome = environment.step(state, torch.full((1, 1, 1), float(action)), NO_DRAWS)
        state = outcome.state
        states.append(state[0, 0].tolist())
        rewards.append(float(outcome.reward))
        ends.append(float(outcome.terminated))
    return states, rewards, ends, environment.observe(state)[0, 0]


@pytest.mark.parametrize("name", ["Gridworld", "IndexGridworld", "XYGridworld"])
def test_a_walk_goes_from_corner_to_corner(name: str) -> None:
    """Actions 0 to 3 go left, right, down and up, walls stop them, every step costs 1, and only
    the corner opposite the start terminates."""
    actions = (LEFT, DOWN, UP, UP, UP, RIGHT, DOWN, RIGHT, LEFT, RIGHT, RIGHT, RIGHT, UP)
    states, rewards, ends, _ = walk(name, *actions)
    assert states == [
        [0, 0],
        [0, 0],
        [0, 1],
        [0, 2],
        [0, 2],
        [1, 2],
        [1, 1],
        [2, 1],
        [1, 1],
        [2, 1],
        [3, 1],
        [3, 1],
        [3, 2],
    ]
    assert rewards == [-1.0] * len(actions)
    assert ends == [0.0] * (len(actions) - 1) + [1.0]


def test_observations_are_the_cell_or_the_place() -> None:
    """IndexGridworld observes 1 at y cols + x; XYGridworld observes shares of width and height."""
    walked = (RIGHT, RIGHT, UP)
    *_, index = walk("IndexGridworld", *walked)
    assert index.tolist() == [float(cell == 6) for cell in range(12)]
    *_, place = walk("XYGridworld", *walked)
    torch.testing.assert_close(place, torch.tensor([2 / 3, 1 / 2]))


def test_every_cell_has_its_own_index() -> None:
    """The one-hot observations of all cells are the rows of the identity matrix."""
    spec = spec_of("IndexGridworld", **GRID)
    cells = [[float(x), float(y)] for y in range(3) for x in range(4)]
    observed = world("IndexGridworld", **GRID).observe(torch.tensor([cells]))[0]
    assert torch.equal(observed, torch.eye(spec.interface.observation_dim))


def test_a_start_state_beside_the_grid_is_its_nearest_cell() -> None:
    """A start state is rounded and brought onto the grid."""
    environment = world("XYGridworld", **GRID, start_state=[1.4, 9.0])
    assert environment.reset(torch.empty(1, 1, 0)).tolist() == [[[1.0, 2.0]]]
