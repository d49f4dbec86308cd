"""The best amounts to pay and to raise at once in one step, by the cash that they leave.

With y the cash that is left, and what it is worth to go on from there,

    G(y) = exp(-(r - μ) dt) E[V_{n+1}(y + (α + (r - λ - μ) y) dt + σ(y) √dt ε)],

a firm with cash c has three ways to y, each over an interval of its own:

    to pay c - y,                               c - y + G(y),
    to issue the least, e, and pay the rest,    c - y - φ - (1 - 1 / p) e + G(y),
    to issue p (y - c + φ) and pay nothing,     p (c - y - φ) + G(y).

With p >= 1 the best of them is the best there is whenever the least issue raises cash, as it is
with rates, see `actions.ActionPaths`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.ghm.actions import best_between
from nthrun.environments.ghm.calibration import Calibration
from nthrun.environments.ghm.cash_grid import (
    Expectation,
    Floats,
    gaussian_expectation,
    step_deviations,
)
from nthrun.environments.ghm.rules import Rules

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Way:
    """A way from each cash of the grid to y in [low, high]; its reward is constant - price × y.

    Attributes:
        low, high, constant: shape (nodes,).
        price: of one unit of y.
        issuance: a_E where it is the same for every y; None where the reward is what is issued.
    """

    low: Floats
    high: Floats
    constant: Floats
    price: float
    issuance: float | None


@dataclass(frozen=True, slots=True)
class LumpSums:
    """What one step back needs, the same for every step.

    Attributes:
        cash: the grid, shape (nodes,).
        ways: those that are allowed.
        expectation: of V a step after y, for every y once.
        place: of y in it, for y on the grid and at `low` and `high` of each way, one after another,
            shape (1 + 2 ways, nodes).
        dividends: the most that may be paid, shape (nodes,).
        issues: the least and the most that may be issued.
    """

    cash: Floats
    ways: tuple[Way, ...]
    expectation: Expectation
    place: Places
    dividends: Floats
    issues: tuple[float, float]
    discount: float
    liquidation_value: float


def lump_sums(calibration: Calibration, rules: Rules, cash: Floats) -> LumpSums:
    """The step of a firm on a grid of cash."""
    ways = tuple(_ways(calibration, rules, cash))
    ends = (end for way in ways for end in (way.low, way.high))
    left, place = np.unique(np.stack([cash, *ends]), return_inverse=True)
    return LumpSums(
        cash,
        ways,
        gaussian_expectation(
            cash,
            left + calibration.drift(left) * rules.dt,
            step_deviations(calibration, rules.dt, left),
        ),
        place.reshape(-1, len(cash)),
        np.minimum(cash, rules.dividend_max),
        (rules.issuance_min, rules.issuance_max),
        rules.discount(calibration),
        rules.liquidation_value,
    )


def _ways(calibration: Calibration, rules: Rules, cash: Floats) -> Iterator[Way]:
    paid = np.minimum(cash, rules.dividend_max)
    yield Way(cash - paid, cash, cash, 1.0, 0.0)
    if rules.issuance_max == 0:
        return
    cost, fixed = calibration.issuance_cost, calibration.fixed_cost
    least, most = (
        cash + issued / cost - fixed for issued in (rules.issuance_min, rules.issuance_max)
    )
    yield Way(least - paid, least, least - rules.issuance_min, 1.0, rules.issuance_min)
    yield Way(least, most, cost * (cash - fixed), cost, None)


def best_lump_sums(step: LumpSums, value: Floats) -> tuple[Floats, Floats]:
    """V one step earlier, shape (nodes,), and dividend and issuance, shape (2, nodes)."""
    onward = step.discount * step.expectation.value_of(step.liquidation_value, value)
    on_grid, *ends = onward[step.place]
    totals, rewards, issues = [], [], []
    for way, low, high in zip(step.ways, ends[::2], ends[1::2], strict=True):
        total, left = _best_left(step.cash, way, on_grid, low, high)
        reward = way.constant - way.price * left
        totals.append(total)
        rewards.append(reward)
        issued = np.clip(-reward, *step.issues) if way.issuance is None else way.issuance
        issues.append(np.broadcast_to(issued, reward.shape))
    best = np.argmax(totals, axis=0)[None]
    total, reward, issuance = (
        np.take_along_axis(np.stack(found), best, axis=0)[0] for found in (totals, rewards, issues)
    )
    # the way says what is paid but for rounding
    dividend = np.clip(reward + issuance, 0, step.dividends)
    return total, np.stack([dividend, issuance])


def _best_left(
    cash: Floats, way: Way, on_grid: Floats, low: Floats, high: Floats
) -> tuple[Floats, Floats]:
    """The most that reward and G(y) come to on one way, and that y, each of shape (nodes,).

    Args:
        on_grid, low, high: G on the grid and at both ends of the way, each of shape (nodes,).
    """
    places, heights = _net_worth(cash, on_grid, way.price)
    # every second place is a node; peaks between nodes of which one is too far are left out
    first = 2 * np.searchsorted(cash, way.low)
    last = 2 * (np.searchsorted(cash, way.high, side="right") - 1)
    inner = _highest(heights, np.minimum(first, last), last)
    options = np.stack(
        [
            np.where(first <= last, heights[inner], -np.inf),
            low - way.price * way.low,
            high - way.price * way.high,
        ]
    )
    left = np.choose(options.argmax(axis=0), [places[inner], way.low, way.high])
    return way.constant + options.max(axis=0), left


def _net_worth(cash: Floats, worth: Floats, price: float) -> tuple[Floats, Floats]:
    """The nodes of cash with the peaks of worth - price × cash between them, -inf if none.

    Returns:
        places and heights, of shape (2 nodes - 1,), a node first.
    """
    heights, slopes = worth - price * cash, np.gradient(worth, cash) - price
    lengths = np.diff(cash)
    ends = np.stack([slopes[:-1], slopes[1:]])[:, None] * lengths
    peaks, shares = best_between(heights[None], ends)
    found = np.empty((2, 2 * len(cash) - 1))
    found[:, ::2] = cash, heights
    found[:, 1::2] = cash[:-1] + shares[0] * lengths, peaks[0]
    return found[0], found[1]


def _highest(heights: Floats, first: Places, last: Places) -> Places:
    """Where the heights from `first` to `last`, both included, are highest, of their shape."""
    count = len(heights)
    spans = [np.arange(count)]
    while 2 ** len(spans) <= count:
        half = 2 ** (len(spans) - 1)
        left, right = spans[-1][:-half], spans[-1][half:]
        higher = np.where(heights[right] > heights[left], right, left)
        spans.append(higher)
    table = np.stack([np.pad(span, (0, count - len(span))) for span in spans])
    # two spans of a power of two, which overlap, cover what is asked for
    level = np.frexp(last - first + 1)[1] - 1
    left, right = table[level, first], table[level, last + 1 - 2**level]
    highest: Places = np.where(heights[right] > heights[left], right, left)
    return highest
