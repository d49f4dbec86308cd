"""The policies that know GHM's equations, played by the environment."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from agents.solver_runs import solver_spec
from packs import train

from nthrun.agents.ghm_oracles.program import Barrier, DynamicProgramme
from nthrun.environments.ghm.declaration import calibration_of, rules_of
from nthrun.environments.ghm.dynamic_programme import solve
from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import ExperimentSpec

ONCE = {"total_timesteps": 1, "eval_interval_timesteps": 10, "eval_episodes": 10_000, "record": []}
YEARS = {"horizon": 3.0, "steps_per_episode": 30}
FIRMS: list[dict[str, Any]] = [
    {},
    {"start_state": [0.05, 20]},
    {"terminal": "liquidation", "liquidation_value": 4.95, "cash_max": 0.3},
    {"calibration": {"fixed_cost": 0.002, "issuance_cost": 1.2}, "cash_max": 0.3},
    {"controls": "impulse", "dividend_max": 2.0, "cash_max": 0.3},
]


def returns_of(agent: str, firm: dict[str, Any], **parameters: Any) -> np.ndarray:
    """What each episode of one evaluation earns, `(episodes,)`; alike for all agents."""
    lists = {name: [value] for name, value in parameters.items()}
    (run,) = train(solver_spec(agent, lists, ONCE | YEARS | firm), [0]).values()
    returns: np.ndarray = run["eval_episode_rewards"][0]
    return returns


def mean_of_optimum(spec: ExperimentSpec) -> float:
    """The value at the start, averaged over many start states."""
    environment, rules = spec.environment, rules_of(spec.environment.values)
    optimum = solve(calibration_of(environment.values), rules)
    if start := environment.items("start_state"):
        return float(optimum.value_at(start[0], rules.num_steps - int(start[1])))
    cash = (np.arange(100_000) + 0.5) / 100_000 * environment.number("cash_max")
    return float(optimum.value_at(cash, 0).mean())


@pytest.mark.parametrize("firm", FIRMS, ids=str)
def test_the_optimum_earns_its_value(firm: dict[str, Any]) -> None:
    """Evaluated in the environment, dp earns the mean value of the optimum on average, to four
    standard errors."""
    returns = returns_of("dp", firm)
    error = returns.std() / math.sqrt(len(returns))
    assert error < 0.02
    assert abs(returns.mean() - mean_of_optimum(solver_spec("dp", {}, YEARS | firm))) < 4 * error


def test_the_table_is_played_as_the_optimum_reads_it() -> None:
    """Whatever cash is left at whatever step, on every lane the rates are those of the optimum."""
    environment = solver_spec("dp").environment
    optimum = solve(calibration_of(environment.values), rules_of(environment.values))
    solver = DynamicProgramme({}, environment)
    state = solver.initial_state([{}] * 2, 1.0, [])
    cash = np.random.default_rng(0).uniform(1e-3, 4, (2, 10, 500)).astype(np.float32)
    cash[..., 0] = 1e5
    for step in range(10):
        left = np.full_like(cash[:, step], 10 - step)
        shown = np.stack([cash[:, step] / np.float32(2), left / np.float32(10)], -1)
        rates = solver.act_greedily(state, torch.from_numpy(shown)).numpy()
        expected = np.stack(optimum.policy_at(cash[:, step], step), -1)
        np.testing.assert_allclose(rates, expected, rtol=1e-4, atol=1e-5)
        assert 0 < (expected[..., 1] > 0).mean() < 1 or step > 7


def test_thresholds_decide() -> None:
    """Below one threshold all is issued that may be, above the other all is paid out that lies
    above and may be, and between them nothing happens, lane by lane."""
    environment = solver_spec("barrier").environment
    settings = [{"issue_below": 0.1, "pay_above": high} for high in (0.4, 0.6)]
    solver = Barrier({}, environment)
    state = solver.initial_state(settings, 1.0, [])
    cash = torch.tensor([0.05, 0.2, 0.5, 1.9]).expand(2, 4)
    rates = solver.act_greedily(state, torch.stack([cash / 2, torch.ones(2, 4)], -1))
    expected = [
        [[0.0, 0.5], [0.0, 0.0], [1.0, 0.0], [10.0, 0.0]],
        [[0.0, 0.5], [0.0, 0.0], [0.0, 0.0], [10.0, 0.0]],
    ]
    torch.testing.assert_close(rates, torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_thresholds_of_amounts_are_paid_down_to_and_filled_up_to() -> None:
    """With amounts a firm above one threshold pays down to it, and one below the other issues what
    raises its cash to it, between the least and the most."""
    changes = {"controls": "impulse", "dividend_max": 2.0, "issuance_max": 0.3}
    solver = Barrier({}, solver_spec("barrier", environment=changes).environment)
    state = solver.initial_state([{"issue_below": 0.4, "pay_above": 0.6}], 1.0, [])
    cash = torch.tensor([[0.05, 0.3, 0.399, 0.5, 0.7, 3.0]])
    amounts = solver.act_greedily(state, torch.stack([cash / 2, torch.ones(1, 6)], -1))
    expected = [0.3, 1.06 * (0.1 + 0.002), 0.015, 0.0, 0.0, 0.0]
    torch.testing.assert_close(amounts[0, :, 1], torch.tensor(expected), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        amounts[0, :, 0], torch.tensor([0.0, 0.0, 0.0, 0.0, 0.1, 2.0]), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("high", [0.1, 0.24, 0.5])
def test_filling_up_is_worth_less_than_the_optimum(high: float) -> None:
    """On the same shocks thresholds of amounts earn no more than the optimum."""
    firm = {"controls": "impulse", "dividend_max": 2.0, "cash_max": 0.3}
    best = returns_of("dp", firm)
    other = returns_of("barrier", firm, issue_below=0.09, pay_above=high)
    gain = best - other
    assert gain.mean() > 2 * gain.std() / math.sqrt(len(gain))


def test_issuing_pays_and_the_optimum_pays_most() -> None:
    """On the same shocks two thresholds earn more than the same without issuing, and no more than
    the optimum, each by over four standard errors."""
    firm = {"cash_max": 0.3}
    best, two, one = (
        returns_of("dp", firm),
        returns_of("barrier", firm, issue_below=0.09, pay_above=0.22),
        returns_of("barrier", firm, issue_below=0.0, pay_above=0.22),
    )
    for better, worse in ((two, one), (best, two)):
        gain = better - worse
        assert gain.mean() > 4 * gain.std() / math.sqrt(len(gain))


@pytest.mark.parametrize(
    ("firm", "told"),
    [({"calibration": {"sigma_x": 0.0}}, "calibration.sigma_x above 0"), ({"dt": 1e-5}, "this dt")],
)
def test_firms_that_cannot_be_solved_are_refused_when_read(firm: dict[str, Any], told: str) -> None:
    """dp refuses them in one line that names what to change; other agents take them."""
    firm = firm | {"steps_per_episode": 10**6}
    with pytest.raises(SpecError) as refused:
        solver_spec("dp", {}, firm)
    (line,) = refused.value.lines()
    assert told in line
    for agent in ("barrier", "mc_pg"):
        solver_spec(agent, {}, firm)


def test_thresholds_are_in_order() -> None:
    """A firm that issues where it pays is refused."""
    with pytest.raises(SpecError, match=r"issue_below 0.3 with pay_above 0.2"):
        solver_spec("barrier", {"issue_below": [0.3], "pay_above": [0.2]})
