"""What a lane of an agent costs that learns one critic from replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nthrun.agents.sizes import MLPShape, actor_shape, critic_shape, policy_spec, row_widths
from nthrun.specs.declaration import Setting
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

FLOAT_BYTES = 4
ADAM_BLOCKS = 3  # a parameter, its mean and its square
ADAM_COLUMNS = 6  # betas, 1 - betas and powers, two each
UPDATE_LAYERS = 3
"""Rows of every layer's width that an update holds at once for each row of its batch."""
SAMPLED_LAYERS = 2
"""Rows of the critic's widths that judging sampled actions holds for each of them."""
UPDATE_BLOCKS = 4
"""Rows as long as the largest network's parameters: its gradient and Adam's temporaries."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What an agent is made of.

    Attributes:
        networks: learned by Adam, the critic first.
        targets: that follow some of them.
        num_columns: numbers a lane in its state, beside Adam's.
        num_agent_draws: standard normal numbers a step.
        num_metrics: that an update reports.
        num_sampled: actions of every state of the batch that the critic judges at once.
        sample_floats: numbers that an update holds for each of them, beside the critic's layers.
        acting_floats: numbers that choosing an action holds.
    """

    networks: Sequence[MLPShape]
    targets: Sequence[MLPShape]
    num_columns: int
    num_agent_draws: int
    num_metrics: int
    num_sampled: int
    sample_floats: int
    acting_floats: int


def off_policy_footprint(setting: Setting, environment: Interface, parts: Parts) -> AgentFootprint:
    """The cost of one lane of given static hyperparameters."""
    learned = sum(network.num_params() for network in parts.networks)
    following = sum(network.num_params() for network in parts.targets)
    state = ADAM_BLOCKS * learned + ADAM_COLUMNS + following + parts.num_columns
    named = sum(network.num_learned() for network in (*parts.networks, *parts.targets))
    row, batch = sum(row_widths(environment)), setting["batch_size"]
    layers = sum(sum(network.widths()) for network in parts.networks)
    sampled = sum(parts.networks[0].widths()) + parts.sample_floats
    judged = SAMPLED_LAYERS * parts.num_sampled * sampled
    update = batch * (UPDATE_LAYERS * row + max(UPDATE_LAYERS * layers, judged))
    update += UPDATE_BLOCKS * max(network.num_params() for network in parts.networks)
    return AgentFootprint(
        state_bytes=FLOAT_BYTES * state,
        learned_bytes=FLOAT_BYTES * named,
        replay_capacity=setting["replay_capacity"],
        replay_row_bytes=FLOAT_BYTES * row,
        num_agent_draws=parts.num_agent_draws,
        num_replay_draws=batch,
        num_metrics=parts.num_metrics,
        update_bytes=FLOAT_BYTES * update,
        acting_bytes=FLOAT_BYTES * parts.acting_floats,
    )


NUM_COLUMNS = 5  # gamma, tau, two step sizes and alpha
NUM_METRICS = 3  # critic loss, actor loss, entropy
ACTING_LAYERS = 3
SAMPLE_FLOATS = 8
"""Numbers of a sampled action's density and gradient, for each of its components."""


def sampling_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of given static hyperparameters."""
    actor, critic = actor_shape(setting, environment), critic_shape(setting, environment)
    draws = policy_spec(setting, environment).num_draws
    num_samples = 0 if environment.discrete else setting["num_samples"]
    parts = Parts(
        networks=(critic, actor),
        targets=(critic,),
        num_columns=NUM_COLUMNS,
        num_agent_draws=draws * (1 + setting["batch_size"] * (1 + num_samples)),
        num_metrics=NUM_METRICS,
        num_sampled=num_samples,
        sample_floats=SAMPLE_FLOATS * environment.action_dim,
        acting_floats=ACTING_LAYERS * sum(actor.widths()),
    )
    return off_policy_footprint(setting, environment, parts)
