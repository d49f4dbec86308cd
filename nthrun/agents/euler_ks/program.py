"""A rule for consumption that makes the Euler equation of an economy with aggregate risk hold.

The network gives c̃ of every kind as a multiple of what an insured household would consume
(`krusell_smith.households`). With the chances P of the next Z and kind, exactly, a step descends

    mean[(log c̃ - log min(c*, x))²],   c*^(-σ) = β Σ P (1 + r') c̃'^(-σ),

r' following from what the panel owns in the next period, c* and x being held fixed: an iteration on
the Euler equation (Coleman, 1990, Solving the stochastic growth model by policy-function iteration,
JBES 8(1)) by gradient steps, on a simulated panel and on households off its path, which count for
nothing in K.
"""

from __future__ import annotations

import math
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
    start_from,
)
from nthrun.agents.euler_ks.declaration import (
    COLUMNS,
    KEPT,
    OFF_PATH_DRAWS,
    OFF_PATH_METRIC,
    euler_layout,
    network_shape,
)
from nthrun.agents.krusell_smith.fields import LIVED
from nthrun.agents.krusell_smith.households import Found, Market, of_kind
from nthrun.agents.krusell_smith.panel import Luck, World, exchanged, panel_of
from nthrun.agents.krusell_smith.rule import NetworkRule, first_rows, if_finite, share_left
from nthrun.agents.krusell_smith.worth import Worth
from nthrun.agents.layouts import RESETS
from nthrun.agents.networks import MLP
from nthrun.agents.parents import Of
from nthrun.agents.schedule import go_back, keep_good, look_at_loss, schedule_state, step_size
from nthrun.environments.krusell_smith.histogram import Rule
from nthrun.environments.tensors import TINY, power
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec

WIDEST = 2.0
"""The logarithm of the highest multiple, and less of the lowest."""
FARTHEST, NEAREST = 50.0, 0.1
"""Wealth of households off the path, in K: the highest, and below which it is spread evenly."""


class Choice(NamedTuple):
    """What households do, and by how much it is wrong, `(lanes, worlds, number)`.

    Attributes:
        consumption, savings: c̃ and a'.
        residual: log c̃ - log min(c*, x), a share of consumption.
    """

    consumption: Tensor
    savings: Tensor
    residual: Tensor


class Saver(NetworkRule):
    """A rule for consumption."""

    def savings(self, outputs: Tensor, found: Found) -> Tensor:
        """See `NetworkRule`; consumes what there is where the rule would consume more."""
        return (found.resources - self.wanted(outputs, found)).clamp(min=0.0)

    def wanted(self, outputs: Tensor, found: Found) -> Tensor:
        """The rule's c̃, which may be more than there is."""
        return found.insured * torch.exp(WIDEST * torch.tanh(outputs / WIDEST))


class EulerKS:
    """euler_ks."""

    num_agent_draws = 0
    missing: tuple[str, ...] = ()

    def __init__(self, statics: Setting, environment: EnvironmentSpec) -> None:
        self.panel = panel_of(statics, environment)
        shape = network_shape(statics, environment.interface)
        network = MLP(shape.in_dim, shape.hidden, shape.out_dim, "silu")
        self.saver = Saver(self.panel, network)
        self._worth = Worth(self.saver)
        self._updates = statics["updates_per_step"]
        self._decays = statics["lr_schedule"] == "linear"
        self._total_steps = environment.total_timesteps
        layout = euler_layout(statics, environment.interface)
        self.num_simulation_draws = layout.num_simulation_draws
        off_path = self.panel.num_worlds * statics["off_path_households"]
        self._draws = (
            *(self.panel.period_draws, self.panel.first_draws, self.panel.num_worlds),
            OFF_PATH_DRAWS * off_path,
        )
        exact = self.panel.households.economy.economy
        self._beta, self._sigma = exact.beta, exact.sigma

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
        parents: Of = (),
    ) -> State:
        """See `Solver`; the last layer begins at 0, and with it all that a network without a parent
        says."""
        learned = {"policy": first_rows(self.saver.network, generators)}
        start_from(self.learned_params(learned), parents)
        state: State = learned | adam_state(settings, learned)
        state |= dict(zip(LIVED, self.panel.begun(generators), strict=True))
        for name in COLUMNS:
            state[name] = lane_column([float(s[name]) for s in settings])
        return state | schedule_state(settings, {name: state[name] for name in KEPT})

    def solve(self, state: State, noise: Noise, step: Tensor) -> dict[str, Tensor]:
        """See `Solver`; what is shown is of the last update."""
        for draws in noise.environment.chunk(self._updates, 1):
            metrics = self._update(state, draws.split(self._draws, 1), step)
        return metrics

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """See `Solver`."""
        return self.saver.action(state["policy"], observation)

    def rule(self, state: State, lane: int) -> Rule:
        """What households of a lane do."""
        return self._worth.rule(state["policy"][lane : lane + 1])

    def learned_params(self, state: State) -> dict[str, Tensor]:
        """See `Solver`."""
        return self.saver.network.named(state["policy"], "policy.")

    def measures(self, state: State) -> dict[str, np.ndarray]:
        """See `Solver`."""
        numbers, self.missing = self._worth.of(state["policy"])
        return numbers

    def _update(self, state: State, draws: Sequence[Tensor], step: Tensor) -> dict[str, Tensor]:
        """Make the Euler equation hold better, and let the panel live a period."""
        *lived, off_path = draws
        world = World(*(state[name] for name in LIVED))
        market = self.panel.market(world.assets, world.state, world.masses)
        looked_at = self._looked_at(world, market, off_path)

        def loss(parameters: Tensor) -> tuple[Tensor, Tensor]:
            choice = self._choice(parameters, world, looked_at, market)
            return choice.residual.square().mean((1, 2)), torch.stack(choice)

        value, chosen, slope = gradient(loss, state["policy"])
        cut, norm = shortened(slope, state["max_grad_norm"])
        column = value.unsqueeze(1)
        sound = torch.isfinite(column) & torch.isfinite(norm)
        keep_good(state, sound, step)
        left = share_left(step, self._total_steps, self._decays)
        adam_step(state, "policy", cut, step_size(state, step) * left, adam_tick(state))
        choice = Choice(*chosen.unbind(0))
        metrics = self._seen(choice, market)
        self._move(state, world, market, choice, lived)
        look_at_loss(state, column)
        return {
            "loss": go_back(state, column, sound)[:, 0],
            "lr": state["lr"][:, 0] * left,
            "resets": state[RESETS][:, 0].clone(),
            **{name: if_finite(metric) for name, metric in metrics.items()},
        }

    def _looked_at(self, world: World, market: Market, draws: Tensor) -> World:
        """The panel, and beside it households of wealth up to 50 K, of any kind."""
        if draws.shape[1] == 0:
            return world
        rich, kind = draws.unflatten(1, (OFF_PATH_DRAWS, self.panel.num_worlds, -1)).unbind(1)
        share = NEAREST * torch.expm1(rich * math.log1p(FARTHEST / NEAREST))
        kinds = torch.floor(kind * self.panel.households.num_kinds)
        assets = torch.cat([world.assets, share * market.capital], 2)
        return world._replace(assets=assets, kind=torch.cat([world.kind, kinds], 2))

    def _choice(self, parameters: Tensor, world: World, looked_at: World, market: Market) -> Choice:
        """What households do by the rule with these parameters; all but the rule is held fixed.

        Args:
            world: the panel.
            looked_at: the same, with households off its path.
        """
        households, count = self.panel.households, self.panel.num_households
        flags = households.flags(looked_at.kind)
        found = households.found_by(flags, looked_at.assets, market)
        every = self.saver.outputs(parameters, looked_at.assets, market)
        wanted = self.saver.wanted(of_kind(every, flags), found)
        with torch.no_grad():
            most = found.resources.clamp(min=TINY)
            consumed = torch.minimum(wanted, most)
            savings = (found.resources - consumed).clamp(min=0.0)
            crowd = self.saver.crowd_savings(parameters, world, market, savings)
            following = self.panel.next_market(world, savings[..., :count], crowd)
            worth = self._worth_of_wealth(parameters, self.panel.in_every_state(savings), following)
            expected = self.panel.expected(worth, looked_at.state, looked_at.kind)
            goal = power(self._beta * expected, -1.0 / self._sigma)
            goal = torch.minimum(goal, most)
        residual = torch.log(wanted) - torch.log(goal)
        return Choice(consumed, savings, residual)

    def _worth_of_wealth(self, parameters: Tensor, assets: Tensor, market: Market) -> Tensor:
        """(1 + r) c̃^(-σ) for every kind."""
        found = self.panel.households.found_by_every(assets, market)
        wanted = self.saver.wanted(self.saver.outputs(parameters, assets, market), found)
        consumed = torch.minimum(wanted, found.resources.clamp(min=TINY))
        return (1.0 + market.r.unsqueeze(3)) * power(consumed, -self._sigma)

    def _seen(self, choice: Choice, market: Market) -> dict[str, Tensor]:
        """What is shown of the panel, and of households off its path."""
        count = self.panel.num_households
        sizes = choice.residual[..., :count].abs(), choice.residual[..., count:].abs()
        numbers = {
            "euler_residual": sizes[0],
            "r": market.r,
            "w": market.w,
            "capital": market.capital,
            "consumption": choice.consumption[..., :count],
        }
        if sizes[1].shape[2]:
            numbers[OFF_PATH_METRIC] = sizes[1]
        return {name: number.mean((1, 2)) for name, number in numbers.items()}

    def _move(
        self,
        state: State,
        world: World,
        market: Market,
        choice: Choice,
        draws: Sequence[Tensor],
    ) -> None:
        """Let the panel live a period; some worlds begin anew."""
        lived, fresh, chance = draws
        luck = self.panel.luck(lived)
        savings = choice.savings[..., : self.panel.num_households]
        crowd = self.saver.crowd_savings(state["policy"], world, market, savings)
        after = self.panel.following(world, savings, crowd, Luck(*(part[:, 0] for part in luck)))
        again = chance.unsqueeze(2) < state["restart_share"].unsqueeze(2)
        moved = exchanged(after, self.panel.first(fresh), again)
        for name, now in zip(LIVED, moved, strict=True):
            state[name].copy_(now)
