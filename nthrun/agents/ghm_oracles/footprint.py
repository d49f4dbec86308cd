"""What a lane of the policies that know GHM's equations costs."""

from __future__ import annotations

from nthrun.environments.ghm.declaration import MAX_NODES
from nthrun.specs.declaration import Setting
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

FLOAT, DOUBLE = 4, 8
SOLVING_BYTES = 160_000_000
"""Held while the optimum is computed, beside its tables; once a pack, and counted for each lane
[measured at the default bounds: 65 MB with steps of 0.1 years, 105 MB with 0.01, 160 MB with 0.001,
303 MB with 0.00012]."""
BARRIER_NUMBERS, TABLE_NUMBERS = 16, 48
"""Held for one action by thresholds, and by tables with their indices and shares."""


def barrier_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane."""
    return _footprint(2 * FLOAT, 0, BARRIER_NUMBERS)


def dp_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane."""
    tables = DOUBLE * MAX_NODES * (3 * environment.horizon_steps + 2)
    return _footprint(tables, SOLVING_BYTES, TABLE_NUMBERS)


def _footprint(learned: int, working: int, acting_numbers: int) -> AgentFootprint:
    return AgentFootprint(
        state_bytes=learned,
        learned_bytes=learned,
        replay_capacity=0,
        replay_row_bytes=0,
        num_agent_draws=0,
        num_replay_draws=0,
        num_metrics=0,
        update_bytes=working,
        acting_bytes=FLOAT * acting_numbers,
    )
