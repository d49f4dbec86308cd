"""What a household of the Bewley economy can do within a period, as tensors.

The equations of `nthrun.environments.bewley.household_numpy`, for any shapes that broadcast.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nthrun.environments.bewley.calibration import Calibration
from nthrun.environments.bewley.household_torch import kept, kept_at_margin
from nthrun.environments.economy_tensors import LEAST_CONSUMPTION
from nthrun.environments.tensors import TINY, power

NEWTON_STEPS = 10
"""Newton's steps from a start near the root; each doubles the digits that are right."""


class Circumstances(NamedTuple):
    """What a household finds.

    Attributes:
        wealth: a >= 0.
        pay: w v > 0, what a unit of labour earns.
        r: the interest rate.
        rebate: what it gets besides.
    """

    wealth: Tensor
    pay: Tensor
    r: Tensor
    rebate: Tensor


class Household:
    """Choices under a calibration."""

    def __init__(self, calibration: Calibration) -> None:
        self._preferences = calibration.preferences
        self._taxes = calibration.taxes
        self._bounds = calibration.labour_bounds
        self.price = 1 + calibration.taxes.consumption_rate

    def untaxed(self, labour: Tensor, circumstances: Circumstances) -> Tensor:
        """y + a + rebate."""
        return (
            circumstances.pay * labour
            + (1.0 + circumstances.r) * circumstances.wealth
            + circumstances.rebate
        )

    def resources(self, labour: Tensor, circumstances: Circumstances) -> Tensor:
        """D_y(y) + D_a(a) + rebate: what can be spent and saved."""
        income = circumstances.pay * labour + circumstances.r * circumstances.wealth
        taxed = kept(self._taxes.income, income) + kept(self._taxes.wealth, circumstances.wealth)
        return taxed + circumstances.rebate

    def worth(self, consumption: Tensor, labour: Tensor, circumstances: Circumstances) -> Tensor:
        """c^(-θ) (D_a'(a) + r D_y'(y)): what a unit of wealth is worth, in units of (1 + τ_c)."""
        income = circumstances.pay * labour + circumstances.r * circumstances.wealth
        gain = circumstances.r * kept_at_margin(self._taxes.income, income)
        gross = kept_at_margin(self._taxes.wealth, circumstances.wealth) + gain
        return power(consumption, -self._preferences.theta) * gross

    def labour(self, consumption: Tensor, circumstances: Circumstances) -> Tensor:
        """The best l, of χ l^γ = c^(-θ) D_y'(y) w v / (1 + τ_c) within its bounds."""
        gamma, schedule = self._preferences.gamma, self._taxes.income
        goal = self._willingness(consumption, circumstances)
        log_labour = goal / gamma
        if schedule.elasticity > 0:
            for _ in range(NEWTON_STEPS):
                earned = circumstances.pay * torch.exp(log_labour)
                income = (earned + circumstances.r * circumstances.wealth).clamp(min=TINY)
                gap = gamma * log_labour + schedule.elasticity * torch.log(income) - goal
                log_labour = log_labour - gap / (gamma + schedule.elasticity * earned / income)
        return torch.exp(log_labour).clamp(*self._bounds)

    def spending_everything(self, circumstances: Circumstances) -> Tensor:
        """The best c of a household that saves nothing."""
        theta, gamma = self._preferences.theta, self._preferences.gamma
        schedule = self._taxes.income
        log_labour = torch.zeros_like(circumstances.pay * circumstances.wealth)
        for _ in range(NEWTON_STEPS):
            labour = torch.exp(log_labour)
            spent = self.resources(labour, circumstances).clamp(min=TINY)
            income = (circumstances.pay * labour + circumstances.r * circumstances.wealth).clamp(
                min=TINY
            )
            gap = gamma * log_labour - self._willingness(spent / self.price, circumstances)
            margin = kept_at_margin(schedule, income)
            slope = gamma + theta * margin * circumstances.pay * labour / spent
            if schedule.elasticity > 0:
                gap = gap + schedule.elasticity * torch.log(income)
                slope = slope + schedule.elasticity * circumstances.pay * labour / income
            log_labour = log_labour - gap / slope
        labour = torch.exp(log_labour).clamp(*self._bounds)
        return (self.resources(labour, circumstances) / self.price).clamp(min=LEAST_CONSUMPTION)

    def _willingness(self, consumption: Tensor, circumstances: Circumstances) -> Tensor:
        """log(c^(-θ) (1 - τ_y) w v / ((1 + τ_c) χ)): γ log l + ξ log y, if l is best."""
        share = (1 - self._taxes.income.rate) / (self.price * self._preferences.chi)
        pay = torch.log((share * circumstances.pay).clamp(min=TINY))
        return pay - self._preferences.theta * torch.log(consumption.clamp(min=TINY))
