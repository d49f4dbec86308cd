"""What a lane of the exact solution costs."""

from __future__ import annotations

from nthrun.specs.declaration import Setting
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

FLOAT, DOUBLE = 4, 8
NUM_TABLES = 3
SOLVING_BYTES_PER_POINT = 700
"""Held once a pack while the equilibrium is computed, for each point of wealth and ability
[measured: 450]."""
CODE_BYTES = 50_000_000
"""Of what it is computed with."""
ACTING_NUMBERS = 32
"""Of one household, the indices and shares of the tables among them."""


def egm_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane."""
    points = setting["num_masses"] * environment.num_kinds
    tables = DOUBLE * (NUM_TABLES * points + setting["num_masses"])
    return AgentFootprint(
        state_bytes=tables,
        learned_bytes=tables,
        replay_capacity=0,
        replay_row_bytes=0,
        num_agent_draws=0,
        num_replay_draws=0,
        num_metrics=0,
        update_bytes=CODE_BYTES + SOLVING_BYTES_PER_POINT * points,
        acting_bytes=DOUBLE * ACTING_NUMBERS * environment.state_dim,
    )
