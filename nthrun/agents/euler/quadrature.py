"""Euler equations with exact expectations, for rules of consumption.

The network gives the rule c of every state of ability as a multiple of what a household would
consume that could borrow and were insured. With the probabilities P of the next state s', prices
that last, and the l and a' that go with c within a period, a step descends

    mean[(log c - log min(c*, c̄))²],   c*^(-θ) = β Σ_s' P(s'|s) c'^(-θ) (D_a'(a') + r D_y'(y')),

c̄ being all that can be consumed with a' >= 0, and c* and c̄ being held fixed: an iteration on the
Euler equation (Coleman, 1990, Solving the stochastic growth model by policy-function iteration,
JBES 8(1)) by gradient steps, on a simulated panel (Maliar, Maliar and Winant, 2021).
"""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.agents.base import State
from nthrun.agents.euler.declaration import QUADRATURE
from nthrun.agents.euler.household_torch import Circumstances
from nthrun.agents.euler.rule import Decisions, Households
from nthrun.agents.euler.solver import EulerSolver
from nthrun.environments.bewley.household_torch import power
from nthrun.environments.tensors import Constants
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec

WIDEST = 2.0
"""The logarithm of the highest multiple, and less of the lowest."""


class EulerQuadrature(EulerSolver):
    """euler_quadrature."""

    def __init__(self, statics: Setting, environment: EnvironmentSpec) -> None:
        super().__init__(statics, environment, QUADRATURE)
        tables = (self.scale.propensity * self.scale.human, self.chain.transition)
        values = torch.from_numpy(self.chain.values).float()
        self._tables = Constants(*(torch.from_numpy(table).float() for table in tables), values)

    def loss(
        self, state: State, parameters: Tensor, looked_at: Households, draws: Tensor
    ) -> tuple[Tensor, Decisions]:
        """See `EulerSolver`; the residual is log c - log min(c*, c̄), a share of consumption."""
        found = self.found(looked_at)
        wanted = self._wanted(state, parameters, looked_at)
        with torch.no_grad():
            most = self.household.spending_everything(found)
            decided = self._decisions(wanted.clamp(max=most), found)
            goal = self._goal(state, parameters, looked_at, decided.savings).clamp(max=most)
        residual = torch.log(wanted) - torch.log(goal)
        return residual.square().mean(1), decided._replace(residual=residual)

    def decide(self, state: State, looked_at: Households, crowd: Tensor | None) -> Decisions:
        """See `EulerSolver`; consumes what it can where the rule would consume more."""
        found = self.found(looked_at)
        wanted = self._wanted(state, state["policy"], looked_at)
        return self._decisions(wanted.clamp(max=self.household.spending_everything(found)), found)

    def _wanted(self, state: State, parameters: Tensor, looked_at: Households) -> Tensor:
        """The rule's c, `(lanes, number)`, which may be more than there is."""
        every = self._consumption(state, parameters, looked_at.wealth, looked_at.r)
        return every.gather(2, looked_at.states.long().unsqueeze(2)).squeeze(2)

    def _decisions(self, consumption: Tensor, found: Circumstances) -> Decisions:
        labour = self.household.labour(consumption, found)
        held = self.household.resources(labour, found)
        savings = (held - self.household.price * consumption).clamp(min=0.0)
        return Decisions(consumption, labour, savings, torch.zeros_like(labour))

    def _goal(
        self, state: State, parameters: Tensor, looked_at: Households, savings: Tensor
    ) -> Tensor:
        """c*, `(lanes, number)`."""
        preferences = self.calibration.preferences
        _, transition, values = self._tables.on(savings.device)
        pay = looked_at.w.unsqueeze(2) * values
        lasting = (savings, looked_at.r, looked_at.rebate)
        wealth, r, rebate = (number.unsqueeze(2) for number in lasting)
        following = Circumstances(wealth, pay, r, rebate)
        consumption = self._consumption(state, parameters, savings, looked_at.r)
        labour = self.household.labour(consumption, following)
        worth = self.household.worth(consumption, labour, following)
        chances = transition[looked_at.states.long()]
        expected = preferences.beta * (chances * worth).sum(2)
        return power(expected, -1 / preferences.theta)

    def _consumption(self, state: State, parameters: Tensor, wealth: Tensor, r: Tensor) -> Tensor:
        """c for every state of ability, `(lanes, number, states)`."""
        human = self._tables.on(wealth.device)[0]
        base = (self.scale.propensity * (1.0 + r) * wealth).unsqueeze(2) + human
        output = self.outputs(state, parameters, wealth, r, None).squeeze(3)
        return base * torch.exp(WIDEST * torch.tanh(output / WIDEST))
