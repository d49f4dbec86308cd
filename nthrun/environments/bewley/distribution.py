"""The stationary distribution of households over ability and wealth.

Young (2010), Solving the incomplete markets model with aggregate uncertainty using the
Krusell-Smith algorithm and non-stochastic simulations, JEDC 34(1): savings between two points of
wealth go to both, in the shares that keep their mean; ability moves by its chain, independently.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from nthrun.environments.bewley.ability import AbilityChain
from nthrun.environments.bewley.endogenous_grid import DecisionRules
from nthrun.errors import NoSolutionError

Array = NDArray[np.float64]

TOLERANCE = 1e-11
MAX_RESTARTS = 500


def stationary_mass(chain: AbilityChain, rules: DecisionRules, guess: Array | None = None) -> Array:
    """The mass `(num_states, num_assets)` that a period leaves as it is; its sum is 1.

    The eigenvector of the eigenvalue 1, by Arnoldi's method.

    Args:
        chain: how ability moves.
        rules: on the points of wealth where mass may be; savings beyond the last stay there.
        guess: mass to begin from; evenly over wealth if absent.

    Raises:
        NoSolutionError: where the method stops before a period moves less than 1e-11 of the mass.
    """
    saved = _savings_matrix(rules)
    shape = rules.savings.shape

    def moved(mass: Array) -> Array:
        return np.asarray(chain.transition.T @ (saved @ mass.ravel()).reshape(shape)).ravel()

    evenly = np.broadcast_to(chain.stationary[:, None] / shape[1], shape)
    operator = LinearOperator((evenly.size, evenly.size), matvec=moved, dtype=np.float64)
    start = (evenly if guess is None else guess).ravel()
    try:
        _, vectors = eigs(operator, k=1, which="LR", v0=start, tol=1e-13, maxiter=MAX_RESTARTS)
    except ArpackNoConvergence as error:
        raise _not_stationary(f"Arnoldi's method stopped after {MAX_RESTARTS} restarts") from error
    direction = vectors[:, 0].real
    mass = np.clip(direction / direction.sum(), 0.0, None)
    mass /= mass.sum()
    change = float(np.abs(moved(mass) - mass).sum())
    if not change <= TOLERANCE:
        raise _not_stationary(f"a period still moves {change:.2g}, allowed is {TOLERANCE}")
    return np.asarray(mass.reshape(shape))


def _savings_matrix(rules: DecisionRules) -> csr_array:
    """Where wealth goes by saving: `(n, n)`, n = num_states * num_assets, from column to row."""
    num_states, num_assets = rules.savings.shape
    savings = np.clip(rules.savings, 0.0, rules.assets[-1])
    left = np.clip(np.searchsorted(rules.assets, savings, side="right") - 1, 0, num_assets - 2)
    share = (savings - rules.assets[left]) / np.diff(rules.assets)[left]
    first = left + num_assets * np.arange(num_states)[:, None]
    rows = np.concatenate((first.ravel(), first.ravel() + 1))
    columns = np.tile(np.arange(first.size), 2)
    weights = np.concatenate((1 - share.ravel(), share.ravel()))
    return csr_array((weights, (rows, columns)), shape=(first.size, first.size))


def _not_stationary(reason: str) -> NoSolutionError:
    return NoSolutionError(
        f"no stationary distribution of wealth was found: {reason}",
        "take more risk, with which the interest rate is further below 1/β - 1",
    )
