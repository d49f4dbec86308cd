"""The exact solution as an agent, in the environment and in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from environments.worlds import spec_of, world_of

from nthrun.agents.bewley_oracle.program import EndogenousGrid
from nthrun.environments.bewley.calibration import Calibration, output
from nthrun.environments.bewley.declaration import calibration_of
from nthrun.environments.bewley.distribution import Grids
from nthrun.environments.bewley.equilibrium import solve
from nthrun.errors import NoSolutionError
from nthrun.specs.environment_spec import EnvironmentSpec

STATICS = {"num_masses": 200, "wealth_top": 500.0}
ROWS = 2
UNUSUAL = {
    "calibration.theta": 1.5,
    "calibration.gamma": 1.0,
    "calibration.chi": 0.8,
    "calibration.alpha": 0.36,
    "calibration.delta": 0.08,
}


def agent_of(**values: Any) -> tuple[EnvironmentSpec, EndogenousGrid, dict[str, torch.Tensor]]:
    """An economy, the agent that knows it, and its state with two lanes."""
    spec = spec_of("Bewley", **{"ability_states": 5} | values)
    agent = EndogenousGrid(STATICS, spec)
    return spec, agent, agent.initial_state([STATICS] * ROWS, 0.96, [])


def played(households: int, steps: int, **values: Any) -> np.ndarray:
    """r after each of its steps in the environment, in the last lane."""
    spec, agent, state = agent_of(households=households, **values)
    world, draw = world_of(spec), torch.Generator().manual_seed(1)
    now = world.reset(torch.rand(ROWS, 1, spec.interface.num_reset_draws, generator=draw))
    rates = []
    for _ in range(steps):
        observation = world.observe(now)
        action = agent.act_greedily(state, observation)
        luck = torch.rand(ROWS, 1, spec.interface.num_step_draws, generator=draw)
        now = world.step(now, action, luck).state
        rates.append(float(world.observe(now)[-1, 0, -2]))
    return np.array(rates)


@pytest.mark.parametrize(
    "values",
    [{}, {"calibration.labour_min": 1.0, "calibration.labour_max": 1.0}],
    ids=["elastic", "inelastic"],
)
def test_households_that_act_so_keep_the_interest_rate(values: dict[str, Any]) -> None:
    """Many households that play it in the environment, from the exact mean wealth on, keep r within
    0.15 points of the equilibrium's on average."""
    calibration = calibration_of(spec_of("Bewley", **values).values)
    exact = solve(calibration, 5, Grids(num_masses=200))
    rates = played(3000, 250, initial_wealth=exact.aggregates.capital, **values)
    assert abs(rates[100:].mean() - exact.r) < 1.5e-3


def test_actions_are_the_decision_rules() -> None:
    """The share saved and the labour of any wealth, beyond the grid too, and any state of ability
    are those of the exact solution, and zero without wealth for those who are poorest."""
    spec, agent, state = agent_of(households=200)
    exact = solve(Calibration(), 5, Grids(num_masses=200))
    draw = np.random.default_rng(4)
    wealth = np.expm1(draw.uniform(0, np.log(800), (ROWS, 3, 200))).astype(np.float32)
    wealth[..., :20] = 0.0
    states = draw.integers(0, 5, wealth.shape)
    ability = exact.chain.values[states].astype(np.float32)
    seen = np.concatenate([wealth, ability, np.zeros((ROWS, 3, 2), np.float32)], -1)
    share, labour = agent.act_greedily(state, torch.from_numpy(seen)).split(200, -1)
    owned = wealth.astype(np.float64)
    saved, consumed = exact.savings(owned, states), exact.consumption(owned, states)
    np.testing.assert_allclose(share.numpy(), saved / (saved + consumed), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(labour.numpy(), exact.labour(owned, states).clip(0.01, 0.99), 1e-4)
    assert (share.numpy()[..., :20][states[..., :20] == 0] == 0).all()
    assert spec.interface.action_dim == 400


@pytest.mark.parametrize("values", [{}, UNUSUAL], ids=["usual", "unusual"])
def test_complete_markets_are_the_closed_form(values: dict[str, Any]) -> None:
    """With complete markets r is 1/β - 1, K/L what firms want at it and l what its condition says,
    to 1e-6 of themselves; it is measured so, and played so from the steady state on."""
    spec, agent, state = agent_of(complete_markets=True, **values)
    found = {name: float(numbers[0]) for name, numbers in agent.measures(state).items()}
    c = {name: spec.number(f"calibration.{name}") for name in ("alpha", "delta", "theta", "beta")}
    r = 1 / c["beta"] - 1
    ratio = (c["alpha"] / (r + c["delta"])) ** (1 / (1 - c["alpha"]))
    w, consumed = (1 - c["alpha"]) * ratio ** c["alpha"], ratio ** c["alpha"] - c["delta"] * ratio
    wanted = w / (spec.number("calibration.chi") * consumed ** c["theta"])
    power = 1 / (spec.number("calibration.gamma") + c["theta"])
    labour = min(wanted**power, spec.number("calibration.labour_max"))
    expected = {"r": r, "w": w, "labour": labour, "capital": ratio * labour, "oracle_gap": 0.0}
    for name, number in expected.items():
        np.testing.assert_allclose(found[name], number, rtol=1e-6, err_msg=name)
    start = [ratio * labour] * 3 + [0.0] * 3 + [labour]
    rates = played(3, 60, complete_markets=True, start_state=start, **values)
    np.testing.assert_allclose(rates, r, rtol=1e-3)


def test_measures_are_the_aggregates() -> None:
    """What is measured is the equilibrium's own, alike on every lane, with no gap."""
    _, agent, state = agent_of()
    found = agent.measures(state)
    exact = solve(Calibration(), 5, Grids(num_masses=200))
    sums = exact.aggregates
    assert found["r"].tolist() == [exact.r] * ROWS
    assert found["gini_wealth"].tolist() == [sums.gini_wealth] * ROWS
    assert found["oracle_gap"].tolist() == [0.0] * ROWS
    produced = output(
        calibration_of(spec_of("Bewley").values).technology, sums.capital, sums.labour
    )
    np.testing.assert_allclose(found["output"], produced)


def test_a_grid_that_cuts_wealth_off_is_told() -> None:
    """Where the top of the grid is too low for the wealth that households want, the error says how
    many are at it, and how many may be."""
    spec = spec_of("Bewley", ability_states=5)
    agent = EndogenousGrid({"num_masses": 200, "wealth_top": 15.0}, spec)
    with pytest.raises(NoSolutionError, match=r"cuts wealth off at r = .* at its top 15, allowed"):
        agent.initial_state([STATICS], 0.96, [])


def test_the_tables_are_what_is_learned() -> None:
    """The learned parameters are the grid of wealth and the three tables, in float64."""
    _, agent, state = agent_of()
    tables = agent.learned_params(state)
    assert tables.keys() == {"assets", "consumption", "labour", "savings"}
    assert all(table.dtype == torch.float64 for table in tables.values())
    assert tables["savings"].shape == (ROWS, 5, 200)
