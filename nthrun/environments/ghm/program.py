"""The firm as a tensor program; `calibration.Rules` has the law of its cash.

With t the time since the start, the reward of a step is the present value of what shareholders get,

    r = exp(-(r - μ) t) (a_L - a_E) dt + exp(-(r - μ)(t + dt)) × (what an end pays),

without the dt where controls are amounts, so that the sum of an episode's rewards is what the firm
has been worth.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.environments.ghm.declaration import calibration_of, rules_of
from nthrun.environments.tensors import normal, start_states
from nthrun.specs.environment_spec import EnvironmentSpec


class Firm:
    """State (c, steps left), c cash per unit of productivity; observation (c / cash_max, share of
    the time left)."""

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec = spec
        self._calibration = calibration_of(spec.values)
        self._rules = rules_of(spec.values)
        self._cash_max = spec.number("cash_max")

    def reset(self, draws: Tensor) -> Tensor:
        """Cash uniform on [0, cash_max], and all of the time, unless the spec fixes the start."""
        steps_left = torch.full_like(draws, self._rules.num_steps)
        return start_states(self._spec, torch.cat([self._cash_max * draws, steps_left], -1))

    def observe(self, state: Tensor) -> Tensor:
        """Both parts, scaled."""
        scale = (1.0 / self._cash_max, 1.0 / self._rules.num_steps)
        return state * torch.tensor(scale, dtype=state.dtype, device=state.device)

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Pay, issue, and see what the shock leaves; terminates without cash or time."""
        rules = self._rules
        firm: Any = self._calibration  # its formulas take tensors as they do arrays
        cash, steps_left = state.split(1, -1)
        dividend, issuance = action.split(1, -1)
        dividend = torch.minimum(dividend, cash / rules.control_unit)
        issues = (issuance >= rules.issuance_min) & (issuance > 0.0)
        issuance = torch.where(issues, issuance, 0.0)
        raised = torch.where(issues, issuance / firm.issuance_cost - firm.fixed_cost, 0.0)
        following = self._following(cash, raised, dividend, normal(draws))
        broke, over = following <= 0.0, steps_left <= 1.0
        paid = torch.where(
            broke, rules.liquidation_value, torch.where(over, self._at_end(following), 0.0)
        )
        rate = firm.discount_rate * rules.dt
        present = torch.exp(-rate * (rules.num_steps - steps_left))
        reward = present * ((dividend - issuance) * rules.control_unit + math.exp(-rate) * paid)
        state = torch.cat([following.clamp(min=0.0), steps_left - 1.0], -1)
        return Transition(state, reward, (broke | over).to(reward.dtype))

    def _following(self, cash: Tensor, raised: Tensor, dividend: Tensor, normal: Tensor) -> Tensor:
        """Cash after a step, all `(..., 1)`."""
        firm: Any = self._calibration
        dt = self._rules.dt
        if self._rules.lump_sums:
            cash = cash - dividend + raised
            change: Tensor = firm.drift(cash) * dt
        else:
            change = (firm.drift(cash) - dividend + raised) * dt
        return cash + change + math.sqrt(dt) * torch.sqrt(firm.variance(cash)) * normal

    def _at_end(self, cash: Tensor) -> Tensor:
        """What the horizon pays to a firm that has got there."""
        if self._rules.terminal == "cash":
            return cash
        paid = self._rules.liquidation_value if self._rules.terminal == "liquidation" else 0.0
        return torch.full_like(cash, paid)
