"""Paths of actions and the best point between two of their nodes."""

from __future__ import annotations

import numpy as np
import pytest

from nthrun.environments.ghm.actions import action_paths, best_between
from nthrun.environments.ghm.calibration import Calibration
from nthrun.environments.ghm.rules import Rules

CASH = np.linspace(0, 2, 41)
RULES = (Rules(), Rules(dt=0.1), Rules(issuance_max=0.0), Rules(issuance_min_share=0.0))


@pytest.mark.parametrize("rules", RULES)
def test_every_node_is_feasible_and_both_ends_are_nodes(rules: Rules) -> None:
    """Dividends leave no debt and stay below their highest rate; who asks shareholders raises
    between the least and the most; nothing, all dividends and the highest issue are nodes."""
    paths = action_paths(Calibration(), rules, CASH, np.full_like(CASH, 0.02))
    cap = np.minimum(CASH / rules.dt, rules.dividend_max)
    assert (paths.dividend >= 0).all()
    assert (paths.dividend <= cap[:, None]).all()
    assert (paths.dividend.max(axis=1) == cap).all()
    raised = paths.issuance[:, paths.issues]
    assert (raised >= rules.issuance_min - 1e-15).all()
    assert (paths.issuance.max(axis=1) == rules.issuance_max).all()
    assert (paths.issuance[:, ~paths.issues] == 0).all()
    assert ((paths.dividend == 0) & (paths.issuance == 0))[:, ~paths.issues].any(axis=1).all()


def test_the_peak_of_a_cubic_is_found() -> None:
    """Of random cubics that rise at 0 and fall at 1, height and place of the peak are those of a
    fine grid; of those that do not, there is none."""
    draws = np.random.default_rng(0)
    base, first, second, third = draws.normal(size=(4, 2000, 1))
    third[:100] = 0
    ends = np.stack([first, first + 2 * second + 3 * third])
    values = np.concatenate([base, base + first + second + third], axis=1)
    height, share = best_between(values, ends)
    places = np.linspace(0, 1, 10_001)
    heights = base + places * (first + places * (second + places * third))
    inside = ((ends[0] > 0) & (ends[1] < 0))[:, 0]
    assert 300 < inside.sum() < 1000
    np.testing.assert_allclose(height[inside, 0], heights.max(axis=1)[inside], atol=1e-7)
    np.testing.assert_allclose(share[inside, 0], places[heights.argmax(axis=1)][inside], atol=2e-4)
    assert (height[~inside] == -np.inf).all()
