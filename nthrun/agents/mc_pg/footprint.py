"""What a lane of Monte Carlo policy gradients costs."""

from __future__ import annotations

from nthrun.agents.shapes import MLPShape
from nthrun.specs.declaration import Setting
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

FLOAT = 4
ADAM_COPIES = 3
NUMBERS = 7 + 3 * 2
"""Of a lane beside its networks: step sizes, weights and γ, and what Adam counts."""
NUM_METRICS = 7
LAYER_COPIES = 4
"""Outputs of a layer that an update holds at once: before and after it, and their gradients."""


def networks(setting: Setting, environment: Interface) -> tuple[MLPShape, MLPShape]:
    """The policy's and the baseline's."""
    observation = environment.observation_dim
    return (
        MLPShape(observation, setting["policy_hidden"], environment.action_dim),
        MLPShape(observation, setting["value_hidden"], 1),
    )


def mc_pg_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane."""
    policy, baseline = networks(setting, environment)
    learned = policy.num_params() + environment.action_dim + baseline.num_params()
    episodes, steps = setting["n_trajectories"], environment.horizon_steps
    normaliser = 2 * environment.observation_dim
    seen = 2 * environment.observation_dim + 2 * environment.action_dim + 4
    widest = max(sum(policy.widths()), sum(baseline.widths()))
    shown = policy.num_learned() + environment.action_dim + baseline.num_learned() + normaliser
    return AgentFootprint(
        state_bytes=FLOAT * (ADAM_COPIES * learned + normaliser + NUMBERS),
        learned_bytes=FLOAT * shown,
        replay_capacity=0,
        replay_row_bytes=0,
        num_agent_draws=episodes * steps * environment.action_dim,
        num_replay_draws=0,
        num_metrics=NUM_METRICS,
        update_bytes=FLOAT * episodes * steps * (seen + LAYER_COPIES * widest),
        acting_bytes=FLOAT * LAYER_COPIES * sum(policy.widths()),
        num_simulation_draws=episodes
        * (environment.num_reset_draws + steps * environment.num_step_draws),
    )
