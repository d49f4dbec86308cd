"""Ability as a Markov chain of finitely many states, with E v = 1.

Rouwenhorst's chain has the autocorrelation and the deviation of the AR(1) process exactly, for any
number of states (Kopecky and Suen (2010), Finite state Markov-chain approximations to highly
persistent processes, RED 13(3)). Tauchen's (1986) is cruder, and is here because published tables
were made with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy.special import ndtr

from nthrun.environments.bewley.calibration import AbilityProcess, Array, Superstar, fault, reject
from nthrun.environments.bewley.declaration import calibration_of
from nthrun.environments.markov_chains import rouwenhorst_transition, stationary_shares
from nthrun.specs.field import Value


@dataclass(frozen=True, slots=True, eq=False)
class AbilityChain:
    """A Markov chain of ability.

    Attributes:
        values: `(n,)` v > 0 of each state, of mean 1 under `stationary`.
        transition: `(n, n)` probabilities, from the row's state to the column's.
        stationary: `(n,)` shares of the states in the long run.
    """

    values: Array
    transition: Array
    stationary: Array


def rouwenhorst(process: AbilityProcess, num_states: int) -> AbilityChain:
    """Rouwenhorst's chain: n evenly spaced log v, ±√(n-1) deviations wide.

    Args:
        process: what it approximates, with its superstar if it has one.
        num_states: n >= 2; a superstar doubles it.
    """
    _reject_few(num_states)
    transition = rouwenhorst_transition(process.rho, num_states)
    width = np.sqrt(num_states - 1)
    return _chain(process, np.linspace(-width, width, num_states), transition)


def tauchen(process: AbilityProcess, num_states: int, width: float = 3.0) -> AbilityChain:
    """Tauchen's chain: n evenly spaced log v, each standing for what is nearest to it.

    Args:
        process: what it approximates, with its superstar if it has one.
        num_states: n >= 2; a superstar doubles it.
        width: how many deviations of log v the outer states are from the mean, > 0.
    """
    _reject_few(num_states)
    reject([(width > 0, fault("width", width, "(0, ∞)"))])
    points = np.linspace(-width, width, num_states)
    edges = (points[1:] + points[:-1]) / 2
    spread = process.sigma / process.deviation
    below = ndtr((edges - process.rho * points[:, None]) / spread)
    return _chain(process, points, np.diff(below, axis=1, prepend=0.0, append=1.0))


def _reject_few(num_states: int) -> None:
    reject([(num_states >= 2, fault("number of ability states", num_states, "2 or more"))])


def _chain(process: AbilityProcess, points: Array, transition: Array) -> AbilityChain:
    """The chain of log v at these deviations from its mean, bounded, with superstars, E v = 1."""
    values = np.exp(process.deviation * np.clip(points, -process.bound, process.bound))
    if process.superstar.enter > 0:
        values = np.concatenate((values, process.superstar.factor * values))
        transition = np.asarray(np.kron(_flags(process.superstar), transition), dtype=np.float64)
    stationary = stationary_shares(transition)
    return AbilityChain(values / (stationary @ values), transition, stationary)


def _flags(superstar: Superstar) -> Array:
    enter, stay = superstar.enter, superstar.stay
    return np.array([[1 - enter, enter], [1 - stay, stay]])


def chain_of(values: Mapping[str, Value]) -> AbilityChain:
    """Rouwenhorst's chain, or that of v = 1 where `complete_markets` share all risk.

    Args:
        values: of the spec, dotted key -> value.
    """
    if values["complete_markets"]:
        return AbilityChain(np.ones(1), np.ones((1, 1)), np.ones(1))
    return rouwenhorst(calibration_of(values).ability, cast(int, values["ability_states"]))
