"""What the Euler solvers share: a simulated panel, and a step of the network's rule.

A panel has worlds, each with prices that its own households make. A step looks at the households of
the panel, and at others off its path if asked to, changes the network so that the Euler equation
holds better for them, and lets the panel live one period.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import (
    Noise,
    State,
    adam_state,
    adam_step,
    adam_tick,
    gradient,
    lane_column,
    shortened,
)
from nthrun.agents.euler.declaration import (
    COLUMNS,
    LEARNED,
    LIVED,
    OFF_PATH_DRAWS,
    OFF_PATH_METRIC,
    Method,
    euler_layout,
)
from nthrun.agents.euler.household_torch import Circumstances
from nthrun.agents.euler.rule import Decisions, EulerRule, Households
from nthrun.agents.layouts import RESETS
from nthrun.agents.networks import normaliser_state, update_normaliser
from nthrun.agents.schedule import go_back, keep_good, look_at_loss, schedule_state, step_size
from nthrun.environments.bewley.calibration import Calibration
from nthrun.environments.bewley.household_torch import AbilityDraws, prices, wage_at
from nthrun.environments.economy_tensors import Prices
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec

MOST_FIRST_LABOUR = 1.0
"""Labour per household that the first period's prices are formed with, at most."""


class Market(NamedTuple):
    """What every household of the panel finds, `(lanes, worlds × households)`; all of one world
    find the same."""

    r: Tensor
    w: Tensor
    rebate: Tensor


class Panel:
    """Worlds of households.

    Its state is `wealth` and `ability`, the numbers of ability states, `(lanes, worlds ×
    households)`, and of the period before, `labour`, L, and `rebate`, `(lanes, worlds)`.

    Args:
        calibration: of the economy.
        ability: its chain as tensors.
        bounds: lowest and highest r that a world has, whatever its households own: beyond them no
            rule is learned, by which a world could find its way back.
        num_worlds, num_households: worlds, and households of each.
    """

    def __init__(
        self,
        calibration: Calibration,
        ability: AbilityDraws,
        bounds: tuple[float, float],
        num_worlds: int,
        num_households: int,
    ) -> None:
        self._calibration, self._ability, self._bounds = calibration, ability, bounds
        self.num_worlds, self.num_households = num_worlds, num_households
        self.size = num_worlds * num_households

    def initial(self, generators: Sequence[np.random.Generator], mean_wealth: float) -> State:
        """Wealth uniform on [0, 2 mean_wealth], ability by its stationary shares."""
        drawn = np.stack([g.random((2, self.size), np.float32) for g in generators])
        luck, wealth = torch.from_numpy(drawn).unbind(1)
        states = self._ability.first(luck)
        labour = min(self._calibration.labour_bounds[1], MOST_FIRST_LABOUR)
        able = self.by_world(self._ability.values(states)).mean(2)
        return {
            "wealth": 2.0 * mean_wealth * wealth,
            "ability": states,
            "labour": labour * able,
            "rebate": torch.zeros_like(able),
        }

    def by_world(self, numbers: Tensor) -> Tensor:
        """`(lanes, worlds, households)` of `(lanes, worlds × households)`."""
        return numbers.view(len(numbers), self.num_worlds, self.num_households)

    def prices(self, wealth: Tensor, labour: Tensor) -> Prices:
        """`(lanes, worlds)` r and w where households own this much, and L was that, within bounds.

        Args:
            wealth: `(lanes, worlds × households)`.
            labour: `(lanes, worlds)`.
        """
        technology = self._calibration.technology
        r = prices(technology, self.by_world(wealth).mean(2), labour).r.clamp(*self._bounds)
        return Prices(r, wage_at(technology, r))

    def market(self, state: State) -> Market:
        """What households find in this period."""
        paid = self.prices(state["wealth"], state["labour"])
        return Market(*(self.to_all(number) for number in (*paid, state["rebate"])))

    def to_all(self, numbers: Tensor) -> Tensor:
        """A number of each world for each of its households."""
        spread = numbers.unsqueeze(2).expand(-1, -1, self.num_households)
        return spread.reshape(len(numbers), self.size)

    def move(
        self, state: State, savings: Tensor, labour: Tensor, revenue: Tensor, draws: Tensor
    ) -> None:
        """End the period.

        Args:
            savings, labour: a' and l, `(lanes, worlds × households)`.
            revenue: taxes of each.
            draws: uniform on [0, 1), of the same shape.
        """
        able = self._ability.values(state["ability"])
        state["labour"].copy_(self.by_world(able * labour).mean(2))
        if self._calibration.taxes.rebated:
            state["rebate"].copy_(self.by_world(revenue).mean(2))
        state["ability"].copy_(self._ability.following(state["ability"], draws))
        state["wealth"].copy_(savings)


FARTHEST_WEALTH = 50.0
"""Highest wealth of households off the path, in usual households' wealth."""


class EulerSolver(EulerRule):
    """A solver of the Bewley economy.

    Args:
        statics: of its setting.
        environment: the economy.
        method: what the solver needs.
    """

    num_agent_draws = 0

    def __init__(self, statics: Setting, environment: EnvironmentSpec, method: Method) -> None:
        super().__init__(statics, environment, method)
        num_worlds = statics["num_worlds"]
        bounds, count = self.scale.bounds, self.num_households
        self.panel = Panel(self.calibration, self.ability, bounds, num_worlds, count)
        layout = euler_layout(method, statics, environment.interface)
        self.num_simulation_draws = layout.num_simulation_draws
        self._columns = (*COLUMNS, *method.columns)
        self._panel_draws = method.panel_draws * self.panel.size
        self._mean_wealth = environment.number("initial_wealth")

    @abstractmethod
    def loss(
        self, state: State, parameters: Tensor, looked_at: Households, draws: Tensor
    ) -> tuple[Tensor, Decisions]:
        """The loss of each lane, `(lanes,)`, and what households decide.

        Args:
            looked_at: households, those of the panel first.
            draws: uniform on [0, 1), `(lanes, panel_draws × households of the panel)`, of which
                the first of each household give its next ability.
        """

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        """See `Solver`; the last layer begins at 0, and with it all that the network says."""
        rows = np.stack([self.network.initial(g, "kaiming_uniform") for g in generators])
        rows[:, -sum(self.network.sizes()[-2:]) :] = 0.0
        learned = {"policy": torch.from_numpy(rows)}
        state: State = learned | adam_state(settings, learned)
        state |= self.panel.initial(generators, self._mean_wealth)
        state |= normaliser_state(len(settings), self.network.in_dim)
        for name in self._columns:
            state[name] = lane_column([float(s[name]) for s in settings])
        return state | schedule_state(settings, {name: state[name] for name in (*LEARNED, *LIVED)})

    def solve(self, state: State, noise: Noise, step: Tensor) -> dict[str, Tensor]:
        draws = noise.environment[:, : self._panel_draws]
        looked_at = self.looked_at(state, noise.environment[:, self._panel_draws :])

        def loss(parameters: Tensor) -> tuple[Tensor, Tensor]:
            value, decided = self.loss(state, parameters, looked_at, draws)
            return value, torch.stack(decided)

        value, decided, slope = gradient(loss, state["policy"])
        cut, norm = shortened(slope, state["max_grad_norm"])
        column = value.unsqueeze(1)
        sound = torch.isfinite(column) & torch.isfinite(norm)
        keep_good(state, sound, step)
        adam_step(state, "policy", cut, step_size(state, step), adam_tick(state))
        metrics = self._live(state, looked_at, Decisions(*decided.unbind(0)), draws)
        look_at_loss(state, column)
        return {
            "loss": go_back(state, column, sound)[:, 0],
            "lr": state["lr"][:, 0].clone(),
            "resets": state[RESETS][:, 0].clone(),
            **{name: _if_finite(metric) for name, metric in metrics.items()},
        }

    def looked_at(self, state: State, draws: Tensor) -> Households:
        """The panel, and, with uniform draws `(lanes, 4 × number)`, households off its path: of
        wealth up to 50 times a usual one's, evenly in its logarithm, of any state of ability, at
        prices near those of a world."""
        market = self.panel.market(state)
        panel = Households(state["wealth"], state["ability"], *market)
        if draws.shape[1] == 0:
            return panel
        rich, able, placed, shifted = draws.reshape(len(draws), OFF_PATH_DRAWS, -1).unbind(1)
        wealth = torch.expm1(rich * math.log1p(FARTHEST_WEALTH * self.scale.wealth))
        states = torch.floor(able * len(self.chain.values))
        place = (placed * self.panel.size).long().clamp(max=self.panel.size - 1)
        near = market.r.gather(1, place) + (shifted - 0.5) * self.scale.spread
        r = near.clamp(*self.scale.bounds)
        w = wage_at(self.calibration.technology, r)
        off_path = Households(wealth, states, r, w, market.rebate.gather(1, place))
        return Households(*(torch.cat(pair, 1) for pair in zip(panel, off_path, strict=True)))

    def crowd(self, state: State) -> Tensor | None:
        """The worlds of the panel as their households see them; None where these see prices."""
        if not self.sees_crowd:
            return None
        able = self.ability.values(state["ability"])
        return self.features.crowd(*map(self.panel.by_world, (state["wealth"], able)))

    def _live(
        self, state: State, looked_at: Households, decided: Decisions, draws: Tensor
    ) -> dict[str, Tensor]:
        """Let the panel live a period; what was seen of it."""
        size = self.panel.size
        circumstances = Circumstances(*(number[:, :size] for number in self.found(looked_at)))
        panel = Decisions(*(number[:, :size] for number in decided))
        seen = self.features.of(circumstances.wealth, circumstances.r, self.crowd(state))
        update_normaliser(state, seen, torch.ones_like(seen[..., :1]))
        revenue = (
            self.household.untaxed(panel.labour, circumstances) - panel.consumption - panel.savings
        )
        metrics = {
            "euler_residual": panel.residual.abs().mean(1),
            "r": circumstances.r.mean(1),
            "w": looked_at.w[:, :size].mean(1),
            "capital": circumstances.wealth.mean(1),
            "consumption": panel.consumption.mean(1),
            "hours": panel.labour.mean(1),
        }
        if decided.residual.shape[1] > size:
            metrics[OFF_PATH_METRIC] = decided.residual[:, size:].abs().mean(1)
        self.panel.move(state, panel.savings, panel.labour, revenue, draws[:, :size])
        return metrics


def _if_finite(metric: Tensor) -> Tensor:
    """A metric, 0 where it is no number: the loss alone says whether a lane is lost."""
    return torch.where(torch.isfinite(metric), metric, 0.0)
