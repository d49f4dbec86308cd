"""One period of the Bewley economy as tensors: prices, taxes, the rebate, utility, ability.

The equations of `calibration` and `household_numpy` for all households side by side, `(lanes,
episodes, households)`; what they share has 1 in place of the last axis.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.environments.bewley.ability import AbilityChain
from nthrun.environments.bewley.calibration import Preferences, Taxes, TaxSchedule, Technology
from nthrun.environments.economy_tensors import ChainDraws, Prices, factor_prices, utility_of
from nthrun.environments.tensors import Constants, power

LEAST_INPUT = 0.01
"""Prices are formed as if firms had at least this much capital and labour per household."""


class Budget(NamedTuple):
    """What households do with what they have, `(lanes, episodes, households)`.

    Attributes:
        consumption: c.
        savings: a'.
    """

    consumption: Tensor
    savings: Tensor


def prices(technology: Technology, capital: Tensor, labour: Tensor) -> Prices:
    """r = α A (K/L)^(α-1) - δ and w = (1 - α) A (K/L)^α, K and L being per household."""
    capital, labour = capital.clamp(min=LEAST_INPUT), labour.clamp(min=LEAST_INPUT)
    factors = (technology.alpha, technology.delta, technology.productivity)
    return factor_prices(*factors, capital, labour)


def wage_at(technology: Technology, r: Tensor) -> Tensor:
    """w = (1 - α) A (K/L)^α at the K/L with which capital earns r > -δ."""
    share, productivity = technology.alpha, technology.productivity
    ratio = torch.log((r + technology.delta) / (share * productivity)) / (share - 1)
    return (1 - share) * productivity * torch.exp(share * ratio)


def kept(schedule: TaxSchedule, base: Tensor) -> Tensor:
    """D(x) = (1 - τ) x^(1-ξ) / (1 - ξ), and nothing of a negative base where ξ > 0."""
    if schedule.elasticity == 0:
        return (1 - schedule.rate) * base
    exponent = 1 - schedule.elasticity
    return (1 - schedule.rate) / exponent * power(base, exponent)


def kept_at_margin(schedule: TaxSchedule, base: Tensor) -> Tensor:
    """D'(x) = (1 - τ) x^(-ξ)."""
    if schedule.elasticity == 0:
        return torch.full_like(base, 1 - schedule.rate)
    return (1 - schedule.rate) * power(base, -schedule.elasticity)


def spend(taxes: Taxes, income: Tensor, wealth: Tensor, share: Tensor) -> Budget:
    """a' = ζ m and (1 + τ_c) c = (1 - ζ) m, with m = D_y(y) + D_a(a) + R, at least 0.

    A rebate R is what all taxes bring per household. With k = D_y(y) + D_a(a), x the mean of y + a
    - k, and q = τ_c / (1 + τ_c), of which consumption brings q (1 - ζ) m a household,

        R = x + q mean((1 - ζ) (k + R)) = (x + q mean((1 - ζ) k)) / (1 - q mean(1 - ζ)).

    Args:
        income: y, before taxes.
        wealth: a.
        share: ζ.
    """
    price = 1 + taxes.consumption_rate
    resources = kept(taxes.income, income) + kept(taxes.wealth, wealth)
    if taxes.rebated:
        of_spending = taxes.consumption_rate / price
        raised = (income + wealth - resources).mean(-1, keepdim=True)
        spent = ((1 - share) * resources).mean(-1, keepdim=True)
        leaking = 1 - of_spending * (1 - share).mean(-1, keepdim=True)
        resources = resources + (raised + of_spending * spent) / leaking
    resources = resources.clamp(min=0.0)
    return Budget((1 - share) * resources / price, share * resources)


def utility(preferences: Preferences, consumption: Tensor, labour: Tensor) -> Tensor:
    """(c^(1-θ) - 1) / (1 - θ), log c where θ = 1, less χ l^(1+γ) / (1 + γ)."""
    convexity = 1 + preferences.gamma
    enjoyed = utility_of(consumption, preferences.theta)
    return enjoyed - preferences.chi / convexity * power(labour, convexity)


class AbilityDraws:
    """A chain of ability for tensors of its states' numbers, `(lanes, episodes, households)`."""

    def __init__(self, chain: AbilityChain) -> None:
        self._num_states = len(chain.values)
        self._drawn = ChainDraws(np.vstack((chain.transition, chain.stationary)))
        order = np.lexsort((-chain.stationary, chain.values))
        rising = chain.values[order]
        tables = (chain.values, (rising[1:] + rising[:-1]) / 2, order)
        self._tables = Constants(*(torch.from_numpy(table).float() for table in tables))

    def values(self, states: Tensor) -> Tensor:
        """v of each state."""
        return self._tables.on(states.device)[0][states.long()].to(states.dtype)

    def states(self, ability: Tensor) -> Tensor:
        """The state whose v is nearest to each; of states that are worth the same, the likeliest.

        Args:
            ability: v, any shape.
        """
        _, between, order = self._tables.on(ability.device)
        return order[torch.bucketize(ability.contiguous(), between)].to(ability.dtype)

    def first(self, draws: Tensor) -> Tensor:
        """States with their stationary shares.

        Args:
            draws: uniform on [0, 1), of the states' shape.
        """
        return self.following(torch.full_like(draws, self._num_states), draws)

    def following(self, states: Tensor, draws: Tensor) -> Tensor:
        """The state after each."""
        return self._drawn.outcomes(states, draws)
