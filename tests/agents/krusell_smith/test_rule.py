"""A learned rule in the environment and in its evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from agents.euler.economies import solver_of, uniform, unsettled
from agents.solver_runs import solver_spec

from nthrun.environments.krusell_smith.program import KrusellSmith, parts_of

CASES = [
    *(
        (agent, {"preset": preset})
        for agent in ("euler_ks", "bellman_ac")
        for preset in ("ghh", "jedc")
    ),
    ("euler_ks", {"moments": 2}),
    ("bellman_ac", {"moments": 2, "observation": "prices"}),
    ("euler_ks", {"distribution": "histogram", "bins": 15, "households": 100}),
]


@pytest.mark.parametrize(("agent", "environment"), CASES, ids=str)
@torch.no_grad()
def test_what_is_played_is_what_is_measured(agent: str, environment: dict[str, Any]) -> None:
    """The savings that an action leads to in the environment are those that the same rule is
    measured by, at the same K, Z and distribution."""
    solver, state = solver_of(agent, environment, lanes=1)
    state = unsettled(state)
    spec = solver_spec(agent, {}, environment).environment
    world = KrusellSmith(spec)
    begun = world.reset(uniform(1, 3, spec.interface.num_reset_draws))
    action = solver.act_greedily(state, world.observe(begun))
    low, high = spec.interface.action_low[0], spec.interface.action_high[0]
    assert ((action >= low) & (action <= high)).all()
    kept, states = parts_of(begun)
    cells = world.distribution.cells(kept)
    period = world.period(cells, states, action)
    rule = solver.actor if agent == "bellman_ac" else solver.saver
    kinds = rule.households.num_kinds
    for episode in range(3):
        assets, mass = cells.wealth[0, episode].numpy(), cells.mass[0, episode].numpy()
        capital, number = float(period.capital[0, episode]), int(states[0, episode])
        masses = np.tile(mass / kinds, (kinds, 1)).astype(float)
        measured = rule.next_assets(state["policy"], assets.astype(float), masses, capital, number)
        kind = cells.kind[0, episode].long().numpy()
        mine = measured[kind, np.arange(len(kind))]
        played = world.distribution.savings(torch.from_numpy(mine).float())
        np.testing.assert_allclose(period.savings[0, episode], played, rtol=2e-3, atol=1e-5)
