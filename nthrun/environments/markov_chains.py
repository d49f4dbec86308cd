"""Markov chains of finitely many states: Rouwenhorst's transition, and shares in the long run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def rouwenhorst_transition(autocorrelation: float, num_states: int) -> Array:
    """`(n, n)` probabilities of a chain of n evenly spaced values with an AR(1)'s autocorrelation.

    Values ±√(n-1) deviations wide have its deviation too (Kopecky and Suen (2010), Finite state
    Markov-chain approximations to highly persistent processes, RED 13(3)).

    Args:
        autocorrelation: in (-1, 1).
        num_states: n >= 1.
    """
    up = (1 + autocorrelation) / 2
    transition = np.ones((1, 1))
    for size in range(2, num_states + 1):
        wider = np.zeros((size, size))
        wider[:-1, :-1] += up * transition
        wider[:-1, 1:] += (1 - up) * transition
        wider[1:, :-1] += (1 - up) * transition
        wider[1:, 1:] += up * transition
        wider[1:-1] /= 2
        transition = wider
    return transition


def stationary_shares(transition: Array) -> Array:
    """The distribution that `(n, n)` transition probabilities leave as it is, `(n,)`.

    Grassmann, Taksar and Heyman (1985), Regenerative analysis and steady state distributions for
    Markov chains, Operations Research 33(5): nothing is subtracted, so that small shares are as
    exact as large ones.
    """
    rates = transition.copy()
    for state in range(len(rates) - 1, 0, -1):
        rates[:state, state] /= rates[state, :state].sum()
        rates[:state, :state] += np.outer(rates[:state, state], rates[state, :state])
    shares: Array = np.ones(len(rates))
    for state in range(1, len(rates)):
        shares[state] = shares[:state] @ rates[:state, state]
    return np.asarray(shares / shares.sum())
