"""A step of the game: goods, work, taxes and budgets of every world side by side.

With consumers i, goods and firms j, prices p, wages w, stocks S, budgets B, and with all of them as
they are when the step begins:

    d_ij = q_ij min(1, B_i / Σ_j p_j q_ij)                    what i can pay of what it wants
    c_ij = d_ij min(1, S_j / Σ_i d_ij)                        what of that there is
    u_i = Σ_j ((1 + c_ij)^(1-η) - 1) / (1-η) - (θ_i / 2) h_i
    e_j = min(S_j - Σ_i c_ij, most)                           exports, where p_j is high enough
    y_j = p_j (Σ_i c_ij + e_j) - w_j H_j,  H_j = Σ_i h_i of those at j
    k_j = s_j max(y_j, 0)                                     investment
    f_j = (y_j - k_j) - τ_f max(y_j - k_j, 0)                 what firms keep, their reward
    B_i += 0.01 - Σ_j p_j c_ij + (1 - τ_c) w h_i + all taxes / N,   B_j += f_j,
    S_j += A K_j^(1-α) H_j^α - Σ_i c_ij - e_j,   K_j += k_j,

and budgets above 0 then bear interest. Chosen prices, wages and taxes hold from the next step on.

Hours are summed as a product with the choice of employer, 1 or 0, so that the order of a sum, and
with it every bit, is always the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from nthrun.environments.tensors import TINY

ALLOWANCE = 0.01
"""Money that every consumer is given in a step."""


class Books(NamedTuple):
    """What a state is made of; `(lanes, worlds, ...)` each.

    Attributes:
        prices, wages, stocks: of each firm, `(..., F)`.
        overdemand: 1.0 where more was wanted of a good than there was in the step before.
        income_tax, corporate_tax, time: shares and steps taken, `(..., 1)`.
        budgets, thetas: of each consumer, `(..., N)`.
        firm_budgets, capital: of each firm, `(..., F)`.
    """

    prices: Tensor
    wages: Tensor
    stocks: Tensor
    overdemand: Tensor
    income_tax: Tensor
    corporate_tax: Tensor
    time: Tensor
    budgets: Tensor
    thetas: Tensor
    firm_budgets: Tensor
    capital: Tensor

    @classmethod
    def sizes(cls, num_consumers: int, num_firms: int) -> list[int]:
        """Numbers of each part."""
        by_firm, by_consumer = [num_firms], [num_consumers]
        return [*by_firm * 4, *(1, 1, 1), *by_consumer * 2, *by_firm * 2]


class Choices(NamedTuple):
    """What is chosen in a step; amounts, not numbers of choices.

    Attributes:
        wanted: q of each good, `(..., N, F)`.
        hours: of each consumer, `(..., N)`.
        employer: 1.0 at the firm each consumer works for, `(..., N, F)`.
        prices, wages: from the next step on, `(..., F)`.
        investment: share s of what is gained, `(..., F)`.
        income_tax, corporate_tax: from the next step on, `(..., 1)`.
    """

    wanted: Tensor
    hours: Tensor
    employer: Tensor
    prices: Tensor
    wages: Tensor
    investment: Tensor
    income_tax: Tensor
    corporate_tax: Tensor


class Outcome(NamedTuple):
    """What comes of a step.

    Attributes:
        books: of the next step.
        utilities: of each consumer, `(..., N)`.
        profits: what each firm keeps, `(..., F)`.
        consumption: c, `(..., N, F)`.
        exports: `(..., F)`.
        investment: k, `(..., F)`.
        revenue: of each firm, `(..., F)`.
    """

    books: Books
    utilities: Tensor
    profits: Tensor
    consumption: Tensor
    exports: Tensor
    investment: Tensor
    revenue: Tensor


@dataclass(frozen=True, slots=True)
class Rules:
    """Constants of the game.

    Attributes:
        crra: η from 0; 1 is logarithmic.
        technology: A.
        labour_floor: hours below which a firm produces nothing.
        interest_rate: of a step, on budgets above 0.
        importer: whether there are exports.
        importer_price: the price from which on goods are exported.
        importer_quantity: what is exported of a good in a step at most.
        price_above: whether that price itself is too low.
        quadratic_labour: whether h enters u_i as h².
        invests_budget: whether k_j is a share of the budget instead.
    """

    crra: float
    technology: float
    labour_floor: float
    interest_rate: float
    importer: bool
    importer_price: float
    importer_quantity: float
    price_above: bool = False
    quadratic_labour: bool = False
    invests_budget: bool = False

    def utility(self, consumption: Tensor, hours: Tensor, thetas: Tensor) -> Tensor:
        """u of every consumer.

        Args:
            consumption: `(..., N, F)`.
            hours, thetas: `(..., N)`.
        """
        power = 1.0 - self.crra
        logs = torch.log1p(consumption)
        enjoyed = torch.expm1(power * logs).sum(-1) / power if power else logs.sum(-1)
        work = hours * hours if self.quadratic_labour else hours
        return enjoyed - 0.5 * thetas * work

    def production(self, capital: Tensor, hours: Tensor, alpha: Tensor) -> Tensor:
        """A K^(1-α) H^α, 0 without enough work."""
        logs = (1.0 - alpha) * torch.log(capital.clamp(min=TINY))
        logs = logs + alpha * torch.log(hours.clamp(min=TINY))
        works = (hours > 0.0) & (hours >= self.labour_floor)
        return torch.where(works, self.technology * torch.exp(logs), torch.zeros_like(hours))

    def step(self, books: Books, choices: Choices, alpha: Tensor) -> Outcome:
        """Everybody acts at once.

        Args:
            alpha: of each firm, `(F,)`.
        """
        prices = books.prices.unsqueeze(-2)
        demand = affordable(choices.wanted, prices, books.budgets)
        consumption, rationed = sold(demand, books.stocks)
        hours = (choices.employer * choices.hours.unsqueeze(-1)).sum(-2)
        goods = consumption.sum(-2)
        exports = self._exports(books.prices, books.stocks - goods)
        revenue = books.prices * (goods + exports)
        gross = revenue - books.wages * hours
        base = books.firm_budgets if self.invests_budget else gross
        investment = (choices.investment * base).clamp(min=0.0)
        profit = gross - investment
        corporate = books.corporate_tax * profit.clamp(min=0.0)
        wage = (choices.employer * books.wages.unsqueeze(-2)).sum(-1)
        income = wage * choices.hours
        taxed = books.income_tax * income
        taxes = taxed.sum(-1, keepdim=True) + corporate.sum(-1, keepdim=True)
        spent = (prices * consumption).sum(-1)
        gained = ALLOWANCE - spent + (income - taxed) + taxes / books.budgets.shape[-1]
        kept = profit - corporate
        made = self.production(books.capital, hours, alpha)
        following = Books(
            choices.prices,
            choices.wages,
            (books.stocks - goods - exports).clamp(min=0.0) + made,
            rationed,
            choices.income_tax,
            choices.corporate_tax,
            books.time + 1.0,
            self._with_interest(books.budgets + gained),
            books.thetas,
            self._with_interest(books.firm_budgets + kept),
            books.capital + investment,
        )
        utilities = self.utility(consumption, choices.hours, books.thetas)
        return Outcome(following, utilities, kept, consumption, exports, investment, revenue)

    def _exports(self, prices: Tensor, left: Tensor) -> Tensor:
        """e of every firm."""
        if not self.importer:
            return torch.zeros_like(prices)
        least = self.importer_price
        sells = prices > least if self.price_above else prices >= least
        most = left.clamp(0.0, self.importer_quantity)
        return torch.where(sells, most, torch.zeros_like(most))

    def _with_interest(self, budgets: Tensor) -> Tensor:
        if self.interest_rate == 0.0:
            return budgets
        return torch.where(budgets > 0.0, budgets * (1.0 + self.interest_rate), budgets)


def affordable(wanted: Tensor, prices: Tensor, budgets: Tensor) -> Tensor:
    """d: what is wanted, scaled down to what can be paid.

    Args:
        wanted: `(..., N, F)`.
        prices: `(..., 1, F)`.
        budgets: `(..., N)`.
    """
    cost = (wanted * prices).sum(-1)
    can_pay = budgets.clamp(min=0.0)
    share = torch.where(cost > can_pay, can_pay / cost.clamp(min=TINY), torch.ones_like(cost))
    return wanted * share.unsqueeze(-1)


def sold(demand: Tensor, stocks: Tensor) -> tuple[Tensor, Tensor]:
    """c, and 1.0 where a good was rationed, `(..., F)`.

    Args:
        demand: d, `(..., N, F)`.
        stocks: `(..., F)`.
    """
    total = demand.sum(-2)
    rationed = total > stocks
    share = torch.where(rationed, stocks / total.clamp(min=TINY), torch.ones_like(total))
    return demand * share.unsqueeze(-2), rationed.to(demand.dtype)
