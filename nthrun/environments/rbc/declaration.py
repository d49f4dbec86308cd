"""What a spec may say of the game of consumers, firms and a government."""

from __future__ import annotations

import math
from collections.abc import Iterator

from nthrun.environments.markov_chains import Array
from nthrun.environments.rbc.grids import (
    CAPITAL_SCALE,
    CONSUMER,
    FIRM,
    GOVERNMENT,
    Values,
    choice_tables,
    count,
    num_steps,
    numbers,
    thetas,
)
from nthrun.errors import Fault, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface, Role

GRIDS = {
    "consumption_choices": (tuple(map(float, range(11))), "amounts of a good that can be wanted"),
    "work_choices": ((0.0, 260.0, 520.0, 780.0, 1040.0), "hours of a step"),
    "price_choices": ((0.0, 500.0, 1000.0, 1500.0, 2000.0, 2500.0), "prices"),
    "wage_choices": ((0.0, 11.0, 22.0, 33.0, 44.0), "wages of an hour"),
    "investment_choices": ((0.1,), "shares that a firm invests"),
    "tax_choices": ((0.0, 0.2, 0.4, 0.6, 0.8, 1.0), "tax rates, of income and of profits"),
}
"""What can be chosen, by default, and what it is."""
OF_EACH = {
    "theta": "num_consumers",
    "production_alpha": "num_firms",
    "initial_capital": "num_firms",
}
"""Lists of a number for each of some, or one for all."""
AGGREGATES = ("price", "wage", "income_tax", "corporate_tax")
"""What is shown of the game at every step, as it is when the step begins."""


def _interface(values: Values) -> Interface:
    """The interface of a game.

    Raises:
        SpecError: lists do not fit the counts, or a list of choices is empty.
    """
    if faults := list(_faults(values)):
        raise SpecError(faults)
    roles = tuple(_roles(values))
    low, high = zip(*_bounds(values), strict=True)
    return Interface(
        observation_low=low,
        observation_high=high,
        roles=roles,
        state_dim=len(low),
        horizon_steps=num_steps(values),
        aggregates=AGGREGATES,
    )


def _faults(values: Values) -> Iterator[Fault]:
    for name, owner in OF_EACH.items():
        given, wanted = len(numbers(values, name)), count(values, owner)
        if given not in (0, 1, wanted):
            problem = f"got {given} numbers, allowed: 1 for all, or {wanted}, which is {owner}"
            yield Fault("", name, problem, "[] is the rule of docs/environments.md")
    for name in GRIDS:
        if not numbers(values, name):
            yield Fault("", name, "got [], allowed: at least one number")
    if values["score"] == GOVERNMENT and not values["num_governments"]:
        problem = "got government, allowed where num_governments is 0: consumer, firm"
        yield Fault("", "score", problem)


def _roles(values: Values) -> Iterator[Role]:
    """Who acts, and what each sees: what all see, then what is its own."""
    firms = count(values, "num_firms")
    seen = 4 * firms + 3
    stocks = tuple(range(2 * firms, 3 * firms))
    prices, wages = (
        [max(*numbers(values, f"{name}_choices"), 0.0) or 1.0] * firms for name in ("price", "wage")
    )
    world = (*prices, *wages, *[1.0] * (2 * firms + 2), float(num_steps(values)))
    theta = float(thetas(values).max()) or 1.0
    own = {
        CONSUMER: (1.0, theta),
        FIRM: (1.0, CAPITAL_SCALE, 1.0, *[1.0] * firms),
        GOVERNMENT: (),
    }
    for name, scales in own.items():
        if number := count(values, f"num_{name}s"):
            tables = choice_tables(values, name)
            yield Role(
                name=name,
                count=number,
                observation_dim=seen + len(scales),
                heads=tuple(len(table) for table in tables),
                grids=tuple(map(_grid, tables[0].T)) if len(tables) == 1 else (),
                shared=seen,
                scales=(*world, *scales),
                digits=(*stocks, seen) if scales else stocks,
            )


def _grid(column: Array) -> tuple[float, ...]:
    return tuple(sorted(set(column.tolist())))


def _bounds(values: Values) -> list[tuple[float, float]]:
    """Bounds of the parts of a state, in the order of `market.Books`."""
    firms, consumers = count(values, "num_firms"), count(values, "num_consumers")
    prices, wages = (
        _range((*numbers(values, f"{name}_choices"), float(values[f"initial_{name}"])))  # type: ignore[arg-type]
        for name in ("price", "wage")
    )
    taxes = _range((*numbers(values, "tax_choices"), 0.0))
    amounts, money = (0.0, math.inf), (-math.inf, math.inf)
    theta = (0.0, float(thetas(values).max()))
    by_firm = (prices, wages, amounts, (0.0, 1.0))
    return [
        *(bounds for bounds in by_firm for _ in range(firms)),
        *(taxes, taxes, amounts),
        *[money] * consumers,
        *[theta] * consumers,
        *[money] * firms,
        *[amounts] * firms,
    ]


def _range(listed: tuple[float, ...]) -> tuple[float, float]:
    return min(listed), max(listed)


def _counts() -> Iterator[Field]:
    docs = {"consumer": (100, "consumers", 1, 10_000), "firm": (10, "firms", 1, 1000)}
    docs["government"] = (1, "governments; without one there are no taxes", 0, 1)
    for name, (default, doc, least, most) in docs.items():
        yield Field(f"num_{name}s", "int", default, doc, minimum=least, maximum=most)


RBC = EnvironmentDeclaration(
    name="RBC",
    interface=_interface,
    program="nthrun.environments.rbc.program:RBC",
    gamma=0.9999,
    fields=(
        *_counts(),
        Field("importer", "bool", True, "whether there are exports: goods left over are bought"),
        Field(
            "importer_price", "float", 500.0, "the price from which on they are bought", minimum=0
        ),
        Field("importer_quantity", "float", 100.0, "of each good in a step, at most", minimum=0),
        Field(
            "price_threshold",
            "str",
            "at_least",
            "whether they are bought at that price, or only above",
            choices=("at_least", "above"),
        ),
        Field(
            "labour_disutility",
            "str",
            "linear",
            "u falls by (θ/2) h, or by (θ/2) h²",
            choices=("linear", "quadratic"),
        ),
        Field(
            "investment_base",
            "str",
            "income",
            "a firm invests a share of what it gains in a step, or of its budget",
            choices=("income", "budget"),
        ),
        Field(
            "interest_rate", "float", 0.1, "of a step, on budgets above 0", minimum=0, maximum=10
        ),
        Field("initial_wage", "float", 22.0, "wages at the start", minimum=0, maximum=1e6),
        Field("initial_price", "float", 1000.0, "prices at the start", minimum=0, maximum=1e6),
        Field("initial_stock", "float", 0.0, "of each good at the start", minimum=0, maximum=1e9),
        Field("consumer_endowment", "float", 2000.0, "money at the start", minimum=0, maximum=1e9),
        Field(
            "firm_endowment",
            "float",
            0.0,
            "money at the start; 0 is 22,000 for each consumer",
            minimum=0,
            maximum=1e12,
        ),
        Field(
            "initial_capital",
            "floats",
            (),
            "K of each firm, or one for all; [] is 5,000, and 10,000 from firm F // 2 on",
            above=0,
            maximum=1e12,
        ),
        Field(
            "production_alpha",
            "floats",
            (),
            "α of each firm, or one for all; [] is 0.2, 0.3, 0.4, 0.6, 0.8, and again",
            minimum=0,
            maximum=1,
        ),
        Field(
            "theta",
            "floats",
            (),
            "θ of each consumer, or one for all; [] is consumer_theta (1 - i/N)^(1/pareto_scale)",
            minimum=0,
            maximum=1e6,
        ),
        Field("consumer_theta", "float", 0.01, "the highest of that rule", minimum=0, maximum=1e6),
        Field("pareto_scale", "float", 4.0, "its scale; 0: one θ for all", minimum=0, maximum=1e6),
        Field("crra", "float", 0.1, "η of utility; 1 is logarithmic", minimum=0, maximum=20),
        Field("technology", "float", 0.01, "A of production", minimum=0, maximum=1e6),
        Field("labour_floor", "float", 0.0, "hours below which a firm makes nothing", minimum=0),
        *(Field(name, "floats", default, doc, minimum=0) for name, (default, doc) in GRIDS.items()),
        Field(
            "government_counts_firm_reward",
            "bool",
            False,
            "whether its reward is that of consumers and also a part of that of firms",
        ),
        Field(
            "firm_reward_for_government_factor", "float", 0.0025, "that part", minimum=0, maximum=1
        ),
        Field(
            "boost_firm_reward_factor",
            "float",
            0.0,
            "revenue counts so much in a firm's reward while its budget is above 0",
            minimum=0,
            maximum=1e6,
        ),
        *(
            Field(
                f"{name}_noponzi",
                "float",
                0.0,
                f"weight of a {name}'s debt after the last step, taken from its reward",
                minimum=0,
                maximum=1e6,
            )
            for name in ("consumer", "firm")
        ),
        Field(
            "score",
            "str",
            CONSUMER,
            "whose mean reward an evaluation's returns are made of",
            choices=(CONSUMER, FIRM, GOVERNMENT),
        ),
    ),
    doc=(
        "A game of many: consumers choose how much of every good to buy, how long to work and for "
        "which firm, firms a price and a wage, a government taxes of income and profits. All act "
        "at once, for steps_per_episode steps (0 is 10), and nothing is left to chance but what "
        "they choose. For agents that play the roles of a game. Defaults are those of the "
        "original's templates. The state, which is also what is observed, is prices, wages, "
        "stocks and whether more was wanted than there was (a number of each firm), income tax, "
        "corporate tax, steps taken; money and θ (of each consumer); money and K (of each firm)."
    ),
    source=(
        "after Curry, Trott, Phade, Bai and Zheng (2022), Finding general equilibria in "
        "many-agent economic simulations using deep reinforcement learning, arXiv 2201.01163"
    ),
)
