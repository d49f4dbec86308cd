"""What can be chosen in the game, and what consumers and firms are endowed with, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import cast

import numpy as np

from nthrun.environments.markov_chains import Array
from nthrun.specs.field import Value

CONSUMER, FIRM, GOVERNMENT = "consumer", "firm", "government"
DEFAULT_STEPS = 10
"""Steps of an episode where a spec is silent."""
ALPHAS = (0.2, 0.3, 0.4, 0.6, 0.8)
"""α of the first firms, then again from the start, where a spec is silent."""
LOW_CAPITAL, HIGH_CAPITAL = 5000.0, 10_000.0
"""K of the first half of the firms and of the others, where a spec is silent."""
MONEY_PER_CONSUMER = 22_000.0
"""A firm's money at the start for each consumer, where a spec is silent."""
CAPITAL_SCALE = 10_000.0
"""What K is divided by where networks see it."""

Values = Mapping[str, Value]


def count(values: Values, name: str) -> int:
    """A count among a spec's values."""
    return cast(int, values[name])


def numbers(values: Values, name: str) -> tuple[float, ...]:
    """A list among a spec's values."""
    return cast("tuple[float, ...]", values[name])


def num_steps(values: Values) -> int:
    """Steps of an episode."""
    return count(values, "steps_per_episode") or DEFAULT_STEPS


def thetas(values: Values) -> Array:
    """θ of each consumer: as listed, or θ (1 - i/N)^(1/scale), and θ for all at scale 0."""
    consumers, scale = count(values, "num_consumers"), cast(float, values["pareto_scale"])
    if listed := numbers(values, "theta"):
        return np.broadcast_to(np.array(listed), consumers)
    power = 1 / scale if scale > 0 else 0.0
    share: Array = (1 - np.arange(consumers) / consumers) ** power
    return cast(float, values["consumer_theta"]) * share


def alphas(values: Values) -> Array:
    """α of each firm."""
    listed = numbers(values, "production_alpha") or ALPHAS
    return np.resize(np.array(listed), count(values, "num_firms"))


def capital(values: Values) -> Array:
    """K of each firm at the start."""
    firms = count(values, "num_firms")
    if listed := numbers(values, "initial_capital"):
        return np.broadcast_to(np.array(listed), firms)
    return np.where(np.arange(firms) < firms // 2, LOW_CAPITAL, HIGH_CAPITAL)


def firm_money(values: Values) -> float:
    """Money of each firm at the start."""
    given = cast(float, values["firm_endowment"])
    return given or MONEY_PER_CONSUMER * count(values, "num_consumers")


def choice_tables(values: Values, role: str) -> tuple[Array, ...]:
    """What each choice of each head means, `(size, columns)`.

    Those of a consumer are a quantity of every good, hours, and the number of an employer; of a
    firm (price, wage, share that is invested); of the government (income tax, corporate tax). In a
    table of pairs or triples the last column moves first.
    """
    firms = count(values, "num_firms")
    if role == CONSUMER:
        wanted, hours = (
            np.array(numbers(values, name))[:, None]
            for name in ("consumption_choices", "work_choices")
        )
        return (*(wanted,) * firms, hours, np.arange(float(firms))[:, None])
    taxes = numbers(values, "tax_choices")
    columns = (taxes, taxes)
    if role == FIRM:
        names = ("price_choices", "wage_choices", "investment_choices")
        return (np.array([*product(*(numbers(values, name) for name in names))]),)
    return (np.array([*product(*columns)]),)
