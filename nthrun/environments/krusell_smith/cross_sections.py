"""What single dates of a history show: Euler residuals, inequality, propensities to consume."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from nthrun.environments.bewley.distribution import gini
from nthrun.environments.krusell_smith.economy import Economy
from nthrun.environments.krusell_smith.histogram import History, Households, least_capital
from nthrun.environments.markov_chains import Array

TOP_SHARES = (1, 5, 10, 20)
"""Per cent of households, the richest ones, whose part of wealth is measured."""
CROSS_SECTION_MEASURES = (
    *("euler_residual", "euler_log10_mean", "euler_log10_max"),
    *("gini_wealth", *(f"wealth_share_top_{percent}" for percent in TOP_SHARES)),
    *("marginal_propensity_to_consume", "limit_share"),
)
DATES_APART = 5
"""Of so many cross-sections one is looked at."""
AT_LIMIT = 1e-3
"""Savings below this part of mean K count as none."""
LEAST_MASS = 1e-8
"""Points with fewer households than that do not count for the largest residual."""
LEAST_RESIDUAL = 1e-16


def cross_section_measures(households: Households, history: History) -> Iterator[tuple[str, float]]:
    """`CROSS_SECTION_MEASURES`: means over dates, and over households; Gini and shares of wealth
    are means over dates."""
    chosen = slice(None, None, DATES_APART)
    dates, all_masses = history.dates[chosen], history.masses[chosen]
    limit = AT_LIMIT * float(history.capital.mean())
    residuals, largest, rows = [], 0.0, []
    for date, masses in zip(dates.tolist(), all_masses, strict=True):
        capital, state = float(history.capital[date]), int(history.states[date])
        places = households.places(masses, capital, state)
        found = np.abs(euler_residuals(households, masses, places, capital, state))
        residuals.append(float((masses * found).sum()))
        largest = max(largest, float(found[masses > LEAST_MASS].max(initial=0.0)))
        saved = households.savings(places)
        rows.append(
            (
                *_inequality(households.assets, masses.sum(0)),
                _propensity(households, masses, saved, capital, state),
                float(masses[saved < limit].sum()),
            )
        )
    residual = float(np.mean(residuals))
    yield "euler_residual", residual
    yield "euler_log10_mean", math.log10(max(residual, LEAST_RESIDUAL))
    yield "euler_log10_max", math.log10(max(largest, LEAST_RESIDUAL))
    yield from zip(CROSS_SECTION_MEASURES[3:], np.mean(rows, 0).tolist(), strict=True)


def euler_residuals(
    households: Households, masses: Array, places: Array, capital: float, state: int
) -> Array:
    """`(kinds, points)` c̃* / c̃ - 1, with c̃* = min((β E (1 + r') c̃'^-σ)^(-1/σ), x).

    That is how much more a household should have spent, given what it does in the next period:
    exact over the states of Z and the kinds of the next period, and 0 where it rightly saves
    nothing, or has nothing. c̃' lies on straight lines between points of wealth.
    """
    economy, assets = households.economy, households.assets
    saved = households.savings(places)
    moving = households.saved(masses, places)
    next_capital = max(float(moving.sum(0) @ assets), least_capital(assets))
    worth = np.zeros_like(saved)
    for following in np.flatnonzero(economy.tfp_transition[state]).tolist():
        after = households.moved(moving, state, following)
        spent = _spent(households, after, next_capital, following)
        gross = 1 + float(economy.prices(np.array(next_capital), np.array(following)).r)
        chances = economy.transition[state, :, following]
        for kind, row in enumerate(spent):
            marginal = np.interp(saved, assets, row) ** -economy.sigma
            worth += economy.beta * gross * chances[:, kind, None] * marginal
    x = resources(economy, assets, capital, state)
    best = np.minimum(worth ** (-1 / economy.sigma), x)
    return np.where(x > 0, best / positive(x - saved, x) - 1, 0.0)


def resources(economy: Economy, assets: Array, capital: float, state: int) -> Array:
    """x = (1 + r) a + y, `(kinds, points)`."""
    at, now = np.array(capital), np.array(state)
    prices = economy.prices(at, now)
    return np.asarray((1 + prices.r) * assets + economy.net_income(at, now)[:, None])


def positive(consumption: Array, x: Array) -> Array:
    """Consumption, where a rule saves more than there is a millionth of what there is."""
    return np.maximum(consumption, 1e-6 * np.maximum(x, 1e-12))


def _spent(households: Households, masses: Array, capital: float, state: int) -> Array:
    """c̃, `(kinds, points)`."""
    x = resources(households.economy, households.assets, capital, state)
    places = households.places(masses, capital, state)
    return positive(x - households.savings(places), x)


def _inequality(assets: Array, mass: Array) -> Iterator[float]:
    """The Gini coefficient of wealth, and the parts of wealth of the richest households."""
    richest, owned = np.cumsum(mass[::-1]), np.cumsum((mass * assets)[::-1])
    yield gini(assets, mass) if owned[-1] > 0 else np.nan
    for percent in TOP_SHARES:
        part = np.interp(percent / 100, np.append(0, richest), np.append(0, owned))
        yield float(part / max(owned[-1], least_capital(assets)))


def _propensity(
    households: Households, masses: Array, saved: Array, capital: float, state: int
) -> float:
    """Mean of ∂c̃/∂x, between a household's point of wealth and the next."""
    x = resources(households.economy, households.assets, capital, state)
    kept = np.diff(saved, axis=1) / np.diff(x, axis=1)
    return float(((1 - kept) * masses[:, :-1]).sum())
