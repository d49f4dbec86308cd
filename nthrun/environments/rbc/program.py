"""The game as a tensor program; `market` has the equations of a step."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nthrun.environments.rbc.grids import (
    CONSUMER,
    FIRM,
    GOVERNMENT,
    alphas,
    capital,
    choice_tables,
    firm_money,
    thetas,
)
from nthrun.environments.rbc.market import Books, Choices, Outcome, Rules
from nthrun.environments.roles import Choices as ChoicesByRole
from nthrun.environments.roles import RolesEnvironment, RolesTransition
from nthrun.environments.tensors import Constants, same_start_states
from nthrun.specs.environment_spec import SCORE, EnvironmentSpec


class Means(NamedTuple):
    """Constants of firms, and what choices mean.

    Attributes:
        alphas: α of each firm, `(F,)`.
        numbers, which: of each firm, `(F,)`, and 1 at it alone, `(F, F)`.
        wanted, hours: of each choice of a consumer.
        prices, wages, investment: of each choice of a firm.
        income_tax, corporate_tax: of each choice of the government.
    """

    alphas: Tensor
    numbers: Tensor
    which: Tensor
    wanted: Tensor
    hours: Tensor
    prices: Tensor
    wages: Tensor
    investment: Tensor
    income_tax: Tensor
    corporate_tax: Tensor


class RBC(RolesEnvironment):
    """State: `market.Books`, part after part, which is also the joint observation.

    Attributes:
        rules: the constants of a step.
        alphas: α of each firm, `(F,)`.
        tables: what choices mean, by role, float64; see `grids.choice_tables`.
        horizon: steps of an episode.
        firms_count: how much of what firms earn the government counts.
        boost: how much of its revenue counts in what a firm earns.
    """

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec, values = spec, spec.values
        self.roles = spec.interface.roles
        self.score = str(values[SCORE])
        self.num_consumers, self.num_firms = (
            spec.integer("num_consumers"),
            spec.integer("num_firms"),
        )
        self._sizes = Books.sizes(self.num_consumers, self.num_firms)
        self.horizon = spec.interface.horizon_steps
        self.rules = rules_of(spec)
        counted = bool(values["government_counts_firm_reward"])
        self.firms_count = spec.number("firm_reward_for_government_factor") if counted else 0.0
        self._governed = spec.integer("num_governments") > 0
        self.boost = spec.number("boost_firm_reward_factor")
        self._consumer_noponzi = spec.number("consumer_noponzi")
        self._firm_noponzi = spec.number("firm_noponzi")
        self.tables = {
            role.name: tuple(map(torch.from_numpy, choice_tables(values, role.name)))
            for role in self.roles
        }
        self.alphas = alphas(values)
        means = self._means()
        self._constants = {
            dtype: Constants(*(part.to(dtype) for part in means))
            for dtype in (torch.float32, torch.float64)
        }
        self._start = first_state(spec)

    def reset(self, draws: Tensor) -> Tensor:
        """Everything as the spec has it at the start; nothing is drawn."""
        return same_start_states(self._spec, draws, *self._start)

    def observe(self, state: Tensor) -> Tensor:
        """The state."""
        return state

    def eased(self, state: Tensor, factor: Tensor) -> Tensor:
        """θ times the factor, so that work is dearer as learning goes on."""
        books = self.books(state)
        return torch.cat(books._replace(thetas=books.thetas * factor), -1)

    def books(self, state: Tensor) -> Books:
        """The parts of a state."""
        return Books(*state.split(self._sizes, -1))

    def observe_role(self, state: Tensor, role: str) -> Tensor:
        """What all see (prices, wages, stocks, overdemand, taxes, time) and what is its own: money
        and θ of a consumer; money, K, α and which firm it is of a firm."""
        books, count = self.books(state), self._count(role)
        world = torch.cat(books[:7], -1).unsqueeze(2).expand(-1, -1, count, -1)
        if role == CONSUMER:
            return torch.cat([world, torch.stack([books.budgets, books.thetas], -1)], -1)
        if role == GOVERNMENT:
            return world.clone()
        means = self._means_on(state)
        alpha = means.alphas.expand_as(books.capital)
        own = torch.stack([books.firm_budgets, books.capital, alpha], -1)
        return torch.cat([world, own, means.which.expand(*own.shape[:2], -1, -1)], -1)

    def aggregates(self, state: Tensor) -> tuple[Tensor, ...]:
        """Prices and wages of all firms, and the taxes."""
        books = self.books(state)
        return books.prices, books.wages, books.income_tax, books.corporate_tax

    def step_roles(self, state: Tensor, choices: ChoicesByRole, draws: Tensor) -> RolesTransition:
        """See `RolesEnvironment`; shows what each consumer gets of every good, and of each firm
        what it exports."""
        books, means = self.books(state), self._means_on(state)
        done = self.rules.step(books, self.chosen(books, choices), means.alphas)
        ended = (done.books.time >= self.horizon).to(state.dtype)
        rewards = {CONSUMER: done.utilities, FIRM: self._of_firms(books, done)}
        if self._consumer_noponzi:
            debts = (-done.books.budgets).clamp(min=0.0)
            rewards[CONSUMER] = rewards[CONSUMER] - self._consumer_noponzi * ended * debts
        if self._firm_noponzi:
            debts = (-done.books.firm_budgets).clamp(min=0.0)
            rewards[FIRM] = rewards[FIRM] - self._firm_noponzi * ended * debts
        if self._governed:
            welfare = rewards[CONSUMER].sum(-1, keepdim=True)
            gains = rewards[FIRM].sum(-1, keepdim=True)
            rewards[GOVERNMENT] = welfare + self.firms_count * gains
        shown = {CONSUMER: done.consumption, FIRM: done.exports.unsqueeze(-1)}
        return RolesTransition(torch.cat(done.books, -1), rewards, ended, shown)

    def chosen(self, books: Books, choices: ChoicesByRole) -> Choices:
        """Choices as amounts; without a government taxes stay as they are."""
        means = self._means_on(books.prices)
        consumer, firm = choices[CONSUMER], choices[FIRM][..., 0].long()
        taxes = books.income_tax, books.corporate_tax
        if self._governed:
            number = choices[GOVERNMENT][..., 0].long()
            taxes = means.income_tax[number], means.corporate_tax[number]
        return Choices(
            means.wanted[consumer[..., :-2].long()],
            means.hours[consumer[..., -2].long()],
            (consumer[..., -1:] == means.numbers).to(books.prices.dtype),
            means.prices[firm],
            means.wages[firm],
            means.investment[firm],
            *taxes,
        )

    def choice_table(self, role: str) -> tuple[Tensor, ...]:
        """See `RolesEnvironment` and `grids.choice_tables`."""
        return tuple(table.float() for table in self.tables[role])

    def _means(self) -> Means:
        """The constants, in float64."""
        consumer, (firm,) = self.tables[CONSUMER], self.tables[FIRM]
        (government,) = self.tables.get(GOVERNMENT, (torch.zeros(1, 2, dtype=torch.float64),))
        firms = torch.eye(self.num_firms, dtype=torch.float64)
        return Means(
            torch.from_numpy(self.alphas),
            torch.arange(float(self.num_firms)),
            firms,
            consumer[0][:, 0].contiguous(),
            consumer[-2][:, 0].contiguous(),
            *(column.contiguous() for column in (*firm.unbind(1), *government.unbind(1))),
        )

    def _means_on(self, state: Tensor) -> Means:
        """The constants on the device of a tensor, in its precision."""
        return Means(*self._constants[state.dtype].on(state.device))

    def _count(self, role: str) -> int:
        return {CONSUMER: self.num_consumers, FIRM: self.num_firms}.get(role, 1)

    def _of_firms(self, books: Books, done: Outcome) -> Tensor:
        """What firms earn: what they keep, and if they are boosted a part of their revenue."""
        if not self.boost:
            return done.profits
        solvent = (books.firm_budgets + done.profits > 0.0).to(done.profits.dtype)
        return done.profits + self.boost * solvent * done.revenue


def rules_of(spec: EnvironmentSpec) -> Rules:
    """The constants of a spec's game."""
    values = spec.values
    return Rules(
        crra=spec.number("crra"),
        technology=spec.number("technology"),
        labour_floor=spec.number("labour_floor"),
        interest_rate=spec.number("interest_rate"),
        importer=bool(values["importer"]),
        importer_price=spec.number("importer_price"),
        importer_quantity=spec.number("importer_quantity"),
        price_above=values["price_threshold"] == "above",
        quadratic_labour=values["labour_disutility"] == "quadratic",
        invests_budget=values["investment_base"] == "budget",
    )


def first_state(spec: EnvironmentSpec) -> list[float]:
    """The state at the start of an episode."""
    values = spec.values
    consumers, firms = spec.integer("num_consumers"), spec.integer("num_firms")
    by_firm = [spec.number(f"initial_{name}") for name in ("price", "wage", "stock")]
    goods = [number for number in (*by_firm, 0.0) for _ in range(firms)]
    money = [spec.number("consumer_endowment")] * consumers
    owned = [firm_money(values)] * firms
    return [*goods, *[0.0] * 3, *money, *thetas(values), *owned, *capital(values)]
