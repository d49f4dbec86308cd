"""The short corridor against the values of Sutton and Barto's example."""

from __future__ import annotations

import math

import pytest
import torch
from environments.worlds import world

NAME = "ContinuousShortCorridor"


def moved(cell: float, action: float, drawn: float = 0.0) -> tuple[float, float, float]:
    """Next cell, reward and end of one step."""
    outcome = world(NAME, deviation=0.1).step(
        torch.full((1, 1, 1), cell),
        torch.full((1, 1, 1), action),
        torch.full((1, 1, 1), drawn),
    )
    return float(outcome.state), float(outcome.reward), float(outcome.terminated)


def test_directions_are_switched_in_the_middle() -> None:
    """Actions 1 and -1 go right and left, but the other way round in cell 1; left of cell 0 is a
    wall, right of cell 2 the end."""
    assert [moved(cell, 1.0) for cell in (0.0, 1.0, 2.0)] == [
        (1.0, -1.0, 0.0),
        (0.0, -1.0, 0.0),
        (3.0, -1.0, 1.0),
    ]
    assert [moved(cell, -1.0)[0] for cell in (0.0, 1.0, 2.0)] == [0.0, 2.0, 1.0]


@pytest.mark.parametrize("action", [0.9, 1.05, 1.2, -0.87])
def test_an_action_off_its_place_moves_less_often(action: float) -> None:
    """It moves exactly where the number drawn is below exp(-((|a| - 1) / deviation)² / 2)."""
    odds = math.exp(-0.5 * ((abs(action) - 1.0) / 0.1) ** 2)
    end = 1.0 if action < 0 else 3.0
    assert moved(2.0, action, odds - 1e-3)[0] == end
    assert moved(2.0, action, odds + 1e-3)[0] == 2.0


def test_random_directions_take_as_long_as_in_the_book() -> None:
    """Going right with probability p, the expected return is 2 (p - 2) / (p (1 - p)): the best,
    -11.66, is at p = 2 - √2."""
    lanes, right = 20_000, 2.0 - math.sqrt(2.0)
    environment, draw = world(NAME), torch.Generator().manual_seed(0)
    state, alive = torch.zeros(lanes, 1, 1), torch.ones(lanes, 1, 1)
    total = torch.zeros(lanes, 1, 1)
    for _ in range(300):
        action = torch.where(torch.rand(lanes, 1, 1, generator=draw) < right, 1.0, -1.0)
        outcome = environment.step(state, action, torch.rand(lanes, 1, 1, generator=draw))
        total += alive * outcome.reward
        state, alive = outcome.state, alive * (1.0 - outcome.terminated)
    assert float(alive.sum()) == 0.0
    expected = 2.0 * (right - 2.0) / (right * (1.0 - right))
    assert float(total.mean()) == pytest.approx(expected, rel=0.02)
