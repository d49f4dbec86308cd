"""What a rule of households is worth: the law of motion that it makes, its errors, what it adds up
to, and how far it is from the exact rule.

Every rule lives along the same path of Z. `FIRST` periods are passed over, so that nothing depends
on where it began.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nthrun.environments.krusell_smith.cross_sections import (
    CROSS_SECTION_MEASURES,
    cross_section_measures,
)
from nthrun.environments.krusell_smith.economy import Economy, States
from nthrun.environments.krusell_smith.histogram import (
    MOST_AT_TOP,
    NUM_POINTS,
    History,
    Households,
    Rule,
    least_capital,
    lived,
    tfp_path,
    wealth_grid,
)
from nthrun.environments.krusell_smith.law import Law, fitted_law, forecast_errors, pooled_law
from nthrun.environments.markov_chains import Array
from nthrun.errors import NoSolutionError

NUM_PERIODS, FIRST = 11_000, 1_000
"""Periods of the path, and the first that counts."""
DATES = np.linspace(FIRST, NUM_PERIODS - 1, 300).astype(np.intp)
"""Periods whose cross-sections of households are kept."""
GAPS = ("oracle_gap", "oracle_gap_mean", "mean_k_gap")
SERIES = ("output", "consumption", "investment")
LAW_TERMS = ("intercept", "slope", "curvature")


@dataclass(frozen=True, slots=True, eq=False)
class Exact:
    """What the exact rule makes of the path.

    Attributes:
        assets: `(points,)` the grid of wealth.
        start: `(kinds, points)` masses at the start of the path.
        capital_mean: mean K of the periods that count.
        dates: `(dates,)` periods.
        capital: `(dates,)` K at them.
        masses: `(dates, kinds, points)` at them.
        log_next: `(dates,)` log K' of them.
    """

    assets: Array
    start: Array
    capital_mean: float
    dates: States
    capital: Array
    masses: Array
    log_next: Array


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found of a rule.

    Attributes:
        measures: by name, NaN for what there is none of; the same names in the same economy.
        missing: why some are NaN, "" where none is.
    """

    measures: dict[str, float]
    missing: str


def evaluation_names(num_states: int) -> tuple[str, ...]:
    """Names of what is measured, in an economy of this many states of Z."""
    return (
        *("law_intercept", "law_slope", "law_slope_z", "law_r_squared"),
        *(f"law_{term}_{state}" for state in range(num_states) for term in LAW_TERMS),
        *(f"law_linear_{term}_{s}" for s in range(num_states) for term in LAW_TERMS[:2]),
        *("dh_mean", "dh_max", "capital_mean", "capital_sd"),
        *CROSS_SECTION_MEASURES,
        *(f"{kind}_{name}" for name in SERIES for kind in ("sd", "autocorrelation")),
        *(f"correlation_{name}" for name in SERIES[1:]),
        *GAPS,
    )


def evaluated(
    economy: Economy, rule: Rule, curved: bool, exact: Exact | None, no_exact: str = ""
) -> Evaluation:
    """Measure a rule; it takes up to 1 s of one core and the time of the rule itself, which is
    asked a few hundred times, or each period where it sees the masses.

    Args:
        economy: where households live.
        rule: what they do.
        curved: whether the law by state is quadratic in log K; else it is log-linear.
        exact: what the exact rule makes of the same path, None where there is none.
        no_exact: why there is none.
    """
    nothing = dict.fromkeys(evaluation_names(economy.num_states), math.nan)
    try:
        households, history = history_of(economy, rule, exact)
        found = dict(_measured(households, history, curved))
    except NoSolutionError as error:
        return Evaluation(nothing, f"the rule is not measured: {error}")
    if exact is not None:
        found |= _gaps(economy, rule, exact) | {
            "mean_k_gap": found["capital_mean"] / exact.capital_mean - 1
        }
    measures = nothing | found
    lacking = [name for name, number in measures.items() if not math.isfinite(number)]
    reasons = [] if exact else [f"no oracle_gap: {no_exact or 'there is no exact solution here'}"]
    if others := [name for name in lacking if exact or name not in GAPS]:
        reasons.append(f"not defined on this path: {', '.join(others)}")
    return Evaluation(measures, "; ".join(reasons))


def history_of(economy: Economy, rule: Rule, exact: Exact | None) -> tuple[Households, History]:
    """Let a rule live along the path.

    Raises:
        NoSolutionError: savings are no numbers, or wealth leaves the grid.
    """
    assets = wealth_grid(economy, NUM_POINTS) if exact is None else exact.assets
    households = Households(economy, rule, assets)
    states = tfp_path(economy, NUM_PERIODS)
    if exact is None:
        start = households.evenly(states[0], float(economy.complete_markets_capital[states[0]]))
    else:
        start = exact.start
    history = lived(households, states, start, DATES)
    if history.most_at_top > MOST_AT_TOP:
        raise wealth_left(households, history)
    return households, history


def wealth_left(households: Households, history: History) -> NoSolutionError:
    """Why a history is none: households are at the highest wealth."""
    top, capital = households.assets[-1], history.capital.max()
    return NoSolutionError(
        f"the grid cuts wealth off: {history.most_at_top:.2g} of households are at its top "
        f"{top:.4g}, allowed is {MOST_AT_TOP}; K rose to {capital:.4g}",
        "train longer: a rule that has hardly learned may gather so much, and a planner's does",
    )


def counted(history: History) -> tuple[Array, States]:
    """log K of the periods that count, and of the one after; and their states of Z."""
    return np.log(history.capital[FIRST:]), history.states[FIRST:]


def path_law(history: History, num_states: int, curved: bool) -> Law:
    """The law by state of a history."""
    log_capital, states = counted(history)
    return fitted_law(log_capital, states, num_states, curved)


def exact_of(households: Households, history: History, start: Array) -> Exact:
    """What is kept of the history of the exact rule, which began at `start`."""
    dates = history.dates
    return Exact(
        households.assets,
        start,
        float(history.capital[FIRST:-1].mean()),
        dates,
        history.capital[dates],
        history.masses,
        _log_next(households, history.masses, history.capital[dates], history.states[dates]),
    )


def _log_next(households: Households, masses: Array, capital: Array, states: States) -> Array:
    """log K' if the rule is applied to cross-sections."""
    found = []
    rule, assets = households.rule, households.assets
    for mass, owned, state in zip(masses, capital.tolist(), states.tolist(), strict=True):
        saved = np.clip(rule.next_assets(assets, mass, owned, state), 0.0, assets[-1])
        found.append(max(float((mass * saved).sum()), least_capital(assets)))
    return np.log(found)


def _gaps(economy: Economy, rule: Rule, exact: Exact) -> dict[str, float]:
    """How far log K' is from the exact rule's, at the exact rule's cross-sections."""
    states = tfp_path(economy, NUM_PERIODS)[exact.dates]
    households = Households(economy, rule, exact.assets)
    gaps = np.abs(_log_next(households, exact.masses, exact.capital, states) - exact.log_next)
    return {"oracle_gap": float(gaps.max()), "oracle_gap_mean": float(gaps.mean())}


def _measured(
    households: Households, history: History, curved: bool
) -> Iterator[tuple[str, float]]:
    yield from _law_measures(households.economy, history, curved)
    capital = history.capital[FIRST:-1]
    yield "capital_mean", float(capital.mean())
    yield "capital_sd", float(capital.std())
    yield from cross_section_measures(households, history)
    yield from _business_cycle(households.economy, history)


def _law_measures(economy: Economy, history: History, curved: bool) -> Iterator[tuple[str, float]]:
    log_capital, states = counted(history)
    pooled = pooled_law(log_capital, states, economy.tfp)
    yield "law_intercept", pooled.intercept
    yield "law_slope", pooled.slope
    yield "law_slope_z", pooled.slope_z
    yield "law_r_squared", pooled.r_squared
    law = path_law(history, economy.num_states, curved)
    linear = path_law(history, economy.num_states, False)
    for state, (own, line) in enumerate(zip(law.coefficients, linear.coefficients, strict=True)):
        for term, number in zip(LAW_TERMS, own, strict=True):
            yield f"law_{term}_{state}", float(number)
        yield f"law_linear_intercept_{state}", float(line[0])
        yield f"law_linear_slope_{state}", float(line[1])
    errors = forecast_errors(law, log_capital, states)
    yield "dh_mean", float(errors.mean())
    yield "dh_max", float(errors.max())


def _business_cycle(economy: Economy, history: History) -> Iterator[tuple[str, float]]:
    """Of logs of Y, C and I, without a trend taken out; NaN where I falls to 0."""
    capital, following = history.capital[FIRST:-1], history.capital[FIRST + 1 :]
    produced = economy.output(capital, history.states[FIRST:])
    invested = following - (1 - economy.delta) * capital
    series = dict(zip(SERIES, (produced, produced - invested, invested), strict=True))
    logs = {name: _logarithm(level) for name, level in series.items()}
    for name, moving in logs.items():
        yield f"sd_{name}", float(moving.std())
        yield f"autocorrelation_{name}", _correlation(moving[1:], moving[:-1])
    for name in SERIES[1:]:
        yield f"correlation_{name}", _correlation(logs[name], logs["output"])


def _logarithm(levels: Array) -> Array:
    return np.log(levels) if levels.min() > 0 else np.full_like(levels, np.nan)


def _correlation(x: Array, y: Array) -> float:
    spread = float(x.std() * y.std())
    return float(((x - x.mean()) * (y - y.mean())).mean()) / spread if spread > 0 else math.nan
