"""What a lane of an ε-greedy agent costs."""

from __future__ import annotations

from dataclasses import replace

from nthrun.agents.off_policy.footprint import FLOAT_BYTES, Parts, off_policy_footprint
from nthrun.agents.off_policy.shapes import critic_shape
from nthrun.agents.shapes import MLPShape
from nthrun.specs.declaration import Setting
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

NUM_COLUMNS = 6  # gamma, tau, step size, ε, its decay and its minimum
ACTING_LAYERS = 4
SEARCH_FLOATS = 8
"""Numbers of a search for each component of an action."""


def epsilon_greedy_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of given static hyperparameters."""
    critic = critic_shape(setting, environment)
    actor = MLPShape(
        environment.observation_dim, (setting["hidden_dim"],) * 2, environment.action_dim
    )
    acts = setting["policy_type"] == "DeterministicAction"
    ascends = setting["policy_type"] == "GradientAscent"
    count = setting.get("num_starts") or setting.get("num_candidates") or 0
    num_points = (1 if ascends else 2) * count * environment.action_dim
    searching = SEARCH_FLOATS * environment.action_dim
    judging = max(1, count) * (sum(critic.widths()) + searching)
    parts = Parts(
        networks=(critic, actor) if acts else (critic,),
        targets=(critic, actor) if acts else (critic,),
        num_columns=NUM_COLUMNS + acts + ascends + num_points,
        num_agent_draws=1 + environment.action_dim,
        num_metrics=1 + acts,
        num_sampled=count,
        sample_floats=searching,
        acting_floats=ACTING_LAYERS * (sum(actor.widths()) if acts else judging),
    )
    footprint = off_policy_footprint(setting, environment, parts)
    return replace(footprint, learned_bytes=footprint.learned_bytes + FLOAT_BYTES)  # ε
