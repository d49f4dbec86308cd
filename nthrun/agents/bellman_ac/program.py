"""An actor and a critic on the Bellman equation of an economy with aggregate risk.

The actor is a rule for the share s of resources x that a household saves, the critic the value V of
a household. Households live n periods by the rule, in a panel of worlds (`krusell_smith.panel`):

    G = Σ_{t<n} βᵗ u((1 - s_t) x_t) + βⁿ E V(a_n, ·),

the mean being over the next Z and kind, exactly. A step ascends the mean of G in the rule, with a
gradient that goes through what each household owns itself, and not through what all of them make
together: K, r, w and what the world shows are what they are for each of them, a taker of prices.
It descends the mean of (V(a_0, ·) - G)² in V. With `gradient` planner, the first goes through what
all of them make together too: that is the rule of a planner who wants the mean utility to be high.
"""

from __future__ import annotations

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
from nthrun.agents.bellman_ac.actor import Actor
from nthrun.agents.bellman_ac.critic import Critic
from nthrun.agents.bellman_ac.declaration import (
    BOTH,
    COLUMNS,
    KEPT,
    LAST,
    POLICY_LOSS,
    POLICY_SIZE,
    POLICY_TURN,
    SIZES,
    VALUE_LOSS,
    VALUE_POWERS,
    VALUE_SIZE,
    VALUE_TURN,
    bellman_layout,
    horizon_of,
    networks,
    turns_of,
)
from nthrun.agents.krusell_smith.fields import LIVED
from nthrun.agents.krusell_smith.households import of_kind
from nthrun.agents.krusell_smith.panel import Luck, World, exchanged, panel_of
from nthrun.agents.krusell_smith.rule import first_rows, if_finite, share_left
from nthrun.agents.krusell_smith.worth import Worth
from nthrun.agents.layouts import RESETS
from nthrun.agents.networks import MLP
from nthrun.agents.parents import Of
from nthrun.agents.repeat import repeat
from nthrun.agents.schedule import go_back, keep_good, look_at_loss, schedule_state, step_size
from nthrun.environments.krusell_smith.histogram import Rule
from nthrun.environments.markov_chains import Array
from nthrun.environments.tensors import Constants
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec


class Living(NamedTuple):
    """What is carried from one period of a simulation to the next.

    Attributes:
        world: `World`, taken apart.
        utility: Σ βᵗ u so far, `(lanes, worlds, households)`.
    """

    assets: Tensor
    kind: Tensor
    state: Tensor
    masses: Tensor
    utility: Tensor

    @property
    def world(self) -> World:
        """The worlds."""
        return World(*self[:-1])


class Period(NamedTuple):
    """What is given of a period.

    Attributes:
        state, kind: `Luck`.
        weight: βᵗ, `(1,)`.
    """

    state: Tensor
    kind: Tensor
    weight: Tensor


class Lived(NamedTuple):
    """What households do in a period, `(lanes, worlds, households)`.

    Attributes:
        savings, consumption: a' and c̃.
        utility: u(c̃).
        crowd: a' of those who make K.
    """

    savings: Tensor
    consumption: Tensor
    utility: Tensor
    crowd: Tensor


class Paths(NamedTuple):
    """What came of simulations.

    Attributes:
        worth: G, `(lanes, worlds, households)`.
        world: as it was after the periods that the panel moves on.
        beyond: Σ βᵗ of what left a band, `(lanes, worlds, 1)`, where that is asked for.
    """

    worth: Tensor
    world: World
    beyond: Tensor | None = None


class BellmanActorCritic:
    """bellman_ac."""

    num_agent_draws = 0
    missing: tuple[str, ...] = ()

    def __init__(self, statics: Setting, environment: EnvironmentSpec) -> None:
        self.panel = panel_of(statics, environment)
        households = self.panel.households
        nets = [
            MLP(shape.in_dim, shape.hidden, shape.out_dim, statics["activation"])
            for shape in networks(statics, environment.interface)
        ]
        self.actor = Actor(self.panel, nets[0])
        self.critic = Critic(self.panel, nets[1])
        self._worth = Worth(self.actor)
        self._turns = turns_of(statics)
        together = self._turns == (BOTH,)
        updates = statics["policy_updates"], statics["value_updates"]
        self._updates = updates if together else (1, 1)
        self._drawn = statics["sampling"] == "band"
        self._plans = statics["gradient"] == "planner"
        self._penalty: float = statics["a_pdf_penalty"]
        self._decays = statics["lr_schedule"] == "linear"
        self._total_steps = environment.total_timesteps
        layout = bellman_layout(statics, environment.interface)
        self.num_simulation_draws = layout.num_simulation_draws
        beta = households.economy.economy.beta
        self._horizon = horizon_of(statics, beta)
        moved = min(statics["periods_per_step"], self._horizon - 1)
        pieces = (slice(0, moved), slice(moved, self._horizon - 1))
        self._pieces = [piece for piece in pieces if piece.start < piece.stop]
        self._lived_draws = (self._horizon - 1) * self.panel.period_draws
        discounts = beta ** np.arange(self._horizon + 1)
        self._discounts = Constants(torch.from_numpy(discounts).float().unsqueeze(0))

    def variant_at(self, step: int) -> int:
        """See `CyclicSolver`."""
        return self._turns[step % len(self._turns)]

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
        parents: Of = (),
    ) -> State:
        """See `Solver`; the last layers begin at 0, and with them all that networks without a
        parent say."""
        nets = {"policy": self.actor.network, "value": self.critic.network}
        learned = {name: first_rows(net, generators) for name, net in nets.items()}
        start_from(self.learned_params(learned), parents)
        state: State = learned | adam_state(settings, learned)
        state[VALUE_POWERS] = torch.ones_like(state["adam.powers"])
        state |= dict(zip(LIVED, self.panel.begun(generators), strict=True))
        for name in COLUMNS:
            state[name] = lane_column([float(s[name]) for s in settings])
        state |= {name: torch.zeros(len(settings), 1) for name in LAST}
        return state | schedule_state(settings, {name: state[name] for name in KEPT}, SIZES)

    def solve(
        self, state: State, noise: Noise, step: Tensor, variant: int = BOTH
    ) -> dict[str, Tensor]:
        """See `CyclicSolver`."""
        sizes = (self._lived_draws, self.panel.first_draws, self.panel.num_worlds)
        lived, fresh, chance = noise.environment.split(sizes, 1)
        begun, luck = self._begun(state, fresh, step), self.panel.luck(lived)
        metrics = self._seen(state, begun)
        if variant == VALUE_TURN:
            paths = self._paths(state, state["policy"], begun, luck)
            sound = torch.isfinite(paths.worth).flatten(1).all(1, keepdim=True)
            keep_good(state, sound, step)
        else:
            paths, sound = self._learn_policy(state, begun, luck, step)
        if variant != POLICY_TURN:
            sound = sound & self._learn_value(state, begun, paths.worth, step)
        if not self._drawn:
            again = chance.unsqueeze(2) < state["restart_share"].unsqueeze(2)
            begun = exchanged(paths.world, self.panel.first(fresh), again)
        for name, now in zip(LIVED, begun, strict=True):
            state[name].copy_(now)
        loss = go_back(state, state[POLICY_LOSS], sound, SIZES)
        rates = {
            size.lr: state[size.lr][:, 0] * share_left(step, self._total_steps, self._decays)
            for size in SIZES
        }
        shown = {"value_loss": state[VALUE_LOSS], "resets": state[RESETS]}
        return {
            "policy_loss": loss[:, 0],
            **{name: column[:, 0].clone() for name, column in shown.items()},
            **rates,
            **metrics,
        }

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """See `Solver`."""
        return self.actor.action(state["policy"], observation)

    def rule(self, state: State, lane: int) -> Rule:
        """What households of a lane do."""
        return self._worth.rule(state["policy"][lane : lane + 1])

    def value(
        self, state: State, lane: int, assets: Array, masses: Array, now: tuple[float, int]
    ) -> Array:
        """V of every kind of household of a lane, `(kinds, points)`; see `cross_section`."""
        return self.critic.at(state["value"][lane : lane + 1], assets, masses, now)

    def learned_params(self, state: State) -> dict[str, Tensor]:
        """See `Solver`."""
        policy = self.actor.network.named(state["policy"], "policy.")
        return policy | self.critic.network.named(state["value"], "value.")

    def measures(self, state: State) -> dict[str, np.ndarray]:
        """See `Solver`."""
        numbers, self.missing = self._worth.of(state["policy"])
        return numbers

    def _begun(self, state: State, draws: Tensor, step: Tensor) -> World:
        """The worlds that a step begins with: as they have become, or drawn anew."""
        if not self._drawn:
            return World(*(state[name] for name in LIVED))
        return self.panel.first(draws, self._band(state, step))

    def _band(self, state: State, step: Tensor) -> Tensor:
        """The width of the band at a step, `(lanes, 1, 1)`."""
        grown = state["dist_a_band"] + state["band_growth"] * (step / self._total_steps)
        return grown.clamp(max=1.0).unsqueeze(2)

    def _learn_policy(
        self, state: State, begun: World, luck: Luck, step: Tensor
    ) -> tuple[Paths, Tensor]:
        """Ascend G; the paths of the rule before the last ascent, and whether all was finite."""

        band = self._band(state, step) if self._penalty else None

        def objective(parameters: Tensor) -> tuple[Tensor, Tensor]:
            paths = self._paths(state, parameters, begun, luck, band)
            gained = paths.worth.mean((1, 2))
            if paths.beyond is not None:
                gained = gained - self._penalty * paths.beyond.mean((1, 2))
            told = [part.flatten(1) for part in (paths.worth, *paths.world)]
            return -gained / self.critic.scale, torch.cat(told, 1)

        sound = torch.ones_like(state["policy_lr"], dtype=torch.bool)
        for number in range(self._updates[0]):
            loss, told, slope = gradient(objective, state["policy"])
            cut, norm = shortened(
                slope + state["weight_decay"] * state["policy"], state["max_grad_norm"]
            )
            sound = sound & torch.isfinite(loss.unsqueeze(1)) & torch.isfinite(norm)
            if number == 0:
                keep_good(state, sound, step)
            rate = step_size(state, step, POLICY_SIZE) * share_left(
                step, self._total_steps, self._decays
            )
            adam_step(state, "policy", cut, rate, adam_tick(state))
            look_at_loss(state, norm, POLICY_SIZE)
        state[POLICY_LOSS].copy_(if_finite(loss.unsqueeze(1)))
        worth, *world = told.split([part.flatten(1).shape[1] for part in (begun.assets, *begun)], 1)
        moved = (now.view(was.shape) for now, was in zip(world, begun, strict=True))
        return Paths(worth.view(begun.assets.shape), World(*moved)), sound

    def _learn_value(self, state: State, begun: World, worth: Tensor, step: Tensor) -> Tensor:
        """Bring V nearer to G; whether all was finite, `(lanes, 1)`."""
        market = self.panel.market(begun.assets, begun.state, begun.masses)
        flags = self.panel.households.flags(begun.kind)

        def miss(parameters: Tensor) -> tuple[Tensor, Tensor]:
            every = self.critic(parameters, begun.assets, market)
            value = of_kind(every, flags)
            return ((value - worth) / self.critic.scale).square().mean((1, 2)), value

        sound = torch.ones_like(state["value_lr"], dtype=torch.bool)
        for _ in range(self._updates[1]):
            loss, _, slope = gradient(miss, state["value"])
            cut, norm = shortened(slope, state["max_grad_norm"])
            sound = sound & torch.isfinite(loss.unsqueeze(1)) & torch.isfinite(norm)
            rate = step_size(state, step, VALUE_SIZE) * share_left(
                step, self._total_steps, self._decays
            )
            adam_step(state, "value", cut, rate, adam_tick(state, VALUE_POWERS))
        look_at_loss(state, loss.unsqueeze(1), VALUE_SIZE)
        state[VALUE_LOSS].copy_(if_finite(loss.unsqueeze(1)))
        return sound

    def _paths(
        self,
        state: State,
        parameters: Tensor,
        begun: World,
        luck: Luck,
        band: Tensor | None = None,
    ) -> Paths:
        """Live by the rule with these parameters.

        Args:
            band: of whose sides it is wanted what lies beyond, see `Histogram.beyond`.
        """
        (discounts,) = self._discounts.on(parameters.device)
        given = Period(*luck, discounts[:, : self._horizon - 1])

        def period(living: Living, now: Period) -> tuple[Living, tuple[Tensor, ...]]:
            lived = self._lived(parameters, living.world)
            luck = Luck(now.state, now.kind)
            after = self.panel.following(living.world, lived.savings, lived.crowd, luck)
            left = self._left(after, band, now.weight)
            return Living(*after, living.utility + now.weight * lived.utility), left

        pieces = [Period(*(part[:, cut] for part in given)) for cut in self._pieces]
        carry = Living(*begun, torch.zeros_like(begun.assets))
        carry, left = repeat(period, carry, pieces[0], 1)
        moved = World(*(part.detach() for part in carry.world))
        for piece in pieces[1:]:
            carry, more = repeat(period, carry, piece, 1)
            left = tuple(torch.cat(parts, 1) for parts in zip(left, more, strict=True))
        lived = self._lived(parameters, carry.world)
        utility = carry.utility + discounts[:, -2] * lived.utility
        owned = lived.savings if self._plans else lived.savings.detach()
        market = self.panel.next_market(carry.world, owned, lived.crowd)
        every = self.critic(state["value"], self.panel.in_every_state(lived.savings), market)
        later = self.panel.expected(every, carry.state, carry.kind)
        beyond = next((part.sum(1) for part in left), None)
        return Paths(utility + discounts[:, -1] * later, moved, beyond)

    def _left(self, world: World, band: Tensor | None, weight: Tensor) -> tuple[Tensor, ...]:
        """What is beyond a band, with its weight; nothing where there is no band."""
        if band is None or self.panel.histogram is None:
            return ()
        return (weight * self.panel.histogram.beyond(world.masses, world.state, band),)

    def _lived(self, parameters: Tensor, world: World) -> Lived:
        """What households do in a period."""
        households = self.panel.households
        owned = world.assets if self._plans else world.assets.detach()
        market = self.panel.market(owned, world.state, world.masses)
        flags = households.flags(world.kind)
        found = households.found_by(flags, world.assets, market)
        said = of_kind(self.actor.outputs(parameters, world.assets, market), flags)
        share = self.actor.share(said, found)
        savings, consumed = share * found.resources, (1.0 - share) * found.resources
        makers = parameters if self._plans else parameters.detach()
        crowd = self.actor.crowd_savings(makers, world, market, savings)
        return Lived(savings, consumed, households.economy.utility(consumed), crowd)

    def _seen(self, state: State, world: World) -> dict[str, Tensor]:
        """What is shown of the panel."""
        market = self.panel.market(world.assets, world.state, world.masses)
        lived = self._lived(state["policy"], world)
        numbers = {"r": market.r, "w": market.w, "capital": market.capital}
        numbers["consumption"] = lived.consumption
        return {name: if_finite(number.mean((1, 2))) for name, number in numbers.items()}
