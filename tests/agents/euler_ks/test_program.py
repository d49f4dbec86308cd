"""The Euler equation of an economy with aggregate risk, written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from agents.euler.economies import solver_of, stepped, uniform, unsettled

from nthrun.agents.euler_ks.program import EulerKS
from nthrun.agents.krusell_smith.fields import LIVED
from nthrun.agents.krusell_smith.panel import World


def made(environment: dict[str, Any] | None = None, **parameters: Any) -> tuple[EulerKS, Any]:
    """A small solver whose network says something."""
    solver, state = solver_of("euler_ks", environment, parameters)
    return solver, unsettled(state)


@pytest.mark.parametrize("environment", [{}, {"preset": "jedc"}], ids=str)
@torch.no_grad()
def test_the_residual_is_that_of_the_equation(environment: dict[str, Any]) -> None:
    """A household's residual is log c̃ - log min(c*, x), where c*^(-σ) is β times the mean over the
    next Z and kind of (1 + r') c̃'^(-σ), at the K' that its world saves, c̃' being at most what
    there is; a household off the path counts for nothing in K'."""
    solver, state = made(environment)
    world = World(*(state[name] for name in LIVED))
    market = solver.panel.market(world.assets, world.state, world.masses)
    looked_at = solver._looked_at(world, market, uniform(2, 2 * 2 * 2))
    choice = solver._choice(state["policy"], world, looked_at, market)
    economy, rule = solver.panel.households.economy.economy, solver.saver
    count = solver.panel.num_households
    row = state["policy"][:1].double()
    capital = float(choice.savings[0, 0, :count].double().mean())
    for who in range(looked_at.assets.shape[2]):
        saved = float(choice.savings[0, 0, who])
        state_now, kind = int(world.state[0, 0, 0]), int(looked_at.kind[0, 0, who])
        expected = 0.0
        for after in range(economy.num_states):
            masses = np.zeros((economy.num_kinds, 1))
            next_saved = rule.next_assets(row, np.array([saved]), masses, capital, after)[:, 0]
            r = float(economy.prices(np.array(capital), np.array(after)).r)
            income = economy.net_income(np.array([capital]), np.array([after]))[0]
            consumed = (1 + r) * saved + income - next_saved
            chances = economy.transition[state_now, kind, after]
            expected += float((chances * (1 + r) * consumed**-economy.sigma).sum())
        best = (economy.beta * expected) ** (-1 / economy.sigma)
        most = float(choice.consumption[0, 0, who] + choice.savings[0, 0, who])
        goal = np.log(min(best, most))
        got = float(choice.residual[0, 0, who])
        wanted = got + goal
        assert np.exp(wanted) >= float(choice.consumption[0, 0, who]) * (1 - 1e-4)
        if np.exp(wanted) < most:
            assert np.exp(wanted) == pytest.approx(float(choice.consumption[0, 0, who]), rel=1e-3)


def test_learning_makes_the_equation_hold() -> None:
    """Some hundred updates bring the residual of an economy with little risk far below where it
    began."""
    solver, state = solver_of("euler_ks", {"total_timesteps": 150}, {"lr": [0.002]})
    first = stepped(solver, state, 0)["euler_residual"]
    for step in range(1, 150):
        last = stepped(solver, state, step)["euler_residual"]
    assert (last < 0.4 * first).all()


def test_a_lane_goes_back_alone() -> None:
    """A lane whose parameters become NaN has again what was kept, finite numbers and one reset; the
    other has every bit as if nothing had happened."""
    runs = []
    for spoilt in (False, True):
        solver, state = made()
        for step in range(4):
            if spoilt and step == 2:
                state["policy"][1, 0] = torch.nan
            metrics = stepped(solver, state, step)
        runs.append((state, metrics))
    (whole, _), (mended, metrics) = runs
    assert metrics["resets"].tolist() == [0.0, 1.0]
    for name, tensor in whole.items():
        assert torch.equal(tensor[0], mended[name][0]), name
        assert torch.isfinite(mended[name]).all(), name


def test_a_lane_that_cannot_be_mended_has_no_loss() -> None:
    """A lane that loses its numbers once more than it may shows a loss that is none, by which its
    run is recorded as diverged; its neighbour goes on."""
    solver, state = made(None, max_resets=[1])
    losses = []
    for step in range(3):
        state["policy"][1, 0] = torch.nan
        losses.append(stepped(solver, state, step)["loss"])
    assert all(torch.isfinite(loss[0]) for loss in losses)
    assert [bool(torch.isfinite(loss[1])) for loss in losses] == [True, False, False]


def test_households_off_the_path_make_no_price() -> None:
    """What is shown of K is the panel's mean wealth, whatever is looked at beside it."""
    for number in (0, 6):
        solver, state = made(None, off_path_households=[number], updates_per_step=[1])
        owned = state["assets"].mean((1, 2))
        shown = stepped(solver, state, 0)
        torch.testing.assert_close(shown["capital"], owned, rtol=1e-5, atol=0.0)
        assert ("euler_residual_off_path" in shown) == (number > 0)
