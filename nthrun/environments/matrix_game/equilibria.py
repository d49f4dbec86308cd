"""Exact solutions of matrix games: what choices earn, best responses, and Nash equilibria.

The equilibria of two roles are found by labels. With tables A of the rows and B of the columns,
raised until all numbers are positive, the polytopes

    P = {x >= 0, Bᵀ x <= 1}      Q = {y >= 0, A y <= 1}

have a vertex for each way in which the other role's best responses may change. A label of x is a
row that it leaves out (x_i = 0) or a column that is a best response to it ((Bᵀ x)_j = 1), and of y
likewise. The extreme equilibria are the pairs of vertices, but for the two origins, that have all
labels together, each scaled to a sum of 1: von Stengel (2007), "Equilibrium computation for
two-player games in strategic and extensive form", sections 3.4 and 3.5.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nthrun.errors import UnsupportedOperationError

Strategies = Mapping[str, Sequence[float] | np.ndarray]
"""Role -> the probability of each of its choices."""
TOLERANCE = 1e-9
"""What rounding may have made of a number that is to be 0, tables having numbers up to 1."""
SINGULAR = 1e10
"""Condition number from which a system of labels is taken to have no solution of its own."""
MAX_BASES = 50_000
"""Most sets of labels that are tried for one role's vertices: 9 by 9 choices have 48,620."""


@dataclass(frozen=True, slots=True)
class Equilibria:
    """The Nash equilibria of a game of two roles.

    Attributes:
        mixed: pairs of strategies, role -> probabilities. In a degenerate game these are the
            extreme ones, and some convex combinations of them are equilibria too.
        degenerate: whether a strategy has more best responses than choices that it mixes, so that
            there may be infinitely many equilibria.
    """

    mixed: tuple[dict[str, np.ndarray], ...]
    degenerate: bool


def responses(tables: Mapping[str, np.ndarray], mixed: Strategies) -> dict[str, np.ndarray]:
    """What each choice of every role earns against the strategies of the others.

    Args:
        tables: role -> payoffs, an axis of choices for each role, in the order of the roles.
        mixed: of every role.

    Returns:
        role -> `(size,)`.
    """
    earned = {}
    for place, (name, table) in enumerate(tables.items()):
        values = np.moveaxis(np.asarray(table, np.float64), place, 0)
        for other in reversed([role for role in tables if role != name]):
            values = values @ np.asarray(mixed[other], np.float64)
        earned[name] = values
    return earned


def response_gains(tables: Mapping[str, np.ndarray], mixed: Strategies) -> dict[str, float]:
    """What an agent of each role gains by its best response to the others: role -> 0 or more.

    All are 0 in a Nash equilibrium; their sum is NashConv, their largest the exploitability.
    """
    earned = responses(tables, mixed)
    return {
        name: float(values.max() - values @ np.asarray(mixed[name], np.float64))
        for name, values in earned.items()
    }


def nash_equilibria(tables: Mapping[str, np.ndarray]) -> Equilibria:
    """All equilibria of a game of two roles, or the extreme ones where it is degenerate.

    Args:
        tables: role -> payoffs, `(rows, columns)`.

    Raises:
        UnsupportedOperationError: it has more roles, or so many choices that it would take long.
    """
    if len(tables) != 2:
        raise UnsupportedOperationError(
            f"equilibria of a game of {len(tables)} roles ({', '.join(tables)}) are not found, "
            "allowed: 2 roles",
            "response_gains says of given strategies how far from one they are",
        )
    (row, first), (column, second) = tables.items()
    rows, columns = first.shape
    if math.comb(rows + columns, min(rows, columns)) > MAX_BASES:
        raise UnsupportedOperationError(
            f"equilibria of {rows} by {columns} choices would take too long, allowed: up to 9 by 9"
        )
    of_rows = list(_vertices(_raised(second).T))
    of_columns = [
        (vertex, frozenset((label + rows) % (rows + columns) for label in labels))
        for vertex, labels in _vertices(_raised(first))
    ]
    every = frozenset(range(rows + columns))
    pairs = [
        {row: x / x.sum(), column: y / y.sum()}
        for x, labels in of_rows
        for y, others in of_columns
        if labels | others == every and x.any() and y.any()
    ]
    counts = ((of_rows, rows), (of_columns, columns))
    degenerate = any(len(labels) > size for found, size in counts for _, labels in found)
    return Equilibria(tuple(pairs), degenerate)


def _raised(table: np.ndarray) -> np.ndarray:
    """A table from 1 to 2, which changes no best response."""
    spread = float(np.ptp(table)) or 1.0
    return np.asarray(1.0 + (table - table.min()) / spread)


def _vertices(table: np.ndarray) -> Iterator[tuple[np.ndarray, frozenset[int]]]:
    """The vertices of {x >= 0, table x <= 1} and their labels: n is that x_n is 0, and size + n
    that row n of the table is 1."""
    size = table.shape[1]
    left = np.vstack([np.eye(size), table])
    right = np.concatenate([np.zeros(size), np.ones(len(table))])
    bases = np.array(list(itertools.combinations(range(len(left)), size)))
    bases = bases[np.linalg.cond(left[bases]) < SINGULAR]
    solved = np.linalg.solve(left[bases], right[bases][..., None])[..., 0]
    slack = solved @ left.T - right
    inside = (slack[:, :size] >= -TOLERANCE).all(1) & (slack[:, size:] <= TOLERANCE).all(1)
    seen: set[frozenset[int]] = set()
    for vertex, tight in zip(solved[inside], np.abs(slack[inside]) <= TOLERANCE, strict=True):
        labels = frozenset(np.flatnonzero(tight).tolist())
        if labels not in seen:
            seen.add(labels)
            yield np.where(np.abs(vertex) <= TOLERANCE, 0.0, vertex), labels
