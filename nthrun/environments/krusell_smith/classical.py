"""The classical solution: a law of motion that is its own forecast.

Krusell and Smith (1998), Income and wealth heterogeneity in the macroeconomy, JPE 106(5):
households expect capital to follow a law, they choose, the economy lives along a path of Z, and the
law of least squares of that path is what they expect next, until it no longer changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from nthrun.environments.bewley.distribution import asset_grid
from nthrun.environments.krusell_smith.economy import Economy, States
from nthrun.environments.krusell_smith.evaluation import (
    DATES,
    FIRST,
    NUM_PERIODS,
    Exact,
    exact_of,
    path_law,
)
from nthrun.environments.krusell_smith.histogram import (
    History,
    Households,
    Rule,
    lived,
    tfp_path,
    wealth_grid,
)
from nthrun.environments.krusell_smith.household import Choices, Household
from nthrun.environments.krusell_smith.law import LEAST_VISITS, Law
from nthrun.environments.markov_chains import Array
from nthrun.errors import NoSolutionError

FIRST_SHARE, SHARES = 0.5, (0.1, 1.0)
"""Part of a new law that is taken over, in the first rounds, and at least and at most later."""
SETTLING_ROUNDS = 5
"""Rounds before it is looked at whether wealth and K stay within the grids."""
CHANGE_OF_CHOICES, CHOICE_TOLERANCES = 1e-2, (1e-8, 1e-4)
"""How exactly households are solved, in parts of the last change of the law."""
PARTS_OF_CAPITAL = 50.0
"""What households own in the worst state of Z, in scales of the grid of a'."""
MOST_AT_TOP = 1e-5
"""The share of households allowed at the highest wealth."""
RAISE = "raise the hyperparameter wealth_top with more num_points, or leave it at 0"
CALM = "take a larger σ, a lower β or more depreciation: some gather wealth where r stays high"
NUM_TRIALS, WIDENING = 4, 3.0
"""Grids that are tried, each reaching so many times as far as the one before."""


@dataclass(frozen=True, slots=True)
class Grids:
    """What the solution is computed on.

    Attributes:
        num_points: of wealth at which households are counted, >= 10.
        num_choices: of a' at which the Euler equation is solved, >= 10.
        capital_step: of log K between points of K, > 0.
        capital_factor: how many times beyond K of complete markets these reach, > 1.
        top: the highest wealth; 0 for what the economy asks for.
        tolerance: by how much log K' may still change from law to law.
        max_rounds: laws that are tried.
    """

    num_points: int = 300
    num_choices: int = 150
    capital_step: float = 0.2
    capital_factor: float = 2.5
    top: float = 0.0
    tolerance: float = 1e-6
    max_rounds: int = 100

    def log_capital(self, economy: Economy) -> Array:
        """`(nodes,)` log K."""
        owned, reach = np.log(economy.complete_markets_capital), math.log(self.capital_factor)
        low, high = float(owned.min()) - reach, float(owned.max()) + reach
        return np.linspace(low, high, max(math.ceil((high - low) / self.capital_step), 3) + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """A law that is its own forecast, and what goes with it.

    Attributes:
        law: of motion.
        choices: of households that expect it.
        exact: what they make of the path of Z.
    """

    law: Law
    choices: Choices
    exact: Exact

    def rule(self, economy: Economy) -> Rule:
        """What households do, at any wealth and K."""
        return Household(economy, self.choices.saved, self.choices.log_capital).rule(self.choices)


def solved(economy: Economy, curved: bool, grids: Grids) -> Solution:
    """Find the law, on grids that reach as far as households and K do.

    Args:
        economy: to solve.
        curved: whether the law is quadratic in log K, else it is log-linear.
        grids: to begin with. A `top` that is not 0 is kept.

    Raises:
        NoSolutionError: no law is its own forecast, or wealth or K leave the widest grids.
    """
    fixed_top, problem = grids.top, ""
    for _ in range(NUM_TRIALS):
        rounds = _Rounds(economy, curved, grids)
        found = rounds.ended()
        if not (problem := rounds.problem()):
            return found
        if rounds.cuts_wealth_off and fixed_top:
            break
        grids = rounds.widened()
    raise NoSolutionError(problem, RAISE if fixed_top else CALM)


class _Rounds:
    """Rounds of choosing, living and fitting, on given grids."""

    def __init__(self, economy: Economy, curved: bool, grids: Grids) -> None:
        self._economy, self._curved, self._grids = economy, curved, grids
        self._assets = wealth_grid(economy, grids.num_points, grids.top)
        scale = float(economy.complete_markets_capital.min()) / PARTS_OF_CAPITAL
        saved = asset_grid(grids.num_choices, float(self._assets[-1]), scale)
        self._household = Household(economy, saved, grids.log_capital(economy))
        self._states = tfp_path(economy, NUM_PERIODS)
        _check_visits(economy, self._states)
        self._history: History

    def ended(self) -> Solution:
        """The solution; or, where wealth or K have left the grids, what there is.

        Raises:
            NoSolutionError: the law still changes after the last round.
        """
        law, choices = first_law(self._economy), self._household.first_choices()
        start, tolerance, before = self._first_masses(), CHOICE_TOLERANCES[1], None
        for number in range(self._grids.max_rounds):
            choices = self._household.solved(law, choices, tolerance)
            households = Households(self._economy, self._household.rule(choices), self._assets)
            self._history = lived(households, self._states, start, DATES)
            found = path_law(self._history, self._economy.num_states, self._curved)
            change = _distance(law, found)
            if change < self._grids.tolerance or (number >= SETTLING_ROUNDS and self.problem()):
                exact = exact_of(households, self._history, start)
                return Solution(found, choices, exact)
            share = _share(law, found, before) if before else FIRST_SHARE
            before, law = (law, found), _mixed(law, found, share if number else 1.0)
            start = self._restarted()
            tolerance = float(np.clip(CHANGE_OF_CHOICES * change, *CHOICE_TOLERANCES))
        raise NoSolutionError(
            f"the law of motion is not its own forecast: log K' still changes by {change:.2g} from "
            f"law to law after {self._grids.max_rounds} rounds, allowed is "
            f"{self._grids.tolerance:g}; {self._range()}",
            "take a TFP that moves less, finer grids, or a log-linear law",
        )

    @property
    def cuts_wealth_off(self) -> bool:
        """Whether households want more than the highest wealth."""
        return self._history.most_at_top > MOST_AT_TOP

    def problem(self) -> str:
        """What left its grid, or ""."""
        if self.cuts_wealth_off:
            return (
                f"the grid cuts wealth off: {self._history.most_at_top:.2g} of households are at "
                f"its top {self._assets[-1]:.4g}, allowed is {MOST_AT_TOP:g}; {self._range()}"
            )
        low, high = np.exp(self._household.log_capital[[0, -1]])
        capital = self._history.capital
        if low <= capital.min() and capital.max() <= high:
            return ""
        return f"K leaves its grid of {low:.4g} to {high:.4g}: {self._range()}"

    def widened(self) -> Grids:
        """Grids that reach further, for what left these."""
        grids = self._grids
        if not self.cuts_wealth_off:
            return replace(grids, capital_factor=WIDENING * grids.capital_factor)
        return replace(
            grids,
            top=WIDENING * float(self._assets[-1]),
            num_points=math.ceil(1.15 * grids.num_points),
            num_choices=math.ceil(1.15 * grids.num_choices),
        )

    def _range(self) -> str:
        capital = self._history.capital
        return f"K was {capital.min():.4g} to {capital.max():.4g}, {capital.mean():.4g} on average"

    def _first_masses(self) -> Array:
        nobody = Rule(lambda assets, masses, capital, state: masses)
        state = int(self._states[0])
        owned = float(self._economy.complete_markets_capital[state])
        return Households(self._economy, nobody, self._assets).evenly(state, owned)

    def _restarted(self) -> Array:
        """The last masses, in the shares of kinds that go with the first state of the path."""
        first, last = self._economy.shares[self._states[[0, -1]]]
        ratio = np.divide(first, last, out=np.zeros_like(first), where=last > 0)
        return np.asarray(self._history.last * ratio[:, None])


def first_law(economy: Economy) -> Law:
    """The law that is tried first: in each state as if it lasted, and markets were complete.

    K goes to where r = 1/β - 1, the part λ of the way being left each period, the stable root of
    λ² - (1 + 1/β + g) λ + 1/β = 0 with g = (c̃/K) β/σ (1-α) (1-ε) (r+δ), ε = d log L / d log K.
    """
    owned, states = economy.complete_markets_capital, np.arange(economy.num_states)
    inverse = 1 / economy.beta
    earned = (economy.shares * economy.net_income(owned, states)).sum(1)
    spent = inverse - 1 + earned / owned
    response = (1 - economy.alpha) * (1 - economy.labour.capital_elasticity)
    pull = spent / (inverse * economy.sigma) * response * (inverse - 1 + economy.delta)
    half = (1 + inverse + pull) / 2
    slope = half - np.sqrt(half**2 - inverse)
    log_owned = np.log(owned)
    rows = np.stack([(1 - slope) * log_owned, slope, np.zeros_like(slope)], 1)
    return Law(rows, np.tile([log_owned.min(), log_owned.max()], (len(owned), 1)))


def _check_visits(economy: Economy, states: States) -> None:
    counting = states[FIRST:]
    visits = np.bincount(counting, minlength=economy.num_states)
    rarest = int(np.argmin(visits))
    if visits[rarest] < LEAST_VISITS:
        raise NoSolutionError(
            f"Z = {economy.tfp[rarest]:.4g} is met in {visits[rarest]} of {len(counting)} periods, "
            f"too few for a law of motion, allowed is {LEAST_VISITS} or more",
            "take fewer states of TFP, or ones that are met more often",
        )


def _values(law: Law, like: Law) -> Array:
    """log K' of a law at the ends and the middle of the range of another."""
    low, high = like.log_bounds.T[..., None]
    points = low + (high - low) * np.array([0.0, 0.5, 1.0])
    return law.log_next(points, np.arange(len(points))[:, None])


def _distance(law: Law, found: Law) -> float:
    return float(np.abs(_values(found, found) - _values(law, found)).max())


def _share(law: Law, found: Law, before: tuple[Law, Law]) -> float:
    """The part of a new law to take over, by how the last step changed what is left.

    The step of Barzilai and Borwein (1988), Two-point step size gradient methods, IMA Journal of
    Numerical Analysis 8(1), within bounds.
    """
    now, new, last, answer = (_values(each, found) for each in (law, found, *before))
    moved, left = now - last, (new - now) - (answer - last)
    square = float((left * left).sum())
    step = -float((moved * left).sum()) / square if square > 0 else FIRST_SHARE
    return float(np.clip(step, *SHARES)) if step > 0 else FIRST_SHARE


def _mixed(law: Law, found: Law, share: float) -> Law:
    rows = (1 - share) * law.coefficients + share * found.coefficients
    return Law(rows, found.log_bounds)
