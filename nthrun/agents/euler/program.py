"""Solvers of the Bewley economy that make its Euler equation hold, for a network's rules.

euler_quadrature has exact expectations. The network gives the rule c of every state of ability as a
multiple of what a household would consume that could borrow and were insured, b. Where risks are so
large and lasting that some who own nothing earn less than a twelfth of that, it is a multiple of
b m / √(b² + m²), which is near the smaller of b and all there is to consume, m. With the
probabilities P of the next state s', prices that last, and the l and a' that go with c within a
period, a step descends

    mean[(log c - log min(c*, c̄))²],   c*^(-θ) = β Σ_s' P(s'|s) c'^(-θ) (D_a'(a') + r D_y'(y')),

c̄ being all that can be consumed with a' >= 0, and c* and c̄ being held fixed: an iteration on the
Euler equation (Coleman, 1990, Solving the stochastic growth model by policy-function iteration,
JBES 8(1)) by gradient steps, on a simulated panel (Maliar, Maliar and Winant, 2021).

euler_all_in_one has expectations that are products of two draws, for three learned rules. The
network gives of every state of ability the share ζ of resources m that is saved, a multiplier μ and
labour l. With two independent draws A, B of the next abilities a step descends

    w_fb mean[Ψ(ζ, 1 - μ)²] + w_euler mean[e_A e_B] + w_labour mean[(log l - log l*)²],

    Ψ(x, y) = x + y - √(x² + y²),   e = μ - β c^θ c'^(-θ) (D_a'(a') + r' D_y'(y')),

l* being the best labour for the c chosen: the all-in-one operator of Maliar, Maliar and Winant
(2021), Deep learning for solving dynamic economic models, JME 122. Ψ is that of Fischer (1992) and
is 0 where either argument is and the other is not negative.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from nthrun.agents.base import State
from nthrun.agents.euler.declaration import ALL_IN_ONE, QUADRATURE, WEIGHTS
from nthrun.agents.euler.household_torch import Circumstances
from nthrun.agents.euler.rule import Decisions, Households
from nthrun.agents.euler.solver import EulerSolver
from nthrun.environments.bewley.declaration import MOST_LABOUR, MOST_SAVED
from nthrun.environments.bewley.household_torch import wage_at
from nthrun.environments.economy_tensors import LEAST_CONSUMPTION
from nthrun.environments.tensors import TINY, Constants, power
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec

WIDEST = 2.0
"""The logarithm of the highest multiple, and less of the lowest."""
ENOUGH = 2.5
"""The logarithm of the most that insured households consume, as a multiple of what they earn, where
rules are multiples of that alone. Those that earn less than the lowest multiple are very rare then;
were there more, what no rule can mend would hide from the loss, and so from its plateaus, whether
all others learn."""


class EulerQuadrature(EulerSolver):
    """euler_quadrature."""

    def __init__(self, statics: Setting, environment: EnvironmentSpec) -> None:
        super().__init__(statics, environment, QUADRATURE)
        insured, earned = torch.from_numpy(self.scale.propensity * self.scale.human), self._earned()
        self._is_bounded = bool((torch.log(insured / earned) > ENOUGH).any())
        tables = (insured, *map(torch.from_numpy, (self.chain.transition, self.chain.values)))
        self._tables = Constants(*(table.float() for table in (*tables, earned)))

    def loss(
        self, state: State, parameters: Tensor, looked_at: Households, draws: Tensor
    ) -> tuple[Tensor, Decisions]:
        """See `EulerSolver`; the residual is log c - log min(c*, c̄), a share of consumption."""
        circumstances = self.found(looked_at)
        wanted = self._wanted(state, parameters, looked_at)
        with torch.no_grad():
            most = self.household.spending_everything(circumstances)
            decided = self._decisions(wanted.clamp(max=most), circumstances)
            goal = self._goal(state, parameters, looked_at, decided.savings).clamp(max=most)
        residual = torch.log(wanted) - torch.log(goal)
        return residual.square().mean(1), decided._replace(residual=residual)

    def decide(self, state: State, looked_at: Households, crowd: Tensor | None) -> Decisions:
        """See `EulerSolver`; consumes what it can where the rule would consume more."""
        circumstances = self.found(looked_at)
        wanted = self._wanted(state, state["policy"], looked_at)
        return self._decisions(
            wanted.clamp(max=self.household.spending_everything(circumstances)), circumstances
        )

    def _wanted(self, state: State, parameters: Tensor, looked_at: Households) -> Tensor:
        """The rule's c, `(lanes, number)`, which may be more than there is."""
        every = self._consumption(state, parameters, looked_at.wealth, looked_at.r)
        return every.gather(2, looked_at.states.long().unsqueeze(2)).squeeze(2)

    def _decisions(self, consumption: Tensor, circumstances: Circumstances) -> Decisions:
        labour = self.household.labour(consumption, circumstances)
        held = self.household.resources(labour, circumstances)
        savings = (held - self.household.price * consumption).clamp(min=0.0)
        return Decisions(consumption, labour, savings, torch.zeros_like(labour))

    def _goal(
        self, state: State, parameters: Tensor, looked_at: Households, savings: Tensor
    ) -> Tensor:
        """c*, `(lanes, number)`."""
        preferences = self.calibration.preferences
        _, transition, values, _ = self._tables.on(savings.device)
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
        human, _, _, earned = self._tables.on(wealth.device)
        base = (self.scale.propensity * (1.0 + r) * wealth).unsqueeze(2) + human
        if self._is_bounded:
            most = ((1.0 + r) * wealth / self.household.price).unsqueeze(2) + earned
            base = base * most / (base.square() + most.square()).sqrt()
        output = self.outputs(state, parameters, wealth, r, None).squeeze(3)
        return base * torch.exp(WIDEST * torch.tanh(output / WIDEST))

    def _earned(self) -> Tensor:
        """What a household consumes that owns nothing and saves nothing, by its ability, at the
        interest rate that is expected."""
        values = torch.from_numpy(self.chain.values)
        r, nothing = torch.full_like(values, self.scale.r), torch.zeros_like(values)
        pay = wage_at(self.calibration.technology, r) * values
        return self.household.spending_everything(Circumstances(nothing, pay, r, nothing))


FARTHEST = 20.0
"""Outputs are kept within this, so that their exponentials are finite."""


class Choice(NamedTuple):
    """Decisions and what else the network says, `(lanes, number)`.

    Attributes:
        decided: c, l and a'.
        share: ζ.
        multiplier: μ > 0.
    """

    decided: Decisions
    share: Tensor
    multiplier: Tensor


class EulerAllInOne(EulerSolver):
    """euler_all_in_one."""

    def __init__(self, statics: Setting, environment: EnvironmentSpec) -> None:
        super().__init__(statics, environment, ALL_IN_ONE)
        lowest, highest = self.calibration.labour_bounds
        self._labour = (lowest, highest if math.isfinite(highest) else MOST_LABOUR)

    def loss(
        self, state: State, parameters: Tensor, looked_at: Households, draws: Tensor
    ) -> tuple[Tensor, Decisions]:
        """See `EulerSolver`; the residual is the mean of e_A and e_B, a share of marginal utility
        with the noise of two draws."""
        now = self._choose(state, parameters, looked_at, self.crowd(state))
        theta = self.calibration.preferences.theta
        factor = self.calibration.preferences.beta * power(now.decided.consumption, theta)
        errors = [
            now.multiplier - factor * self._worth_next(state, parameters, looked_at, now, luck)
            for luck in draws.split(self.panel.size, 1)
        ]
        best = self.household.labour(now.decided.consumption, self.found(looked_at))
        worked = torch.log(now.decided.labour.clamp(min=TINY)) - torch.log(best.clamp(min=TINY))
        slack = complementarity(now.share, 1.0 - now.multiplier)
        parts = (slack.square(), errors[0] * errors[1], worked.square())
        losses = [
            state[name][:, 0] * part.mean(1) for name, part in zip(WEIGHTS, parts, strict=True)
        ]
        residual = 0.5 * (errors[0] + errors[1])
        return losses[0] + losses[1] + losses[2], now.decided._replace(residual=residual)

    def decide(self, state: State, looked_at: Households, crowd: Tensor | None) -> Decisions:
        return self._choose(state, state["policy"], looked_at, crowd).decided

    def _choose(
        self, state: State, parameters: Tensor, looked_at: Households, crowd: Tensor | None
    ) -> Choice:
        """What households do by the rules with these parameters."""
        circumstances = self.found(looked_at)
        every = self.outputs(state, parameters, looked_at.wealth, looked_at.r, crowd)
        place = looked_at.states.long()[:, :, None, None].expand(-1, -1, 1, ALL_IN_ONE.num_outputs)
        raw = every.gather(2, place).squeeze(2).clamp(-FARTHEST, FARTHEST)
        saving, multiplying, working = raw.unbind(2)
        lowest, highest = self._labour
        labour = lowest + (highest - lowest) * _share(working)
        held = self.household.resources(labour, circumstances).clamp(min=LEAST_CONSUMPTION)
        share = MOST_SAVED * _share(saving)
        consumption = (1.0 - share) * held / self.household.price
        decided = Decisions(consumption, labour, share * held, torch.zeros_like(held))
        return Choice(decided, share, torch.log1p(torch.exp(multiplying)))

    def _worth_next(
        self,
        state: State,
        parameters: Tensor,
        looked_at: Households,
        now: Choice,
        luck: Tensor,
    ) -> Tensor:
        """What wealth is worth to each household in the period that its luck gives it."""
        able = self.ability.values(looked_at.states)
        supplied = self.panel.by_world(able * now.decided.labour).mean(2).detach()
        paid = self.panel.prices(now.decided.savings.detach(), supplied)
        states = self.ability.following(looked_at.states, luck)
        r, w = (self.panel.to_all(number) for number in paid)
        following = Households(now.decided.savings, states, r, w, looked_at.rebate)
        crowd = None
        if self.sees_crowd:
            others = (now.decided.savings.detach(), self.ability.values(states))
            crowd = self.features.crowd(*map(self.panel.by_world, others))
        then = self._choose(state, parameters, following, crowd).decided
        return self.household.worth(then.consumption, then.labour, self.found(following))


def complementarity(x: Tensor, y: Tensor) -> Tensor:
    """Ψ(x, y)."""
    return x + y - (x * x + y * y + TINY).sqrt()


def _share(output: Tensor) -> Tensor:
    """The logistic function: a share in (0, 1) that rises with the output."""
    return 0.5 * (1.0 + torch.tanh(0.5 * output))
