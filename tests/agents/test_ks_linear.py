"""The classical solution as an agent, in the environment and in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from environments.worlds import spec_of, world_of

from nthrun.agents.ks_linear.program import ClassicalSolution
from nthrun.environments.krusell_smith.classical import Grids
from nthrun.environments.krusell_smith.cross_sections import resources
from nthrun.environments.krusell_smith.declaration import economy_of, midpoints_of
from nthrun.environments.krusell_smith.evaluation import evaluation_names
from nthrun.environments.krusell_smith.exact_solution import exact_solution
from nthrun.errors import NoSolutionError
from nthrun.specs.environment_spec import EnvironmentSpec

STATICS = {
    "law": "default",
    "num_points": 150,
    "num_choices": 60,
    "capital_step": 0.3,
    "wealth_top": 0.0,
    "tolerance": 1e-4,
    "max_rounds": 100,
}
GRIDS = Grids(num_points=150, num_choices=60, capital_step=0.3, tolerance=1e-4)
ROWS = 2


def agent_of(**values: Any) -> tuple[EnvironmentSpec, ClassicalSolution, dict[str, torch.Tensor]]:
    """An economy, the agent that knows it, and its state with two lanes."""
    spec = spec_of("KrusellSmith", **{"preset": "jedc", "steps_per_episode": 10} | values)
    agent = ClassicalSolution(STATICS, spec)
    return spec, agent, agent.initial_state([STATICS] * ROWS, 0.99, [])


def exact_shares(
    spec: EnvironmentSpec, curved: bool, assets: np.ndarray, capital: float, state: int
) -> np.ndarray:
    """The share of x that each kind saves at any wealth, by the solution itself."""
    economy = economy_of(spec.values)
    rule = exact_solution(economy, curved, GRIDS).rule(economy)
    order = np.argsort(assets)
    nobody = np.zeros((economy.num_kinds, len(assets)))
    saved = rule.next_assets(assets[order], nobody, capital, state)
    shares = saved / resources(economy, assets[order], capital, state)
    return np.asarray(shares[:, np.argsort(order)])


def test_households_of_a_panel_save_what_the_solution_says() -> None:
    """The share saved by any wealth, at work or without, at any K and Z, is the solution's."""
    spec, agent, state = agent_of(households=60, moments=2)
    draw = np.random.default_rng(3)
    economy = economy_of(spec.values)
    for z, tfp in enumerate(economy.tfp):
        wealth = draw.gamma(2.0, 20.0, 60).astype(np.float32)
        wealth[:5] = 0.0
        at_work = draw.integers(0, 2, 60)
        rest = np.array([wealth.mean(), wealth.std(), tfp])
        seen = np.concatenate([wealth, at_work, rest]).astype(np.float32)
        observation = torch.from_numpy(seen).expand(ROWS, 3, -1)
        share = agent.act_greedily(state, observation)
        known = exact_shares(spec, False, wealth.astype(float), float(wealth.mean()), z)
        for row in share.flatten(0, 1).numpy():
            np.testing.assert_allclose(row, known[at_work, np.arange(60)], atol=1e-3)


def test_bins_of_a_histogram_save_what_the_solution_says() -> None:
    """With a histogram all of a bin and a kind save the solution's share at its mid-point."""
    spec, agent, state = agent_of(preset="ghh", distribution="histogram", highest_bin=3.0, bins=30)
    shares = np.random.default_rng(4).dirichlet(np.ones(30)).astype(np.float32)
    midpoints, economy = midpoints_of(spec.values), economy_of(spec.values)
    seen = np.append(shares, np.float32(economy.tfp[3]))
    share = agent.act_greedily(state, torch.from_numpy(seen).expand(ROWS, 1, -1))
    known = exact_shares(spec, True, midpoints, float(shares @ midpoints), 3)
    np.testing.assert_allclose(share[1, 0].reshape(7, 30).numpy(), known, atol=1e-3)


def test_many_households_follow_the_law() -> None:
    """A panel that plays the solution moves its capital as the law says, but for who is drawn."""
    spec, agent, state = agent_of(households=4000)
    world, draw = world_of(spec), torch.Generator().manual_seed(1)
    now = world.reset(torch.rand(ROWS, 1, spec.interface.num_reset_draws, generator=draw))
    gaps = []
    for _ in range(60):
        observation = world.observe(now)
        action = agent.act_greedily(state, observation)
        luck = torch.rand(ROWS, 1, spec.interface.num_step_draws, generator=draw)
        capital, z = now[..., :4000].mean(-1), now[..., -1].long()
        now = world.step(now, action, luck).state
        b0, b1, b2 = state["law"][0][z].unbind(-1)
        expected = b0 + b1 * capital.log() + b2 * capital.log() ** 2
        gaps.append(now[..., :4000].mean(-1).log() - expected)
    late = torch.stack(gaps[30:]).abs()
    assert float(late.mean()) < 1e-3


def test_measures_are_those_of_the_solution() -> None:
    """They have the names of an evaluation, alike on every lane; the law is that of the state, and
    there is no gap, nor anything missing."""
    _, agent, state = agent_of()
    found = agent.measures(state)
    assert list(found) == list(evaluation_names(2))
    assert all(numbers.shape == (ROWS,) for numbers in found.values())
    law = state["law"][0]
    assert found["law_intercept_1"][1] == pytest.approx(float(law[1, 0]), abs=1e-4)
    assert found["law_slope_0"][0] == pytest.approx(float(law[0, 1]), abs=1e-4)
    assert found["oracle_gap"][0] == pytest.approx(0.0, abs=1e-12)
    assert agent.missing == ("", "")


@pytest.mark.slow
def test_another_form_of_the_law_has_a_gap() -> None:
    """Where labour is chosen, households that expect a log-linear law save otherwise than those who
    expect a quadratic one, and its forecasts are bad."""
    spec = spec_of("KrusellSmith", preset="ghh", steps_per_episode=10)
    statics = STATICS | {"law": "log_linear"}
    agent = ClassicalSolution(statics, spec)
    found = agent.measures(agent.initial_state([statics], 0.895, []))
    assert 1e-4 < found["oracle_gap"][0] < 2e-2
    assert found["law_curvature_2"][0] == 0.0
    assert found["dh_max"][0] > 2e-2


def test_a_top_that_is_too_low_is_told() -> None:
    """Where the top of the grid is too low, the error says how many are at it, and what to do."""
    spec = spec_of("KrusellSmith", preset="jedc", steps_per_episode=10)
    statics = STATICS | {"wealth_top": 60.0}
    with pytest.raises(NoSolutionError, match=r"cuts wealth off: .* at its top 60, .*wealth_top"):
        ClassicalSolution(statics, spec).initial_state([statics], 0.99, [])
