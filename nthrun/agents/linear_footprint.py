"""What a lane of a linear agent costs, counted alike for all of them."""

from __future__ import annotations

from dataclasses import dataclass

from nthrun.agents.sizes import TileSizes
from nthrun.specs.footprint import AgentFootprint

FLOAT_BYTES = 4
INDEX_BYTES = 8
FEATURE_MULTIPLE = 16
"""Rows of weights are padded to it: every row and lane then begins at a vector's boundary, a fifth
faster [measured]."""
TRACE_COLUMNS = 2  # decay and fading
TILING_BLOCKS = 3
"""Numbers that tiling holds at once for each tile's coordinate."""
INDEX_BLOCKS = 2
"""Integers it holds at once for each tile."""
CHOICE_BLOCKS = 2
"""Numbers that choosing among actions holds for each pair of them."""
UPDATE_COLUMNS = 8
"""Numbers that an update holds for each row of weights."""


@dataclass(frozen=True, slots=True)
class LinearSizes:
    """A linear agent's sizes.

    Attributes:
        tiles: of its features.
        rows: of weights.
        state_numbers: of its state, as float32, beside weights and traces and what they need.
        learned_numbers: of `learned_params`.
        num_agent_draws: numbers drawn for a step.
        num_metrics: of an update.
    """

    tiles: TileSizes
    rows: int
    state_numbers: int
    learned_numbers: int
    num_agent_draws: int
    num_metrics: int


def padded(num_features: int) -> int:
    """The width of a row of weights."""
    return -(-num_features // FEATURE_MULTIPLE) * FEATURE_MULTIPLE


def linear_footprint(sizes: LinearSizes) -> AgentFootprint:
    """The cost of one lane; weights and traces are updated in place."""
    tiles, rows = sizes.tiles, sizes.rows
    state = 2 * rows * padded(tiles.num_features) + TRACE_COLUMNS + sizes.state_numbers
    coordinates = tiles.num_active * len(tiles.groups()[0])
    tiling = FLOAT_BYTES * TILING_BLOCKS * coordinates
    tiling += INDEX_BYTES * INDEX_BLOCKS * tiles.num_active
    acting = tiling + FLOAT_BYTES * rows * (tiles.num_active + 2)
    return AgentFootprint(
        state_bytes=FLOAT_BYTES * state,
        learned_bytes=FLOAT_BYTES * sizes.learned_numbers,
        replay_capacity=0,
        replay_row_bytes=0,
        num_agent_draws=sizes.num_agent_draws,
        num_replay_draws=0,
        num_metrics=sizes.num_metrics,
        update_bytes=acting + FLOAT_BYTES * rows * (UPDATE_COLUMNS + CHOICE_BLOCKS * rows),
        acting_bytes=acting,
    )
