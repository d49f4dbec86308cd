"""Layouts of what several agents have in common, without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nthrun.agents.sizes import (
    Shape,
    actor_shape,
    critic_shape,
    policy_spec,
    row_widths,
    tile_sizes,
)
from nthrun.specs.declaration import Setting, num_worlds
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout, Shapes

FLOAT_BYTES, INDEX_BYTES = 4, 8
NORMALISER = ("normaliser.mean", "normaliser.square")
MOMENTUM = "normaliser_momentum"
"""The hyperparameter m of a normaliser, and its column; at 1 inputs stay as they are."""
FEATURE_MULTIPLE = 16
"""Rows of linear weights are padded to it: every row and lane then begins at a vector's boundary, a
fifth faster [measured]."""
OFF_POLICY_COPIES = 3
"""Copies that an off-policy update or action holds of the numbers it goes through [measured]."""
SAMPLED_COPIES = 8
"""Numbers of a sampled action's density and gradient for each of its components [measured]."""
LINEAR_COPIES = 8
"""The same of an update of linear functions, for each row of weights [measured]."""


def columns(*names: str) -> Shapes:
    """One number a lane for each name."""
    return dict.fromkeys(names, (1,))


def adam_shapes(blocks: Shapes) -> Shapes:
    """Parameters that Adam learns, and what it keeps of them."""
    moments = {f"{name}.{kept}": s for name, s in blocks.items() for kept in ("mean", "square")}
    counts = dict.fromkeys(("adam.betas", "adam.weights", "adam.powers"), (2,))
    return {**blocks, **moments, **counts}


def normaliser_shapes(width: int) -> Shapes:
    """Running means of inputs and of their squares."""
    return dict.fromkeys(NORMALISER, (width,))


LR_FACTOR, LR_PATIENCE, MAX_RESETS = "lr_factor", "lr_patience", "max_resets"
"""Hyperparameters of a schedule of step sizes, and their columns."""
RESETS, GOOD_STEP = "schedule.resets", "schedule.good_step"
"""How often a lane has gone back, and the step before which what it goes back to was kept."""
GOOD = "good."
"""Prefix of what a lane goes back to."""


@dataclass(frozen=True, slots=True)
class StepSize:
    """Names of a step size that falls on plateaus of a loss of its own.

    Attributes:
        lr: of the hyperparameter it begins with, and of its column.
        prefix: of what else it keeps.
    """

    lr: str = "lr"
    prefix: str = "schedule."

    def counters(self) -> tuple[str, ...]:
        """What it keeps of the loss, one number each."""
        return tuple(self.prefix + name for name in ("loss", "weight", "best", "since"))


ONE_SIZE = (StepSize(),)
"""The step sizes of an agent that has one."""


def schedule_shapes(kept: Shapes, sizes: tuple[StepSize, ...] = ONE_SIZE) -> Shapes:
    """The numbers of a schedule of step sizes, and what a lane goes back to.

    Args:
        kept: what is kept for that.
    """
    rates = [size.lr for size in sizes]
    counters = [name for size in sizes for name in size.counters()]
    numbers = columns(*rates, LR_FACTOR, LR_PATIENCE, MAX_RESETS, *counters, RESETS, GOOD_STEP)
    return {**numbers, **{GOOD + name: shape for name, shape in kept.items()}}


@dataclass(frozen=True, slots=True)
class OffPolicyParts:
    """What an agent is made of that learns critics from replay.

    Attributes:
        networks: learned by Adam, in the order in which they are initialised.
        targets: name of a target -> name of the network it follows.
        columns: hyperparameters that are numbers of a lane, in its state by name.
        num_acting_draws, num_update_draws: standard normal numbers of an action in one world and of
            an update.
        metrics: names of what an update reports.
        acting_numbers: numbers that choosing an action goes through.
        sampled_numbers: numbers that judging sampled actions goes through, for a state.
        num_critics: critics in the network "critic", each of whose arrays has an axis for them; 0
            for a single one without that axis.
        tuned: numbers of a lane that Adam learns too.
        shown: numbers of a lane that are among the learned parameters.
        constants: what else is in the state.
    """

    networks: Mapping[str, Shape]
    targets: Mapping[str, str]
    columns: tuple[str, ...]
    num_acting_draws: int
    num_update_draws: int
    metrics: tuple[str, ...]
    acting_numbers: int
    sampled_numbers: int = 0
    num_critics: int = 0
    tuned: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    constants: Shapes = field(default_factory=dict)

    def state(self) -> Shapes:
        """Every tensor of the state but the replay."""
        blocks = {name: (self.num_params(name),) for name in self.networks}
        targets = {target: blocks[name] for target, name in self.targets.items()}
        rates = ("gamma", "actor_lr") if "actor" in self.networks else ("gamma",)
        learned = adam_shapes({**blocks, **columns(*self.tuned)})
        return {**learned, **targets, **columns(*rates, *self.columns), **self.constants}

    def learned(self) -> Shapes:
        """Every learned parameter."""
        named: dict[str, tuple[int, ...]] = {}
        for name in (*self.networks, *self.targets):
            network = self.targets.get(name, name)
            shapes = self.networks[network].named_shapes(f"{name}.")
            axis = (self.num_critics,) if network == "critic" and self.num_critics else ()
            named |= {key: (*axis, *shape) for key, shape in shapes.items()}
        return {**named, **columns(*self.shown)}

    def num_params(self, name: str) -> int:
        """Entries of a network's block, padding included."""
        return self._count(name) * self.networks[name].num_params()

    def draws(self, max_updates: int, worlds: int) -> tuple[int, int]:
        """Standard normal numbers drawn for a step of all worlds, and for each update beside them,
        where up to so many updates follow a step; see `nthrun.agents.base.RepeatingAgent`."""
        acting = worlds * self.num_acting_draws
        if max_updates > 1:
            return acting, self.num_update_draws
        return acting + self.num_update_draws, 0

    def layer_numbers(self) -> int:
        """Numbers that a state goes through in all networks."""
        return sum(self._count(name) * sum(n.widths()) for name, n in self.networks.items())

    def num_repeated_products(self) -> int:
        """Multiply-adds of a sample beside one for each learned parameter."""
        return sum(
            self._count(network) * self.networks[network].num_repeated_products()
            for network in (*self.networks, *self.targets.values())
        )

    def _count(self, name: str) -> int:
        return max(1, self.num_critics) if name == "critic" else 1


def off_policy_layout(
    parts_of: Callable[[Setting, Interface], OffPolicyParts],
    setting: Setting,
    environment: Interface,
) -> Layout:
    """The layout of an agent of given parts."""
    parts = parts_of(setting, environment)
    row, batch = sum(row_widths(environment)), setting["batch_size"]
    worlds = num_worlds(setting)
    update = batch * (row + max(parts.layer_numbers(), parts.sampled_numbers))
    update += max(map(parts.num_params, parts.networks))
    update = max(update, worlds * parts.acting_numbers)
    max_updates = setting["updates_per_step"]
    num_agent_draws, num_update_draws = parts.draws(max_updates, worlds)
    return Layout(
        state=parts.state(),
        learned=parts.learned(),
        metrics=parts.metrics,
        num_agent_draws=num_agent_draws,
        num_replay_draws=batch,
        max_updates=max_updates,
        num_update_draws=num_update_draws,
        replay_capacity=setting["replay_capacity"],
        replay_width=row,
        num_repeated_products=parts.num_repeated_products(),
        update_bytes=FLOAT_BYTES * OFF_POLICY_COPIES * update,
        acting_bytes=FLOAT_BYTES * OFF_POLICY_COPIES * parts.acting_numbers,
    )


def likelihood_ratio_parts(setting: Setting, environment: Interface) -> OffPolicyParts:
    """What an actor-critic is made of whose actor's update samples actions of its own policy."""
    actor, critic = actor_shape(setting, environment), critic_shape(setting, environment)
    draws = policy_spec(setting, environment).num_draws
    num_samples = 0 if environment.discrete else setting["num_samples"]
    return OffPolicyParts(
        networks={"critic": critic, "actor": actor},
        targets={"target_critic": "critic"},
        columns=("tau", "critic_lr", "alpha"),
        num_acting_draws=draws,
        num_update_draws=draws * setting["batch_size"] * (1 + num_samples),
        metrics=("critic_loss", "actor_loss", "entropy"),
        acting_numbers=sum(actor.widths()),
        sampled_numbers=sampled_numbers(num_samples, critic, environment),
    )


def sampled_numbers(count: int, critic: Shape, environment: Interface) -> int:
    """Numbers that judging `count` sampled actions of a state goes through, densities included."""
    return count * (sum(critic.widths()) + SAMPLED_COPIES * environment.action_dim)


def padded(num_features: int) -> int:
    """The width of a row of linear weights."""
    return math.ceil(num_features / FEATURE_MULTIPLE) * FEATURE_MULTIPLE


@dataclass(frozen=True, slots=True)
class LinearParts:
    """What an agent of linear functions of tiles has beside weights and traces.

    Attributes:
        rows: of weights.
        state, learned: tensors of its state and of its learned parameters.
        metrics: names of what an update reports.
        num_agent_draws: standard normal numbers a step.
    """

    rows: int
    state: Shapes
    learned: Shapes
    metrics: tuple[str, ...]
    num_agent_draws: int


def linear_layout(setting: Setting, environment: Interface, parts: LinearParts) -> Layout:
    """The layout of an agent of linear functions, whose weights and traces change in place."""
    tiles, rows = tile_sizes(setting, environment), parts.rows
    weights = dict.fromkeys(("weights", "traces"), (rows, padded(tiles.num_features)))
    coordinates = tiles.num_active * len(tiles.groups()[0])
    acting = FLOAT_BYTES * (3 * coordinates + rows * (tiles.num_active + 2))
    acting += 2 * INDEX_BYTES * tiles.num_active
    update = FLOAT_BYTES * rows * (LINEAR_COPIES + 2 * rows)
    return Layout(
        state={
            **weights,
            "tiles": (1, tiles.num_active),
            **columns("decay", "fading"),
            **parts.state,
        },
        learned=parts.learned,
        metrics=parts.metrics,
        dtypes={"tiles": "int64"},
        num_agent_draws=parts.num_agent_draws,
        update_bytes=acting + update,
        acting_bytes=acting,
    )
