"""What a lane of SAC costs."""

from __future__ import annotations

from nthrun.agents.off_policy.shapes import actor_shape, critic_shape, policy_spec
from nthrun.agents.sac.counts import num_agent_draws, num_baseline_actions, num_critics
from nthrun.agents.shapes import row_widths
from nthrun.specs.declaration import Setting
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

FLOAT_BYTES = 4
NUM_METRICS = 3  # critic loss, actor loss, entropy
NUM_COLUMNS = 5  # gamma, tau and three step sizes
ADAM_BLOCKS = 3  # a parameter, its mean and its square
ADAM_COLUMNS = 6  # betas, 1 - betas and powers, two each
UPDATE_LAYERS = 3
"""Rows of every layer's width that an update holds at once for each step of its batch, and of
every sampled action's noise and parameters."""
UPDATE_BLOCKS = 4
"""Rows as long as the critics' parameters, or the actor's if that has more, that it holds: their
gradient and Adam's temporaries."""


def sac_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of given static hyperparameters."""
    actor, critic = actor_shape(setting, environment), critic_shape(setting, environment)
    critics = num_critics(setting) * critic.num_params()
    learned = actor.num_params() + critics + 1  # log alpha is the last
    state = ADAM_BLOCKS * learned + ADAM_COLUMNS + critics + NUM_COLUMNS
    named = actor.num_learned() + 2 * num_critics(setting) * critic.num_learned() + 1
    row = sum(row_widths(environment))
    update = _batch_floats(setting, environment)
    update += UPDATE_BLOCKS * max(critics, actor.num_params())
    return AgentFootprint(
        state_bytes=FLOAT_BYTES * state,
        learned_bytes=FLOAT_BYTES * named,
        replay_capacity=setting["replay_capacity"],
        replay_row_bytes=FLOAT_BYTES * row,
        num_agent_draws=num_agent_draws(setting, environment),
        num_replay_draws=setting["batch_size"],
        num_metrics=NUM_METRICS,
        update_bytes=FLOAT_BYTES * update,
        acting_bytes=FLOAT_BYTES * UPDATE_LAYERS * sum(actor.widths()),
    )


def _batch_floats(setting: Setting, environment: Interface) -> int:
    """Numbers that an update holds of its batch and of the actions it samples."""
    spec = policy_spec(setting, environment)
    batch: int = setting["batch_size"]
    actor = sum(actor_shape(setting, environment).widths())
    critics = num_critics(setting) * sum(critic_shape(setting, environment).widths())
    judged = _num_judged(setting, environment) * (critics + spec.num_draws + spec.num_outputs)
    return UPDATE_LAYERS * batch * (sum(row_widths(environment)) + actor + judged)


def _num_judged(setting: Setting, environment: Interface) -> int:
    """Actions of a state that the critics judge at once."""
    if environment.discrete:
        return 1
    spec = policy_spec(setting, environment)
    num_samples: int = setting["num_samples"]
    if setting["reparam_baseline"][0]:
        return num_samples * spec.num_strata
    return max(num_samples, num_baseline_actions(setting))
