"""Arrays of figures: functions of the equilibrium, a path, the law of motion, impulse responses.

What each gives of a rule is by name; `nthrun.analysis.figures.krusell_smith` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nthrun.environments.krusell_smith.economy import Economy, States
from nthrun.environments.krusell_smith.evaluation import counted, path_law
from nthrun.environments.krusell_smith.histogram import History, Households, lived, tfp_path
from nthrun.environments.markov_chains import Array
from nthrun.errors import NthrunError

NUM_FUTURES, FUTURES_SEED = 64, 20260301
"""Paths of Z over which a response is averaged, and the seed of their draws."""
LINE_POINTS = 50
"""Points of the line of a law."""
PERCENT = 100.0
RICHEST = 0.999
"""The share of households whose wealth is drawn, from the poorest on."""


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """A cross-section of households.

    Attributes:
        state: of Z.
        capital: K.
        masses: `(kinds, points)` on the grid of wealth.
    """

    state: int
    capital: float
    masses: Array


def nearest_section(history: History, state: int, capital: float | None) -> Section:
    """The cross-section kept of a history in a state of Z whose K is nearest to one.

    Args:
        capital: None for the median in that state.

    Raises:
        NthrunError: no date with that state was kept.
    """
    states = history.states[history.dates]
    here = np.flatnonzero(states == state)
    if len(here) == 0:
        met = ", ".join(str(each) for each in np.unique(states))
        raise NthrunError(
            f"state {state} of Z is met at none of the {len(states)} dates whose cross-sections "
            f"are kept, allowed: {met}"
        )
    owned = history.capital[history.dates[here]]
    wanted = float(np.median(owned)) if capital is None else capital
    place = here[int(np.argmin(np.abs(owned - wanted)))]
    return Section(state, float(history.capital[history.dates[place]]), history.masses[place])


def functions(households: Households, section: Section, assets: Array) -> dict[str, Array]:
    """c, gross of the disutility of labour, and a', `(kinds, points)`, with `z` and `a` of them."""
    economy = households.economy
    here, capital = np.array(section.state), np.array(section.capital)
    r, w = economy.prices(capital, here)
    income = economy.labour.net_income(w, here)[:, None]
    x = (1 + r) * assets + income
    masses = on_grid(assets, households.assets, section.masses)
    saved = households.rule.next_assets(assets, masses, section.capital, section.state)
    saved = np.clip(saved, 0.0, None)
    shape = saved.shape
    return {
        "z": np.broadcast_to(economy.labour.productivity[:, None], shape).copy(),
        "a": np.broadcast_to(assets, shape).copy(),
        "c": x - saved + economy.labour.disutility(w, here)[:, None],
        "a_next": saved,
    }


def on_grid(assets: Array, grid: Array, masses: Array) -> Array:
    """Masses on another grid, each at the two points beside it in the shares that keep its mean."""
    place = np.clip(np.interp(grid, assets, np.arange(len(assets))), 0, len(assets) - 1)
    low = np.minimum(place.astype(np.intp), len(assets) - 2)
    moved = np.zeros((len(masses), len(assets)))
    for row, mass in zip(moved, masses, strict=True):
        np.add.at(row, low, mass * (1 - (place - low)))
        np.add.at(row, low + 1, mass * (place - low))
    return moved


def series(economy: Economy, history: History) -> dict[str, Array]:
    """What a path adds up to, `(periods,)` each; C = Y + (1 - δ) K - K'."""
    capital, states = history.capital[:-1], history.states
    output = economy.output(capital, states)
    r, w = economy.prices(capital, states)
    return {
        "tfp": economy.tfp[states],
        "capital": capital,
        "labour": economy.supply(capital, states),
        "output": output,
        "consumption": output + (1 - economy.delta) * capital - history.capital[1:],
        "r": r,
        "w": w,
    }


def path(households: Households, first: int, periods: int) -> History:
    """What happens on the path of Z from period `first` on, the masses of every period kept.

    Before the path everybody owns K of complete markets.
    """
    economy = households.economy
    states = tfp_path(economy, first + periods)
    start = households.evenly(states[0], float(economy.complete_markets_capital[states[0]]))
    before = lived(households, states[: first + 1], start, np.array([first]))
    return lived(households, states[first:], before.masses[0], np.arange(periods))


def densities(
    households: Households, history: History, num_dates: int, num_bins: int
) -> dict[str, Array]:
    """Households by wealth at dates evenly spaced, of a history whose masses are all kept.

    `date` `(dates,)`, `wealth` `(bins,)` in the middle of bins up to what all but a thousandth of
    households have less than, and `density` `(dates, bins)`, of integral 1 over all wealth.
    """
    dates = np.unique(np.linspace(0, len(history.masses) - 1, num_dates).astype(np.intp))
    below = np.cumsum(history.masses[dates].sum(1), 1)
    top = households.assets[min(int((below < RICHEST).sum(1).max()), below.shape[1] - 1)]
    edges = np.linspace(0.0, top, num_bins + 1)
    reached = np.stack([np.interp(edges, households.assets, row) for row in below])
    return {
        "date": dates,
        "wealth": (edges[1:] + edges[:-1]) / 2,
        "density": np.diff(reached, axis=1) / (edges[1] - edges[0]),
    }


def law(households: Households, history: History, curved: bool) -> dict[str, Array]:
    """K of the periods that count, its growth, the law by state as lines, and what it leaves.

    `log_capital`, `log_growth`, `residual` and `state` are `(periods,)`; `line_log_capital` and
    `line_log_growth` `(states, points)`; `coefficients` `(states, 3)`. Lines are NaN in a state
    that the path does not meet, or too rarely for a law.
    """
    economy = households.economy
    log_capital, states = counted(history)
    found = path_law(history, economy.num_states, curved)
    now, following = log_capital[:-1], log_capital[1:]
    lines = np.full((economy.num_states, LINE_POINTS), np.nan)
    for state in np.unique(states):
        met = now[states == state]
        lines[state] = np.linspace(met.min(), met.max(), LINE_POINTS)
    rows = np.arange(economy.num_states)[:, None]
    return {
        "tfp": economy.tfp,
        "state": states,
        "log_capital": now,
        "log_growth": following - now,
        "residual": following - found.log_next(now, states),
        "line_log_capital": lines,
        "line_log_growth": found.log_next(lines, rows) - lines,
        "coefficients": found.coefficients,
    }


def responses(households: Households, section: Section, to: int, periods: int) -> dict[str, Array]:
    """How the economy differs, on average, for Z having gone to another state, `(periods + 1,)`.

    The mean over paths of Z that begin in `section` and go on from the new state, less that over
    paths which go on from the old one by the same luck: a generalised impulse response (Koop,
    Pesaran and Potter, 1996, Impulse response analysis in nonlinear multivariate models, Journal of
    Econometrics 74(1)). In percent; of r in percentage points. The change is in period 1.

    Raises:
        NthrunError: something falls to 0 or below on a path, of which there is no percentage.
    """
    economy = households.economy
    luck = np.random.default_rng(FUTURES_SEED).random((NUM_FUTURES, periods - 1))
    means = {}
    for state in (to, section.state):
        sums: dict[str, Array] = {}
        for draws in luck:
            states = np.concatenate(([section.state], _walk(economy, state, draws)))
            history = lived(households, states, section.masses, np.zeros(0, np.intp))
            for name, numbers in series(economy, history).items():
                scaled = numbers if name == "r" else _logarithm(name, numbers)
                sums[name] = sums.get(name, 0.0) + scaled / NUM_FUTURES
        means[state] = sums
    changed, usual = means[to], means[section.state]
    return {name: PERCENT * (changed[name] - usual[name]) for name in changed}


def _logarithm(name: str, numbers: Array) -> Array:
    """Of what a path adds up to.

    Raises:
        NthrunError: it falls to 0 or below.
    """
    if numbers.min() <= 0:
        period = int(np.argmin(numbers))
        raise NthrunError(
            f"no response in percent: {name} is {numbers[period]:.4g} in period {period} of a "
            "path, allowed: above 0",
            "plot fewer --periods, another --from or --to, or a run that has learned more",
        )
    return np.asarray(np.log(numbers))


def _walk(economy: Economy, first: int, draws: Array) -> States:
    """A path of Z from a state on, by luck."""
    bounds = np.cumsum(economy.tfp_transition, 1)[:, :-1]
    path = [first]
    for draw in draws:
        path.append(int((draw >= bounds[path[-1]]).sum()))
    return np.array(path, np.intp)
