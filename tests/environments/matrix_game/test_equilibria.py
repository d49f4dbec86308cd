"""Equilibria and best responses of matrix games, against known ones and plain loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nthrun import nash_equilibria, response_gains, responses
from nthrun.errors import UnsupportedOperationError

Tables = dict[str, np.ndarray]


def game(row: list[list[float]], column: list[list[float]]) -> Tables:
    """The tables of two roles."""
    return {"row": np.array(row, float), "column": np.array(column, float)}


PENNIES = game([[1, -1], [-1, 1]], [[-1, 1], [1, -1]])
KNOWN = {
    "prisoner's dilemma": (
        game([[-1, -3], [0, -2]], [[-1, 0], [-3, -2]]),
        [([0, 1], [0, 1])],
    ),
    "matching pennies": (PENNIES, [([1 / 2, 1 / 2], [1 / 2, 1 / 2])]),
    "chicken": (
        game([[0, 7], [2, 6]], [[0, 2], [7, 6]]),
        [([0, 1], [1, 0]), ([1, 0], [0, 1]), ([1 / 3, 2 / 3], [1 / 3, 2 / 3])],
    ),
    "rock, paper, scissors": (
        game([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], [[0, 1, -1], [-1, 0, 1], [1, -1, 0]]),
        [([1 / 3] * 3, [1 / 3] * 3)],
    ),
    # von Stengel (2007), game (3.7): three equilibria, two of them mixed.
    "three by two": (
        game([[3, 3], [2, 5], [0, 6]], [[3, 2], [2, 6], [3, 1]]),
        [
            ([0, 1 / 3, 2 / 3], [1 / 3, 2 / 3]),
            ([4 / 5, 1 / 5, 0], [2 / 3, 1 / 3]),
            ([1, 0, 0], [1, 0]),
        ],
    ),
    # Matching pennies with a third row that earns less than the first in any case.
    "a dominated row": (
        game([[1, -1], [-1, 1], [0.5, -2]], [[-1, 1], [1, -1], [9, 9.5]]),
        [([1 / 2, 1 / 2, 0], [1 / 2, 1 / 2])],
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_equilibria_are_found_and_no_others(name: str) -> None:
    """Games with known equilibria have exactly these, to 1e-12, and are not degenerate."""
    tables, expected = KNOWN[name]
    found = nash_equilibria(tables)
    assert not found.degenerate
    pairs = sorted((mixed["row"].tolist(), mixed["column"].tolist()) for mixed in found.mixed)
    assert len(pairs) == len(expected)
    for pair, known in zip(pairs, sorted(expected), strict=True):
        for got, wanted in zip(pair, known, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "tables",
    [
        game([[1, 1], [1, 1]], [[1, 1], [1, 1]]),
        game([[1, 1], [0, 2]], [[1, 1], [0, 3]]),
        game([[1, -1], [1, -1], [-1, 1]], [[-1, 1], [-1, 1], [1, -1]]),
    ],
    ids=["nothing matters", "a row with two best responses", "the same row twice"],
)
def test_degenerate_games_are_told(tables: Tables) -> None:
    """Where a strategy has more best responses than choices it mixes the game is said to be
    degenerate, and what is found are equilibria."""
    found = nash_equilibria(tables)
    assert found.degenerate
    assert found.mixed
    for mixed in found.mixed:
        assert max(response_gains(tables, mixed).values()) < 1e-9


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1), st.sampled_from([1, 1e6]))
def test_what_is_found_are_equilibria_and_an_odd_number(
    rows: int, columns: int, seed: int, scale: float
) -> None:
    """In random games nobody gains by another choice, whatever the unit of payoffs; and there is an
    odd number of equilibria, as Wilson (1971) proved of games that are not degenerate."""
    rng = np.random.default_rng(seed)
    tables = {name: scale * rng.normal(size=(rows, columns)) for name in ("row", "column")}
    found = nash_equilibria(tables)
    assert found.degenerate or len(found.mixed) % 2 == 1
    for mixed in found.mixed:
        assert max(response_gains(tables, mixed).values()) < 1e-8 * scale
        assert all(part.sum() == pytest.approx(1.0) for part in mixed.values())


def test_what_a_choice_earns_is_the_mean_over_the_others() -> None:
    """With three roles, `responses` has the expected payoff of every choice, by a plain sum; the
    gain of a mixed strategy is that of the best above its own."""
    rng = np.random.default_rng(3)
    sizes = {"a": 2, "b": 3, "c": 4}
    tables = {name: rng.normal(size=(2, 3, 4)) for name in sizes}
    mixed = {name: rng.dirichlet(np.ones(size)) for name, size in sizes.items()}
    expected = {name: np.zeros(size) for name, size in sizes.items()}
    for cell in itertools.product(*map(range, sizes.values())):
        chances = [mixed[name][choice] for name, choice in zip(sizes, cell, strict=True)]
        for place, name in enumerate(sizes):
            others = np.prod([c for n, c in enumerate(chances) if n != place])
            expected[name][cell[place]] += others * tables[name][cell]
    earned, gains = responses(tables, mixed), response_gains(tables, mixed)
    for name in sizes:
        np.testing.assert_allclose(earned[name], expected[name], rtol=0, atol=1e-12)
        own = expected[name] @ mixed[name]
        assert gains[name] == pytest.approx(expected[name].max() - own, abs=1e-12)


def test_games_whose_equilibria_are_not_found_are_told() -> None:
    """Three roles, and two with many choices, are refused in a line that says what is allowed."""
    three = {name: np.zeros((2, 2, 2)) for name in "abc"}
    with pytest.raises(UnsupportedOperationError, match=r"3 roles \(a, b, c\).*allowed: 2 roles"):
        nash_equilibria(three)
    many = {name: np.zeros((10, 10)) for name in "ab"}
    with pytest.raises(UnsupportedOperationError, match=r"10 by 10 choices.*allowed: up to 9 by 9"):
        nash_equilibria(many)
