"""The losses of both Euler solvers against plain sums and finite differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from agents.euler.economies import TAXES, in_double, solver_of, uniform, unsettled
from torch import Tensor

from nthrun.agents.euler.program import WEIGHTS, EulerQuadrature, complementarity
from nthrun.agents.euler.rule import Households
from nthrun.environments.bewley.distribution import Grids
from nthrun.environments.bewley.household_numpy import Choices, solve_household
from nthrun.environments.bewley.household_numpy import Household as ExactHousehold
from nthrun.environments.bewley.household_torch import wage_at

R, W = 0.01, 1.3
STEP = 1e-6
each_tax = pytest.mark.parametrize("taxes", TAXES)


def circumstances(solver: EulerQuadrature, number: int, rebate: float) -> Households:
    """Households of all wealth and ability at one pair of prices, in float64, for one lane."""
    wealth = torch.expm1(5 * uniform(1, number).double() - 1).clamp(min=0)
    states = torch.floor(uniform(1, number, seed=5).double() * len(solver.chain.values))
    lasting = (torch.full_like(wealth, value) for value in (R, W, rebate))
    return Households(wealth, states, *lasting)


@each_tax
def test_the_exact_rules_have_no_residual(taxes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the network says the exact decision rules, the Euler equation holds for every household
    to the accuracy of their grid, poor or rich, and nobody consumes more than there is."""
    solver, state = solver_of("euler_quadrature", TAXES[taxes], lanes=1)
    rebate = 0.1 if taxes == "rebated" else 0.0
    household = ExactHousehold(solver.calibration, solver.chain, R, W, rebate)
    choices: Choices = solve_household(household, Grids(num_choices=600, top=400).choices())

    def exactly(_: Any, __: Any, wealth: Tensor, ___: Any) -> Tensor:
        rules = choices.rules(wealth.flatten().numpy())
        return torch.from_numpy(rules.consumption.T.copy()).view(*wealth.shape, -1)

    monkeypatch.setattr(solver, "_consumption", exactly)
    looked_at = circumstances(solver, 400, rebate)
    loss, decided = solver.loss(in_double(state), state["policy"], looked_at, uniform(1, 0))
    assert float(decided.residual.abs().max()) < 1e-3
    assert float(loss) < 1e-8
    assert 0.01 < float((decided.savings == 0).double().mean()) < 0.9


@each_tax
def test_the_goal_is_that_of_a_loop(taxes: str) -> None:
    """c* is what a plain loop over households and next states gives in float64, with what the rule
    consumes next period and the labour that goes with it."""
    solver, state = solver_of("euler_quadrature", TAXES[taxes], lanes=1)
    state, looked_at = in_double(unsettled(state)), circumstances(solver, 12, 0.1)
    savings = 3 * uniform(1, 12, seed=9).double()
    goal = solver._goal(state, state["policy"], looked_at, savings)
    consumed = solver._consumption(state, state["policy"], savings, looked_at.r)[0].numpy()
    household = ExactHousehold(solver.calibration, solver.chain, R, W, 0.1)
    preferences = solver.calibration.preferences
    for number, owned in enumerate(savings[0].numpy()):
        expected = 0.0
        for state_next in range(3):
            chance = solver.chain.transition[int(looked_at.states[0, number]), state_next]
            column = np.full((3, 1), consumed[number, state_next])
            labour = household.labour(column, np.full((1, 1), owned))
            worth = household.value_of_wealth(column, labour, np.full((1, 1), owned))
            expected += chance * worth[state_next, 0]
        wanted = (preferences.beta * expected) ** (-1 / preferences.theta)
        np.testing.assert_allclose(float(goal[0, number]), wanted, rtol=1e-6)


def test_the_gradient_is_that_of_the_distance_to_the_goal() -> None:
    """The gradient is the slope, by finite differences in float64, of the mean squared distance of
    log c to a goal that does not move with the parameters."""
    solver, state = solver_of("euler_quadrature", lanes=1)
    state, looked_at = in_double(unsettled(state)), circumstances(solver, 30, 0.0)
    leaf = state["policy"].clone().requires_grad_()
    value, decided = solver.loss(state, leaf, looked_at, uniform(1, 0))
    (slope,) = torch.autograd.grad(value.sum(), leaf)

    def wanted(parameters: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.log(solver._wanted(state, parameters, looked_at))

    goal = wanted(state["policy"]) - decided.residual.detach()
    tried = torch.argsort(slope.abs()[0], descending=True)[:40:4]
    for place in tried:
        moved = torch.zeros_like(leaf)
        moved[0, place] = STEP
        losses = [
            (wanted(state["policy"] + sign * moved) - goal).square().mean() for sign in (1, -1)
        ]
        estimate = float(losses[0] - losses[1]) / (2 * STEP)
        np.testing.assert_allclose(float(slope[0, place]), estimate, rtol=1e-5)


RISKS: dict[str, dict[str, Any]] = {
    "large": {"calibration.rho": 0.9, "calibration.sigma": 0.4},
    "lasting": {"calibration.rho": 0.99},
    "large and lasting": {"calibration.rho": 0.98, "calibration.sigma": 0.36},
    "feared": {"calibration.rho": 0.98, "calibration.sigma": 0.36, "calibration.theta": 3.0},
}


@pytest.mark.parametrize("risks", RISKS)
def test_a_rule_can_say_what_the_poorest_consume(risks: str) -> None:
    """Whatever the risks, there are outputs of the network, none far from 0, by which a household
    of any ability that owns nothing consumes what it earns, at any r that rules are learned for."""
    solver, state = solver_of("euler_quadrature", RISKS[risks] | {"ability_states": 15}, lanes=1)
    state["policy"][:, -solver.network.sizes()[-1] :] = -10.0
    for r in (*solver.scale.bounds, solver.scale.r):
        states = torch.arange(15.0).unsqueeze(0)
        nothing, lasting = torch.zeros_like(states), torch.full_like(states, r)
        w = wage_at(solver.calibration.technology, lasting)
        looked_at = Households(nothing, states, lasting, w, nothing)
        earned = solver.household.spending_everything(solver.found(looked_at))
        assert (solver._wanted(state, state["policy"], looked_at) < earned).all()


def test_nobody_consumes_more_than_there_is() -> None:
    """Whatever the network says, a household consumes at most all that it can with the labour that
    is best for it, and what it saves is not negative."""
    solver, state = solver_of("euler_quadrature", TAXES["progressive"])
    state = unsettled(state, 3.0)
    looked_at = solver.looked_at(state, uniform(2, 40))
    decided = solver.decide(state, looked_at, None)
    most = solver.household.spending_everything(solver.found(looked_at))
    assert (decided.consumption <= most).all()
    assert (decided.savings >= 0).all()
    assert 0 < float((decided.savings == 0).float().mean()) < 1


def test_households_off_the_path_are_of_all_kinds() -> None:
    """Beside the panel, which comes first as it is, there are households of every state of ability,
    poor ones and ones many times as rich as usual, at prices that go together and stay within
    bounds; the rebate is that of a world."""
    solver, state = solver_of("euler_quadrature", TAXES["rebated"], {"off_path_households": [4000]})
    state["rebate"].copy_(torch.tensor([[0.1, 0.2], [0.3, 0.4]]))
    seen = solver.looked_at(state, uniform(2, 16_000))
    panel = solver.looked_at(state, uniform(2, 0))
    for whole, part in zip(seen, panel, strict=True):
        assert torch.equal(whole[:, :16], part)
    off_path = Households(*(number[:, 16:] for number in seen))
    counts = torch.bincount(off_path.states.flatten().long(), minlength=3)
    assert (counts - 8000 / 3).abs().max() < 5 * (8000 * 2 / 9) ** 0.5
    assert off_path.wealth.min() < 0.1
    assert 40 < off_path.wealth.max() / solver.scale.wealth < 50
    lowest, highest = solver.scale.bounds
    assert (off_path.r >= lowest).all()
    assert (off_path.r <= highest).all()
    share = solver.calibration.technology.alpha
    rental = off_path.r + solver.calibration.technology.delta
    ratio = (share / rental) ** (1 / (1 - share))
    torch.testing.assert_close(off_path.w, (1 - share) * ratio**share)
    assert set(off_path.rebate[1].tolist()) == set(state["rebate"][1].tolist())


PAIRS = 50_000
ONLY = {name: {other: [float(other == name)] for other in WEIGHTS} for name in (*WEIGHTS, "none")}


@pytest.mark.parametrize(
    ("share", "slack", "expected"),
    [
        (0.0, 0.5, 0.0),
        (0.5, 0.0, 0.0),
        (0.0, 0.0, 0.0),
        (0.3, 0.4, 0.2),
        (0.3, -0.4, -0.6),
        (0.0, -0.5, -1.0),
    ],
)
def test_complementarity_is_that_of_fischer_and_burmeister(
    share: float, slack: float, expected: float
) -> None:
    """x + y - √(x² + y²): nothing where one is 0 and the other is not negative, and worth 3 + 4 - 5
    tenths of each other."""
    found = complementarity(torch.tensor(share), torch.tensor(slack))
    np.testing.assert_allclose(float(found), expected, atol=1e-6)


def test_the_loss_is_the_weighted_sum() -> None:
    """Each weight alone brings its own condition, which the others leave alone, and with all of
    them the loss is their sum; with none it is nothing."""
    draws = uniform(1, 32)
    losses = {}
    for name, weights in (ONLY | {"all": {key: [1.0] for key in WEIGHTS}}).items():
        solver, state = solver_of("euler_all_in_one", TAXES["progressive"], weights, lanes=1)
        state = unsettled(state)
        loss, _ = solver.loss(state, state["policy"], solver.looked_at(state, draws[:, :0]), draws)
        losses[name] = float(loss)
    assert losses["none"] == 0.0
    assert min(abs(losses[name]) for name in WEIGHTS) > 1e-4
    assert math.isclose(losses["all"], sum(losses[name] for name in WEIGHTS), rel_tol=1e-5)


@pytest.mark.parametrize("environment", [{}, {"observation": "cross_section", "households": 2}])
def test_the_product_of_two_draws_is_the_squared_expectation(
    environment: dict[str, object],
) -> None:
    """Over many pairs of draws the mean of e_A e_B is the square of the expectation of e over the
    next ability, to five standard errors, and less than the mean of e²."""
    options = ONLY["weight_euler"] | {"num_worlds": [1]}
    solver, state = solver_of("euler_all_in_one", environment | {"households": 2}, options, 1)
    state = {name: tensor.expand(PAIRS, *tensor.shape[1:]) for name, tensor in state.items()}
    state["policy"] = unsettled({"policy": state["policy"][:1]})["policy"].expand(PAIRS, -1)
    looked_at = solver.looked_at(state, uniform(PAIRS, 0))
    with torch.no_grad():
        loss, decided = solver.loss(state, state["policy"], looked_at, uniform(PAIRS, 4))
    errors = decided.residual.double()
    wanted = float(errors.mean(0).square().mean())
    deviation = float(loss.double().std()) + 2 * float(errors.std(0).max())
    assert abs(float(loss.double().mean()) - wanted) < 5 * deviation / math.sqrt(PAIRS)
    assert float(errors.square().mean()) > wanted + 5 * deviation / math.sqrt(PAIRS)


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    """Without the Euler equation, whose prices to come it takes as given, the gradient is the slope
    of the loss by finite differences in float64."""
    environment = {"households": 16} | TAXES["proportional"]
    solver, state = solver_of("euler_all_in_one", environment, {"weight_euler": [0.0]}, lanes=1)
    state = in_double(unsettled(state))
    looked_at = Households(*(n.double() for n in solver.looked_at(state, uniform(1, 0))))
    draws = uniform(1, 64).double()

    def loss(parameters: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = solver.loss(state, parameters, looked_at, draws)[0]
        return value

    leaf = state["policy"].clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(leaf).sum(), leaf)
    for place in torch.argsort(slope.abs()[0], descending=True)[:40:4]:
        moved = torch.zeros_like(leaf)
        moved[0, place] = 1e-6
        estimate = float(loss(state["policy"] + moved) - loss(state["policy"] - moved)) / 2e-6
        np.testing.assert_allclose(float(slope[0, place]), estimate, rtol=1e-5)


@pytest.mark.parametrize("observation", ["own", "cross_section"])
def test_every_output_is_learned(observation: str) -> None:
    """Every output of the network, for every state of ability that the panel has, changes the
    loss."""
    solver, state = solver_of("euler_all_in_one", {"observation": observation}, lanes=1)
    state = unsettled(state)
    leaf = state["policy"].clone().requires_grad_()
    draws = uniform(1, solver.num_simulation_draws)
    loss, _ = solver.loss(state, leaf, solver.looked_at(state, draws[:, :0]), draws)
    (slope,) = torch.autograd.grad(loss.sum(), leaf)
    bias = solver.network.named(slope, "")["bias2"].view(3, 3)
    assert (bias[state["ability"].unique().long()] != 0).all()


def test_choices_are_within_bounds() -> None:
    """Whatever the network says, labour is within its bounds, consumption is positive and savings
    are no negative number."""
    solver, state = solver_of("euler_all_in_one", TAXES["progressive"])
    for size in (1.0, 1000.0):
        moved = unsettled(state, size)
        decided = solver.decide(moved, solver.looked_at(moved, uniform(2, 0)), None)
        assert (decided.consumption > 0).all()
        assert (decided.savings >= 0).all()
        assert ((decided.labour >= 0.01) & (decided.labour <= 0.99)).all()
