"""What a rule sees."""

from __future__ import annotations

import math

import numpy as np
import torch
from agents.euler.economies import solver_of, uniform


def test_a_household_sees_itself_and_the_interest_rate() -> None:
    """Its features are the two logarithms of its wealth and r in usual deviations, whatever others
    own."""
    solver, _ = solver_of("euler_quadrature")
    wealth, r = 20 * uniform(2, 7), 0.05 * uniform(2, 7, seed=3)
    seen = solver.features.of(wealth, r, None)
    unit = solver.scale.wealth / 5
    for place in np.ndindex(2, 7):
        owned = float(wealth[place]) / unit
        logarithms = [2 * (math.log(owned + 1) - 1.5), 1.4 * math.log(owned + 0.05)]
        expected = [*logarithms, 2 * (float(r[place]) - solver.scale.r) / solver.scale.spread]
        np.testing.assert_allclose(seen[place].numpy(), expected, rtol=1e-4, atol=1e-4)


def test_a_household_sees_its_own_world_alone() -> None:
    """Where the cross-section is seen, a household's features change with the wealth or the ability
    of any household of its world, and not with those of another world."""
    environment = {"observation": "cross_section", "households": 4}
    solver, _ = solver_of("euler_all_in_one", environment, lanes=1)
    wealth, ability = 5 * uniform(1, 2, 4), 0.5 + uniform(1, 2, 4, seed=5)

    def seen(wealth: torch.Tensor, ability: torch.Tensor) -> torch.Tensor:
        crowd = solver.features.crowd(wealth, ability)
        found: torch.Tensor = solver.features.of(wealth.flatten(1), torch.zeros(1, 8), crowd)
        return found

    before = seen(wealth, ability)
    assert before.shape == (1, 8, 2 + 8)
    for changed in range(2):
        numbers = [wealth.clone(), ability.clone()]
        numbers[changed][0, 1, 2] += 1.0
        moved = (seen(*numbers) != before).any(2)[0]
        assert moved.tolist() == [False] * 4 + [True] * 4
