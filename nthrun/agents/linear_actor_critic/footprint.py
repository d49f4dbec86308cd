"""What a lane of a linear actor-critic costs."""

from __future__ import annotations

from nthrun.agents.linear_footprint import LinearSizes, linear_footprint
from nthrun.agents.tile_coding_sizes import tile_sizes
from nthrun.specs.declaration import Setting
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

NUM_METRICS = 2  # error and entropy
NUM_COLUMNS = 5  # average reward, discount and three step sizes


def gaussian_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of linearAC."""
    num_draws = environment.action_dim
    return _footprint(setting, environment, 2 * environment.action_dim, num_draws)


def softmax_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of SoftmaxAC."""
    return _footprint(setting, environment, environment.num_actions, 1)


def _footprint(
    setting: Setting, environment: Interface, num_outputs: int, num_draws: int
) -> AgentFootprint:
    tiles = tile_sizes(setting, environment)
    rows = 1 + num_outputs
    return linear_footprint(
        LinearSizes(
            tiles,
            rows,
            state_numbers=NUM_COLUMNS + rows + 2 * tiles.num_active,
            learned_numbers=rows * tiles.num_features + 1,
            num_agent_draws=num_draws,
            num_metrics=NUM_METRICS,
        )
    )
