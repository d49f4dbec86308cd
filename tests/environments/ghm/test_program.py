"""The simulated firm, against a step written out in plain numbers and against the optimum."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from environments.worlds import spec_of, uniform, world_of

from nthrun.environments.ghm.declaration import calibration_of, rules_of
from nthrun.environments.ghm.dynamic_programme import solve
from nthrun.errors import SpecError
from nthrun.specs.environment_spec import EnvironmentSpec

ENDS = (
    {"terminal": "zero"},
    {"terminal": "cash"},
    {"terminal": "liquidation", "liquidation_value": 4.95},
)
AMOUNTS = {"controls": "impulse", "dividend_max": 2.0}
each_control = pytest.mark.parametrize("control", [{}, AMOUNTS], ids=["rate", "impulse"])
each_end = pytest.mark.parametrize("end", ENDS, ids=lambda end: str(end["terminal"]))


def firm(**values: object) -> EnvironmentSpec:
    """A firm of 100 steps, with these values."""
    return spec_of("GHM", **{"dt": 0.1} | values)


def plain_step(spec: EnvironmentSpec, row: np.ndarray) -> tuple[float, float, float]:
    """Cash, reward and whether the episode ends, of one step in float64.

    Args:
        row: cash, steps left, a_L, a_E and two uniform numbers.
    """
    cash, left, paid, raised, first, second = row.tolist()
    values = {key.removeprefix("calibration."): spec.values[key] for key in spec.values}
    (alpha, mu, r, lam, s_a, s_x, rho, p, phi, horizon, dt, share, top, liquidation) = (
        float(values[name])  # type: ignore[arg-type]
        for name in (
            *("alpha", "mu", "r", "lambda", "sigma_a", "sigma_x", "rho", "issuance_cost"),
            *("fixed_cost", "horizon", "dt", "issuance_min_share", "issuance_max"),
            "liquidation_value",
        )
    )
    if raised < share * top or raised == 0:
        raised = 0.0
    at_once = values["controls"] == "impulse"
    unit = 1.0 if at_once else dt
    paid = min(paid, cash / unit)
    moved = (raised / p - phi if raised else 0.0) - paid
    base = cash + moved if at_once else cash
    sigma = math.sqrt(s_a**2 * base**2 - 2 * rho * s_a * s_x * base + s_x**2)
    shock = math.sqrt(-2 * math.log(1 - first)) * math.cos(2 * math.pi * second)
    after = cash + moved * unit + (alpha + (r - lam - mu) * base) * dt
    after += sigma * math.sqrt(dt) * shock
    ends = {"zero": 0.0, "cash": after, "liquidation": liquidation}
    end = liquidation if after <= 0 else ends[str(values["terminal"])] if left == 1 else 0.0
    time = horizon - left * dt
    reward = math.exp(-(r - mu) * time) * (paid - raised) * unit
    return (
        max(after, 0.0),
        reward + math.exp(-(r - mu) * (time + dt)) * end,
        after <= 0 or left == 1,
    )


@each_control
@each_end
def test_a_step_is_that_of_the_equations(
    end: dict[str, object], control: dict[str, object]
) -> None:
    """Cash, reward and end of 2,000 random steps are those of the law of motion in float64, with
    every kind of action and end among them."""
    spec = firm(**end, **control)
    paid, raised = (0.5, 0.1) if control else (10, 0.5)
    low, high = [0, 0.5, -paid / 10, -raised / 5, 0, 0], [0.6, 4.5, paid, raised, 1, 1]
    rows = uniform(low, high, 2000, seed=1)
    rows[:, 1] = np.round(rows[:, 1])
    rows[:, 1] = np.maximum(rows[:, 1], 1)
    rows[:, 2:4] = np.maximum(rows[:, 2:4], 0)
    expected = np.array([plain_step(spec, row) for row in rows])
    given = torch.from_numpy(rows).unsqueeze(0)
    outcome = world_of(spec).step(*given.split(2, -1))
    found = torch.cat([outcome.state[..., :1], outcome.reward, outcome.terminated], -1)[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)
    assert (outcome.state[0, :, 1].numpy() == rows[:, 1] - 1).all()
    broke, over, issued = expected[:, 0] == 0, rows[:, 1] == 1, rows[:, 3] >= 0.025
    for case in (broke & ~over, broke & over, over & ~broke, issued, rows[:, 3] == 0):
        assert case.sum() > 20


@each_control
@each_end
def test_the_best_policy_is_worth_what_the_dynamic_programme_says(
    end: dict[str, object], control: dict[str, object]
) -> None:
    """Played in the simulation, the optimal policy earns the optimum, to four standard errors."""
    spec = firm(**end, **control)
    optimum = solve(calibration_of(spec.values), rules_of(spec.values))
    world, draw, count = world_of(spec), torch.Generator().manual_seed(0), 20_000
    state = world.reset(torch.rand(1, count, 1, generator=draw))
    worth, alive = torch.zeros(count, dtype=torch.float64), torch.ones(count, dtype=torch.bool)
    for step in range(rules_of(spec.values).num_steps):
        rates = optimum.policy_at(state[0, :, 0].double().numpy(), step)
        action = torch.from_numpy(np.stack(rates, -1)).float().unsqueeze(0)
        outcome = world.step(state, action, torch.rand(1, count, 2, generator=draw))
        worth += outcome.reward[0, :, 0].double() * alive
        alive &= outcome.terminated[0, :, 0] < 0.5
        state = outcome.state
    assert not alive.any()
    error = float(worth.std()) / math.sqrt(count)
    assert abs(float(worth.mean()) - optimum.mean_value(0, 2)) < 4 * error


def test_a_firm_without_shocks_is_worth_its_cash_flow() -> None:
    """Without volatility, who pays out what comes in gets α in every year, and the cash."""
    calm = {"calibration.sigma_a": 0.0, "calibration.sigma_x": 0.0, "calibration.lambda": 0.02}
    world = world_of(firm(start_state=[1.0, 100.0], **calm))
    state, worth = world.reset(torch.zeros(1, 1, 1)), 0.0
    for _ in range(100):
        outcome = world.step(state, torch.tensor([[[0.18, 0.0]]]), torch.zeros(1, 1, 2))
        worth, state = worth + float(outcome.reward), outcome.state
    annuity = 0.18 * 0.1 * sum(math.exp(-0.02 * 0.1 * step) for step in range(100))
    assert worth == pytest.approx(annuity + math.exp(-0.2), abs=1e-5)
    assert float(outcome.terminated) == 1.0


def test_amounts_move_at_once() -> None:
    """Without drift and shocks an issue of .4 raises .4 / p - φ, whatever the step lasts, and a
    dividend takes no more than the cash there was before it."""
    still = {"calibration.sigma_a": 0.0, "calibration.sigma_x": 0.0, "calibration.alpha": 1e-9}
    rich = {"calibration.fixed_cost": 0.1, "start_state": [0.3, 2.0]}
    for dt in (0.1, 1.0):
        world = world_of(firm(dt=dt, **AMOUNTS, **still, **rich))
        outcome = world.step(
            world.reset(torch.zeros(1, 1, 1)), torch.tensor([[[0.5, 0.4]]]), torch.zeros(1, 1, 2)
        )
        assert float(outcome.state[..., 0]) == pytest.approx(0.4 / 1.06 - 0.1, abs=1e-6)
        present = math.exp(-0.02 * (10 - 2 * dt))
        assert float(outcome.reward) == pytest.approx(present * (0.3 - 0.4), abs=1e-6)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"calibration.r": 0.01}, "calibration.r: got 0.01, allowed: above mu, which is 0.01"),
        ({"calibration.lambda": -1.0}, "calibration.lambda: got -1.0, allowed: a number >= 0"),
        ({"dt": 0.3}, "dt: got 0.3, allowed: the horizon, 10, over a whole number"),
        ({"dt": 5e-6}, "dt: got 5e-06, allowed: at most 1000000 steps up to the horizon"),
        ({"steps_per_episode": 99}, "steps_per_episode: got 99, allowed: 0, or at least horizon"),
        ({"gamma": 0.99}, "gamma: got 0.99, allowed: 1, as rewards are present values"),
        ({"start_state": [-1.0, 5.0]}, "start_state: got [-1.0, 5.0], allowed: [cash >= 0, steps"),
        ({"start_state": [1.0, 101.0]}, "start_state: got [1.0, 101.0], allowed: [cash >= 0, st"),
        ({"terminal": "none"}, "terminal: got"),
    ],
)
def test_infeasible_firms_are_refused(values: dict[str, object], told: str) -> None:
    """Each fault is one line that names file and key, the value and what is allowed."""
    with pytest.raises(SpecError) as refused:
        firm(**values)
    assert any(line.startswith(f"test: {told}") for line in refused.value.lines())
