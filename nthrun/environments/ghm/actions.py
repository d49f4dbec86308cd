"""What a firm can do in one step, as paths of actions, and the best action along them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.ghm.calibration import Calibration
from nthrun.environments.ghm.cash_grid import Floats
from nthrun.environments.ghm.rules import Rules

NODE_DEVIATIONS = 0.5


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
