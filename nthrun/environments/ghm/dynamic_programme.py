"""The best a firm can do under the rules of the simulation, by exact dynamic programming.

With V_N the terminal value, and V_n(c) the liquidation value for c <= 0,

    V_n(c) = max over (a_L, a_E) of (a_L - a_E) dt + exp(-(r - μ) dt) E[V_{n+1}(c')],

with the controls, the law of c' and the payments of `calibration.Rules`. V is linear between the
nodes of a grid; expectations of it are exact. Where controls are amounts there is no dt beside
them; `actions.lump_sums` has that step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from nthrun.environments.ghm.actions import (
    ActionPaths,
    action_paths,
    best_between,
    best_lump_sums,
    lump_sums,
)
from nthrun.environments.ghm.calibration import (
    Calibration,
    Floats,
    Rules,
    check_calibration,
    check_rules,
)
from nthrun.environments.ghm.cash_grid import (
    Expectation,
    cash_grid,
    gaussian_expectation,
    step_deviations,
)
from nthrun.environments.ghm.declaration import GridShape, calibration_of, rules_of
from nthrun.specs.environment_spec import EnvironmentSpec

Back = Callable[[Floats], tuple[Floats, Floats]]
"""One step back: V -> V one step earlier, and the best controls, shape (2, nodes)."""
MAX_SOLVED_STEPS = 20_000
"""Most steps of an episode whose optimum is computed; more take too long."""


@dataclass(frozen=True, slots=True)
class StepValue:
    """V of one step.

    Attributes:
        cash: the grid, from 0, shape (nodes,).
        value: V, shape (nodes,); what is said of its first node holds just above 0.
        liquidation_value: V at c <= 0.
    """

    cash: Floats
    value: Floats
    liquidation_value: float

    def at(self, cash: ArrayLike) -> Floats:
        """V of given cash, of its shape; above the grid V goes on linearly."""
        levels = np.asarray(cash, dtype=np.float64)
        nodes, values = self.cash, self.value
        slope = (values[-1] - values[-2]) / (nodes[-1] - nodes[-2])
        beyond = slope * np.maximum(levels - nodes[-1], 0)
        alive = np.interp(levels, nodes, values) + beyond
        return np.where(levels > 0, alive, self.liquidation_value)

    def mean(self, low: float, high: float) -> float:
        """V averaged over cash uniform on [low, high], 0 <= low < high."""
        inner = self.cash[(self.cash > low) & (self.cash < high)]
        # V may jump at 0, and counts just above
        start = max(low, np.finfo(np.float64).tiny)
        points = np.concatenate([[start], inner, [high]])
        return float(np.trapezoid(self.at(points), points) / (high - low))


@dataclass(frozen=True, slots=True)
class Optimum:
    """Values and best controls of every step; step n has num_steps - n steps to go.

    Attributes:
        cash: the grid, from 0, shape (nodes,); what is said of its first node holds just above 0.
        value: V, shape (num_steps + 1, nodes).
        dividend: best a_L, by the rules a rate or an amount, shape (num_steps, nodes).
        issuance: best a_E, alike.
        liquidation_value: V at c <= 0.
        control_unit: what a control of 1 moves in one step, see `Rules`; as for amounts if left
            out.
        dividend_max: the highest a_L; none if left out.
    """

    cash: Floats
    value: Floats
    dividend: Floats
    issuance: Floats
    liquidation_value: float
    control_unit: float = 1.0
    dividend_max: float = math.inf

    def value_at(self, cash: ArrayLike, step: int) -> Floats:
        """V of given cash, of its shape; above the grid V goes on linearly."""
        return self._step(step).at(cash)

    def mean_value(self, low: float, high: float, step: int = 0) -> float:
        """V averaged over cash uniform on [low, high], 0 <= low < high."""
        return self._step(step).mean(low, high)

    def _step(self, step: int) -> StepValue:
        return StepValue(self.cash, self.value[step], self.liquidation_value)

    def policy_at(self, cash: ArrayLike, step: int) -> tuple[Floats, Floats]:
        """Best a_L and a_E of given cash, each of its shape; 0 at c <= 0.

        Between nodes of which one issues and the other does not, the nearer one's is taken, for a
        mixture of the two is no firm's best. Above the grid, where its top pays, all that is more
        is paid out too, up to the most that may be.
        """
        levels = np.asarray(cash, dtype=np.float64)
        below = np.clip(np.searchsorted(self.cash, levels) - 1, 0, len(self.cash) - 2)
        span = self.cash[below + 1] - self.cash[below]
        share = np.clip((levels - self.cash[below]) / span, 0, 1)
        issues = self.issuance[step] > 0
        share = np.where(issues[below] == issues[below + 1], share, share > 0.5)
        alive = levels > 0
        dividend, issuance = (
            np.where(alive, (1 - share) * rate[below] + share * rate[below + 1], 0.0)
            for rate in (self.dividend[step], self.issuance[step])
        )
        beyond = np.maximum(levels - self.cash[-1], 0) / self.control_unit
        more = np.minimum(dividend + beyond, self.dividend_max)
        return np.where(dividend > 0, more, 0.0), issuance


@dataclass(frozen=True, slots=True)
class _Step:
    """What one step back needs, the same for every step."""

    paths: ActionPaths
    means: Floats
    reward: Floats
    expectation: Expectation
    discount: float
    liquidation_value: float


def solve(calibration: Calibration, rules: Rules, shape: GridShape | None = None) -> Optimum:
    """The optimum of all steps.

    Raises:
        SpecError: the calibration or the rules are infeasible, or σ_X is 0, or steps
            are so short that the grid would have more than `MAX_NODES`.
    """
    cash, back = _backwards(calibration, rules, shape)
    value = np.empty((rules.num_steps + 1, len(cash)))
    policy = np.empty((2, rules.num_steps, len(cash)))
    value[-1] = _at_horizon(rules, cash)
    for number in reversed(range(rules.num_steps)):
        value[number], policy[:, number] = back(value[number + 1])
    return Optimum(
        cash,
        value,
        policy[0],
        policy[1],
        rules.liquidation_value,
        rules.control_unit,
        rules.dividend_max,
    )


def value_of_step(
    calibration: Calibration, rules: Rules, step: int = 0, shape: GridShape | None = None
) -> StepValue:
    """V of one step alone, bit by bit that of `solve`; of the steps after it nothing is kept.

    Raises:
        SpecError: as `solve`.
    """
    cash, back = _backwards(calibration, rules, shape)
    value = _at_horizon(rules, cash)
    for _ in range(rules.num_steps - step):
        value = back(value)[0]
    return StepValue(cash, value, rules.liquidation_value)


def _backwards(
    calibration: Calibration, rules: Rules, shape: GridShape | None
) -> tuple[Floats, Back]:
    """The grid, and one step back on it."""
    check_calibration(calibration)
    check_rules(rules)
    cash = cash_grid(calibration, rules.dt, GridShape() if shape is None else shape)
    return cash, _stepper(calibration, rules, cash)


def _stepper(calibration: Calibration, rules: Rules, cash: Floats) -> Back:
    if rules.lump_sums:
        return partial(best_lump_sums, lump_sums(calibration, rules, cash))
    return partial(_back, _step(calibration, rules, cash))


def _at_horizon(rules: Rules, cash: Floats) -> Floats:
    """What firms that are still alive are paid."""
    if rules.terminal == "cash":
        return cash
    paid = rules.liquidation_value if rules.terminal == "liquidation" else 0.0
    return np.full_like(cash, paid)


def _step(calibration: Calibration, rules: Rules, cash: Floats) -> _Step:
    deviations = step_deviations(calibration, rules.dt, cash)
    paths = action_paths(calibration, rules, cash, deviations)
    means = paths.cash_after(calibration, rules.dt, cash)
    return _Step(
        paths,
        means,
        (paths.dividend - paths.issuance) * rules.dt,
        gaussian_expectation(cash, means.ravel(), np.repeat(deviations, means.shape[1])),
        rules.discount(calibration),
        rules.liquidation_value,
    )


def _back(step: _Step, value: Floats) -> tuple[Floats, Floats]:
    """V one step earlier, shape (nodes,), and dividend and issuance, shape (2, nodes)."""
    expected, slope = step.expectation.of(step.liquidation_value, value)
    totals = step.reward + step.discount * expected.reshape(step.means.shape)
    slopes = step.discount * slope.reshape(step.means.shape)
    change = np.diff(step.means, axis=1)
    ends = np.stack([slopes[:, :-1] * change, slopes[:, 1:] * change])
    peaks, shares = best_between(totals, ends + np.diff(step.reward, axis=1))
    peaks[:, ~step.paths.joined] = -np.inf
    rows = np.arange(len(value))
    options = np.concatenate([totals, peaks], axis=1)
    best = options.argmax(axis=1)
    num_nodes = totals.shape[1]
    node = best % num_nodes
    share = np.where(best < num_nodes, 0.0, shares[rows, np.minimum(node, num_nodes - 2)])
    return options[rows, best], step.paths.mixed(rows, node, share)


def best_return(spec: EnvironmentSpec) -> float | None:
    """Its value at the start, over the start states of the spec; None where steps are too many.

    Raises:
        SpecError: the firm can be simulated, but not solved.
    """
    firm, rules = calibration_of(spec.values), rules_of(spec.values)
    if rules.num_steps > MAX_SOLVED_STEPS:
        return None
    if start := spec.items("start_state"):
        cash, left = start
        return float(value_of_step(firm, rules, rules.num_steps - int(left)).at(cash))
    return value_of_step(firm, rules).mean(0.0, spec.number("cash_max"))
