"""What a lane of Sarsa(λ) and of Expected Sarsa(λ) costs."""

from __future__ import annotations

from nthrun.agents.linear_footprint import LinearSizes, linear_footprint
from nthrun.agents.tile_coding_sizes import tile_sizes
from nthrun.specs.declaration import Setting
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

NUM_METRICS = 1  # error
NUM_COLUMNS = 5  # gamma, step size, epsilon, its decay and its least


def sarsa_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of Sarsa(λ): it keeps its next action, and draws for it."""
    return _footprint(setting, environment, NUM_COLUMNS + 1, 2)


def expected_sarsa_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of Expected Sarsa(λ)."""
    return _footprint(setting, environment, NUM_COLUMNS, 1)


def _footprint(
    setting: Setting, environment: Interface, num_columns: int, num_draws: int
) -> AgentFootprint:
    tiles, rows = tile_sizes(setting, environment), environment.num_actions
    return linear_footprint(
        LinearSizes(
            tiles,
            rows,
            state_numbers=num_columns + 2 * tiles.num_active,
            learned_numbers=rows * tiles.num_features + 1,
            num_agent_draws=num_draws,
            num_metrics=NUM_METRICS,
        )
    )
