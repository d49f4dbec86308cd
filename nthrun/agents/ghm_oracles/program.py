"""Policies of the firm of GHM that know its equations: two thresholds of cash, and the optimum.

Two thresholds are the form that the optimum has in continuous time. With rates the firm issues at
the highest rate below one, and pays what lies above the other. With amounts it pays down to the
one, and issues up to the other, but no less than the least issue: at c < l, with p and φ the costs
of an issue,

    a_E = p (l - c + φ), between the least and the most.

The optimum of the simulated firm is a table of best actions, by which others are measured.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State, lane_column
from nthrun.agents.ghm_oracles.declaration import TABLES, THRESHOLDS
from nthrun.environments.ghm.declaration import calibration_of, rules_of
from nthrun.environments.ghm.dynamic_programme import solve
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec


class Barrier:
    """Issues below one threshold, and pays out what lies above the other."""

    num_simulation_draws = 0
    num_agent_draws = 0

    def __init__(self, statics: Setting, environment: EnvironmentSpec) -> None:
        self._firm = calibration_of(environment.values)
        self._rules = rules_of(environment.values)
        self._cash_max = environment.number("cash_max")

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        return {name: lane_column([s[name] for s in settings]) for name in THRESHOLDS}

    def solve(self, state: State, noise: Noise, step: Tensor) -> dict[str, Tensor]:
        """See `Solver`; there is nothing to find."""
        return {}

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        low, high = (state[name].unsqueeze(2) for name in THRESHOLDS)
        cash = observation[..., :1] * self._cash_max
        dividend = (cash - high).clamp(min=0.0) / self._rules.control_unit
        issuance = torch.where(cash < low, self._issue(low - cash), 0.0)
        return torch.cat([dividend.clamp(max=self._rules.dividend_max), issuance], -1)

    def _issue(self, lacking: Tensor) -> Tensor:
        """What is issued by who lacks so much cash, of that shape."""
        rules = self._rules
        if not rules.lump_sums:
            return torch.full_like(lacking, rules.issuance_max)
        issue = self._firm.issuance_cost * (lacking + self._firm.fixed_cost)
        return issue.clamp(min=rules.issuance_min, max=rules.issuance_max)

    def measures(self, state: State) -> dict[str, np.ndarray]:
        """See `Solver`; nothing."""
        return {}

    def learned_params(self, state: State) -> dict[str, Tensor]:
        return {name: state[name] for name in THRESHOLDS}


class DynamicProgramme:
    """Plays the table of best actions, linearly between its points of cash.

    The state is float64: `cash` `(lanes, points)`, `value` `(lanes, steps + 1, points)`, `dividend`
    and `issuance` `(lanes, steps, points)`.
    """

    num_simulation_draws = 0
    num_agent_draws = 0

    def __init__(self, statics: Setting, environment: EnvironmentSpec) -> None:
        self._calibration = calibration_of(environment.values)
        self._rules = rules_of(environment.values)
        self._cash_max = environment.number("cash_max")

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        """See `Solver`; solves."""
        optimum = solve(self._calibration, self._rules)
        tables = {name: torch.from_numpy(getattr(optimum, name)) for name in TABLES}
        return {
            name: table.expand(len(settings), *table.shape).clone()
            for name, table in tables.items()
        }

    def solve(self, state: State, noise: Noise, step: Tensor) -> dict[str, Tensor]:
        """See `Solver`; all is known."""
        return {}

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """See `Solver`; between a point that issues and one that does not, as the nearer one.

        Above the last point, where that pays, it pays out all that is more too, up to the most
        that may be.
        """
        num_steps, cash = self._rules.num_steps, state["cash"]
        level = observation[..., 0].double() * self._cash_max
        left = torch.round(observation[..., 1].double() * num_steps).long()
        step = (num_steps - left).clamp(0, num_steps - 1)
        above = torch.searchsorted(cash, level).clamp(1, cash.shape[1] - 1)
        low, high = cash.gather(1, above - 1), cash.gather(1, above)
        share = ((level - low) / (high - low)).clamp(0.0, 1.0)

        def points(name: str) -> tuple[Tensor, Tensor]:
            table = state[name].flatten(1)
            place = step * cash.shape[1] + above
            return table.gather(1, place - 1), table.gather(1, place)

        issues = points("issuance")
        mixed = (issues[0] > 0) == (issues[1] > 0)
        share = torch.where(mixed, share, (share > 0.5).double())
        dividend, issuance = (torch.lerp(*points(name), share) for name in TABLES[2:])
        beyond = (level - cash[:, -1:]).clamp(min=0.0) / self._rules.control_unit
        more = (dividend + beyond).clamp(max=self._rules.dividend_max)
        dividend = torch.where(dividend > 0, more, 0.0)
        return torch.stack([dividend, issuance], -1).float()

    def measures(self, state: State) -> dict[str, np.ndarray]:
        """See `Solver`; nothing."""
        return {}

    def learned_params(self, state: State) -> dict[str, Tensor]:
        return {name: state[name] for name in TABLES}
