"""What a lane of SAC costs."""

from __future__ import annotations

from nthrun.agents.shapes import MLPShape, row_widths
from nthrun.specs.declaration import EnvironmentDeclaration, Setting
from nthrun.specs.footprint import AgentFootprint

FLOAT_BYTES = 4
NUM_CRITICS = 2
OUTPUTS_PER_ACTION = 2  # mean and log standard deviation
NUM_METRICS = 3  # critic loss, actor loss, entropy
NUM_COLUMNS = 5  # gamma, tau and three step sizes
ADAM_BLOCKS = 3  # a parameter, its mean and its square
ADAM_COLUMNS = 6  # betas, 1 - betas and powers, two each
UPDATE_LAYERS = 3
"""Rows of every layer's width that an update holds at once for each step of its batch."""
UPDATE_BLOCKS = 4
"""Rows as long as the critics' parameters it holds: their gradient and Adam's temporaries."""


def sac_footprint(setting: Setting, environment: EnvironmentDeclaration) -> AgentFootprint:
    """The cost of one lane of given static hyperparameters."""
    observation, action = environment.observation_dim, environment.action_dim
    hidden, batch = setting["hidden_dim"], setting["batch_size"]
    actor = MLPShape(observation, hidden, OUTPUTS_PER_ACTION * action)
    critic = MLPShape(observation + action, hidden, 1)
    critics = NUM_CRITICS * critic.num_params()
    learned = actor.num_params() + critics + 1  # log alpha is the last
    state = ADAM_BLOCKS * learned + ADAM_COLUMNS + critics + NUM_COLUMNS
    named = actor.num_learned() + 2 * NUM_CRITICS * critic.num_learned() + 1
    layers = sum(actor.widths()) + NUM_CRITICS * sum(critic.widths())
    row = sum(row_widths(environment))
    update = UPDATE_LAYERS * batch * (layers + row) + UPDATE_BLOCKS * critics
    return AgentFootprint(
        state_bytes=FLOAT_BYTES * state,
        learned_bytes=FLOAT_BYTES * named,
        replay_capacity=setting["replay_capacity"],
        replay_row_bytes=FLOAT_BYTES * row,
        num_agent_draws=action * (1 + 2 * batch),
        num_replay_draws=batch,
        num_metrics=NUM_METRICS,
        update_bytes=FLOAT_BYTES * update,
        acting_bytes=FLOAT_BYTES * UPDATE_LAYERS * sum(actor.widths()),
    )
