"""What a firm can do in one step: rates along paths of actions, and amounts at once.

Where controls are rates, `ActionPaths` has the actions and where each leaves cash. Where they are
amounts, with y the cash that is left, and what it is worth to go on from there,

    G(y) = exp(-(r - μ) dt) E[V_{n+1}(y + (α + (r - λ - μ) y) dt + σ(y) √dt ε)],

a firm with cash c has three ways to y, each over an interval of its own:

    to pay c - y,                               c - y + G(y),
    to issue the least, e, and pay the rest,    c - y - φ - (1 - 1 / p) e + G(y),
    to issue p (y - c + φ) and pay nothing,     p (c - y - φ) + G(y).

With p >= 1 the best of them is the best there is whenever the least issue raises cash, as it is
with rates, see `ActionPaths`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.ghm.calibration import Calibration, Floats, Rules
from nthrun.environments.ghm.cash_grid import Expectation, gaussian_expectation, step_deviations

NODE_DEVIATIONS = 0.5
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ActionPaths:
    """Nodes of the actions at each cash; between joined nodes all mixtures are feasible too.

    With p >= 1 they hold an optimal action whenever the least issue raises cash, that is when its
    rate over p is above φ: who issues more than the least pays nothing out, and who issues the
    least pays out less than it raises; otherwise less of both leaves as much cash for more reward.

    Attributes:
        dividend: a_L, shape (cash, nodes).
        issuance: a_E, shape (cash, nodes).
        issues: shape (nodes,), whether shareholders are asked, so that φ is due.
        joined: shape (nodes - 1,), whether a node and the next lie on one path.
    """

    dividend: Floats
    issuance: Floats
    issues: NDArray[np.bool_]
    joined: NDArray[np.bool_]

    def cash_after(self, calibration: Calibration, dt: float, cash: Floats) -> Floats:
        """Mean cash after a step of dt years, of shape (cash, nodes)."""
        raised = self.issuance / calibration.issuance_cost
        raised -= calibration.fixed_cost * self.issues
        drift = calibration.drift(cash)[:, None]
        return cash[:, None] + (drift - self.dividend + raised) * dt

    def mixed(self, rows: NDArray[np.intp], first: NDArray[np.intp], share: Floats) -> Floats:
        """Dividend and issuance, stacked: `share` of the way from node `first` to the next."""
        second = np.minimum(first + 1, len(self.issues) - 1)
        both = np.stack([self.dividend, self.issuance])
        return (1 - share) * both[:, rows, first] + share * both[:, rows, second]


def action_paths(
    calibration: Calibration, rules: Rules, cash: Floats, deviations: Floats
) -> ActionPaths:
    """Two paths: dividends falling to nothing, then dividends out of the least issue falling to
    nothing followed by issues rising to the most.

    Args:
        calibration: the firm.
        rules: the bounds of its actions.
        cash: shape (cash,).
        deviations: of cash after a step, shape (cash,); so smooth is what follows an action.
    """
    cap = np.minimum(rules.dividend_max, cash / rules.dt)
    per_cash = rules.dt / deviations
    dividends = cap[:, None] * _falling(cap * per_cash)
    if rules.issuance_max == 0:
        silent = np.zeros(dividends.shape[1], dtype=bool)
        return ActionPaths(dividends, 0 * dividends, silent, ~silent[1:])
    cost, least = calibration.issuance_cost, rules.issuance_min
    passed_on = np.minimum(cap, least / cost)
    passed = passed_on[:, None] * _falling(passed_on * per_cash)
    more = (rules.issuance_max - least) * (
        1 - _falling((rules.issuance_max - least) / cost * per_cash)
    )
    unpaid = np.zeros((len(cash), len(more) - 1))
    issuance = least + np.concatenate([0 * passed[0], more[1:]])
    asked = np.arange(dividends.shape[1] + len(issuance)) >= dividends.shape[1]
    return ActionPaths(
        np.concatenate([dividends, passed, unpaid], axis=1),
        np.concatenate([0 * dividends, np.tile(issuance, (len(cash), 1))], axis=1),
        asked,
        asked[1:] == asked[:-1],
    )


def _falling(reach: Floats) -> Floats:
    """Shares from 1 to 0 of changes of cash, `reach` deviations long at most, so close that what
    lies between two is near a cubic."""
    return np.linspace(1, 0, 2 + math.floor(reach.max() / NODE_DEVIATIONS))


def best_between(values: Floats, slopes: Floats) -> tuple[Floats, Floats]:
    """The highest point inside each interval of a row, by the cubic through values and slopes.

    Args:
        values: at the nodes, shape (rows, nodes).
        slopes: by the share of the way, at the left and the right end of each interval, shape
            (2, rows, nodes - 1).

    Returns:
        The height, -inf where there is no peak inside, and the share of the way, both of shape
        (rows, nodes - 1).
    """
    left, right = slopes
    rise = np.diff(values, axis=1)
    inside = (left > 0) & (right < 0)
    quadratic = 3 * rise - 2 * left - right
    cubic = left + right - 2 * rise
    # the root of left + 2 quadratic s + 3 cubic s² where it falls; real, as the signs differ
    root = np.sqrt(np.maximum(quadratic**2 - 3 * cubic * left, 0))
    falls = quadratic < 0
    above = np.where(falls, left, -quadratic - root)
    below = np.where(falls, root - quadratic, 3 * cubic)
    share = np.divide(above, below, out=np.zeros_like(above), where=inside)
    height = values[:, :-1] + share * (left + share * (quadratic + share * cubic))
    return np.where(inside, height, -np.inf), share


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
        np.take_along_axis(np.stack(options), best, axis=0)[0]
        for options in (totals, rewards, issues)
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
    points = np.empty((2, 2 * len(cash) - 1))
    points[:, ::2] = cash, heights
    points[:, 1::2] = cash[:-1] + shares[0] * lengths, peaks[0]
    return points[0], points[1]


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
