"""The all-in-one operator: its three conditions, its expectation, its gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from agents.euler.economies import TAXES, in_double, solver_of, uniform, unsettled

from nthrun.agents.euler.all_in_one import WEIGHTS, complementarity
from nthrun.agents.euler.rule import Households

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
