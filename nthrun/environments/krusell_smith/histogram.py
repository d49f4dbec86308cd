"""Households counted on a grid of wealth, and how they live along a path of productivity.

Young (2010), Solving the incomplete markets model with aggregate uncertainty using the
Krusell-Smith algorithm and non-stochastic simulations, JEDC 34(1): savings between two points of
wealth go to both, in the shares that keep their mean, and kinds of households move by their chain.
So an economy has no sampling error but that of the path of Z.

Arrays of households have the shape `(kinds, points)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nthrun.environments.bewley.distribution import asset_grid
from nthrun.environments.krusell_smith.economy import Economy, States
from nthrun.environments.markov_chains import Array, stationary_shares
from nthrun.errors import NoSolutionError

NUM_POINTS = 300
"""Points of wealth on which households are counted, unless told otherwise."""
TOP_IN_CAPITAL = 25.0
"""The highest wealth, in what households own in complete markets in the best state of Z."""
PARTS_OF_CAPITAL = 24.0
"""The same in the worst state, in scales of the grid, whose steps grow with wealth + scale."""
CAPITAL_STEP = 0.025
"""Step of log K at which a rule is tabulated that depends on no more of the households than K."""
MOST_AT_TOP = 1e-4
"""The share of households allowed at the highest wealth."""
PATH_SEED = 20250302
NUM_STREAMS, NUM_PATHS_KEPT = 100, 16
"""Streams of random numbers among which a path of Z is looked for, and paths that a process keeps,
since looking through all streams takes a second."""
FAIR_VISITS = (0.5, 2.0)
"""What a path may make of each state's share in the long run."""


def wealth_grid(economy: Economy, num_points: int = NUM_POINTS, top: float = 0.0) -> Array:
    """`(points,)` wealth, from 0 to `top`, or to what an economy asks for where that is 0."""
    owned = economy.complete_markets_capital
    highest = top or TOP_IN_CAPITAL * float(owned.max())
    return asset_grid(num_points, highest, float(owned.min()) / PARTS_OF_CAPITAL)


def least_capital(assets: Array) -> float:
    """The K that there is where nobody saves anything, so that prices stay numbers."""
    return float(assets[1]) / 1e6


def tfp_path(economy: Economy, num_periods: int) -> States:
    """`(periods,)` states of Z, the same whenever it is asked for, not to be written to.

    Of several streams the first is taken in whose path each state has between half and twice its
    share in the long run; where there is none, the one whose rarest state is the least rare.
    """
    return _fair_path(economy.tfp_transition.tobytes(), economy.num_states, num_periods)


@lru_cache(NUM_PATHS_KEPT)
def _fair_path(transition: bytes, num_states: int, num_periods: int) -> States:
    """See `tfp_path`.

    Args:
        transition: `(states, states)` float64.
    """
    rows = np.frombuffer(transition).reshape(num_states, num_states)
    shares = stationary_shares(rows)
    steps = np.cumsum(rows, 1)[:, :-1]
    first = int(np.argmax(shares))
    best: tuple[float, States] = (-1.0, np.zeros(0, np.intp))
    for stream in range(NUM_STREAMS):
        draws = np.random.default_rng((PATH_SEED, stream)).random(num_periods)
        path = _walk(steps, first, draws)
        path.flags.writeable = False
        visits = np.bincount(path, minlength=num_states) / num_periods / shares
        if visits.min() >= FAIR_VISITS[0] and visits.max() <= FAIR_VISITS[1]:
            return path
        best = max(best, (float(visits.min()), path), key=lambda found: found[0])
    return best[1]


def _walk(steps: Array, first: int, draws: Array) -> States:
    rows, state, path = steps.tolist(), first, []
    for draw in draws.tolist():
        path.append(state)
        state = sum(draw >= bound for bound in rows[state])
    return np.array(path, np.intp)


@dataclass(frozen=True, slots=True)
class Rule:
    """What households do.

    Attributes:
        next_assets: wealth `(points,)`, masses `(kinds, points)` at it, K and the number of the
            state of Z -> a' >= 0, `(kinds, points)`.
        sees_masses: whether a' depends on the masses in another way than by K. A rule that does not
            is looked up in a table of K, which is much faster.
    """

    next_assets: Callable[[Array, Array, float, int], Array]
    sees_masses: bool = False


class Households:
    """The households of an economy on a grid, and a rule that they follow.

    Args:
        economy: where they live.
        rule: what they do.
        assets: `(points,)` rising from 0.
    """

    def __init__(self, economy: Economy, rule: Rule, assets: Array) -> None:
        self.economy, self.rule, self.assets = economy, rule, assets
        self._chain = np.ascontiguousarray(economy.kind_transition.transpose(0, 2, 3, 1))
        self._widths = np.diff(assets)
        self._offsets = len(assets) * np.arange(economy.num_kinds)[:, None]
        self._unit = float(economy.complete_markets_capital[0])
        self._rows: dict[tuple[int, int], Array] = {}

    def evenly(self, state: int, capital: float) -> Array:
        """Masses where everybody owns K."""
        masses = np.zeros((self.economy.num_kinds, len(self.assets)))
        place = self._placed(np.array([[capital]]))[0, 0]
        low = min(int(place), len(self.assets) - 2)
        masses[:, low], masses[:, low + 1] = 1 - (place - low), place - low
        return np.asarray(masses * self.economy.shares[state][:, None])

    def places(self, masses: Array, capital: float, state: int) -> Array:
        """Where savings lie on the grid: 3.25 is a quarter of the way from point 3 to point 4.

        Raises:
            NoSolutionError: where they are no numbers.
        """
        if self.rule.sees_masses:
            return self._placed(self._decided(masses, capital, state))
        step = math.log(capital / self._unit) / CAPITAL_STEP
        low = math.floor(step)
        share = step - low
        return (1 - share) * self._row(state, low) + share * self._row(state, low + 1)

    def savings(self, places: Array) -> Array:
        """a' at places."""
        low = np.minimum(places.astype(np.intp), len(self.assets) - 2)
        return np.asarray(self.assets[low] + (places - low) * self._widths[low])

    def saved(self, masses: Array, places: Array) -> Array:
        """Masses at a', of the kinds of this period."""
        count, shape = masses.size, masses.shape
        low = np.minimum(places.astype(np.intp), shape[1] - 2)
        upward = masses * (places - low)
        to = (low + self._offsets).ravel()
        found = np.bincount(to, (masses - upward).ravel(), count)
        found += np.bincount(to + 1, upward.ravel(), count)
        return np.asarray(found.reshape(shape))

    def moved(self, saved: Array, state: int, following: int) -> Array:
        """The masses of the next period, of masses at a' of this period's kinds."""
        return np.asarray(self._chain[state, following] @ saved)

    def _row(self, state: int, step: int) -> Array:
        if (state, step) not in self._rows:
            nothing = np.zeros((self.economy.num_kinds, len(self.assets)))
            capital = self._unit * math.exp(CAPITAL_STEP * step)
            decided = self._decided(nothing, capital, state)
            self._rows[state, step] = self._placed(decided)
        return self._rows[state, step]

    def _decided(self, masses: Array, capital: float, state: int) -> Array:
        decided = self.rule.next_assets(self.assets, masses, capital, state)
        if not np.isfinite(decided).all():
            raise NoSolutionError(
                f"at K = {capital:.4g} and Z = {self.economy.tfp[state]:.4g}: the rule's savings "
                "are not finite, allowed are numbers >= 0",
                "take smaller steps",
            )
        return decided

    def _placed(self, savings: Array) -> Array:
        inside = np.clip(savings, 0.0, self.assets[-1])
        last = len(self.assets) - 2
        low = np.minimum(np.searchsorted(self.assets, inside, side="right") - 1, last)
        return np.asarray(low + (inside - self.assets[low]) / self._widths[low])


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """What came of a path of Z.

    Attributes:
        states: `(periods,)` of Z.
        capital: `(periods + 1,)` K at the start of each, and after the last.
        dates: `(dates,)` periods of which the masses are kept.
        masses: `(dates, kinds, points)` at the start of those periods.
        last: `(kinds, points)` at the start of the last period.
        most_at_top: the largest share of households that was at the highest wealth.
    """

    states: States
    capital: Array
    dates: States
    masses: Array
    last: Array
    most_at_top: float


def lived(households: Households, states: States, start: Array, dates: States) -> History:
    """Let households live along a path.

    Args:
        households: who they are and what they do.
        states: `(periods,)` of Z.
        start: masses at the start of the first.
        dates: periods of which the masses are kept, rising.

    Raises:
        NoSolutionError: savings are no numbers.
    """
    assets, masses = households.assets, start
    least = least_capital(assets)
    capital, kept, most_at_top = [max(float(start.sum(0) @ assets), least)], [], 0.0
    wanted = set(dates.tolist())
    path = states.tolist()
    for date, (state, following) in enumerate(zip(path, [*path[1:], path[-1]], strict=True)):
        if date in wanted:
            kept.append(masses)
        before = masses
        saved = households.saved(masses, households.places(masses, capital[-1], state))
        owned = saved.sum(0)
        capital.append(max(float(owned @ assets), least))
        most_at_top = max(most_at_top, float(owned[-1]))
        masses = households.moved(saved, state, following)
    return History(states, np.array(capital), dates, np.array(kept), before, most_at_top)
