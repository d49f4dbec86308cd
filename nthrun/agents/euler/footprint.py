"""What a lane of the Euler solvers costs."""

from __future__ import annotations

from dataclasses import dataclass

from nthrun.agents.shapes import MLPShape
from nthrun.specs.declaration import Setting
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

FLOAT = 4
ADAM_COPIES = 3
KEPT_COPIES = 2
NUMBERS = 17
"""Of a lane beside its network and panel: columns, the schedule, Adam's counts."""
NUM_METRICS = 9
"""Without households off the path, whose residual is one more."""
ACTING_COPIES = 4
"""Outputs of a layer, and numbers of a household for a state of ability, held at once to act."""
HOUSEHOLD_NUMBERS = 64
OFF_PATH_DRAWS = 4
"""Uniform numbers for each household off the path."""


@dataclass(frozen=True, slots=True)
class Method:
    """What one of the solvers needs.

    Attributes:
        num_outputs: of the network, for each state of ability.
        panel_draws: uniform numbers of a step for each household of the panel.
        num_columns: numbers of a lane that its loss uses.
        layer_copies: as `ACTING_COPIES`, in a step: in this period and the next, with gradients.
    """

    num_outputs: int
    panel_draws: int
    num_columns: int
    layer_copies: int


QUADRATURE = Method(num_outputs=1, panel_draws=1, num_columns=0, layer_copies=6)
ALL_IN_ONE = Method(num_outputs=3, panel_draws=2, num_columns=3, layer_copies=9)


def households_of(environment: Interface) -> int:
    """Households of one world."""
    return (environment.state_dim - 1) // 2


def sees_crowd(environment: Interface) -> bool:
    """Whether the environment shows no prices."""
    return environment.observation_dim < environment.state_dim + 1


def network_shape(setting: Setting, environment: Interface, method: Method) -> MLPShape:
    """The network's."""
    seen = 2 + (2 * households_of(environment) if sees_crowd(environment) else 1)
    return MLPShape(seen, setting["hidden"], method.num_outputs * environment.num_kinds)


def simulated(setting: Setting, environment: Interface, method: Method) -> int:
    """Uniform numbers of a step."""
    panel: int = setting["num_worlds"] * households_of(environment)
    return method.panel_draws * panel + OFF_PATH_DRAWS * _off_path(setting)


def quadrature_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of euler_quadrature."""
    return _footprint(setting, environment, QUADRATURE)


def all_in_one_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of euler_all_in_one."""
    return _footprint(setting, environment, ALL_IN_ONE)


def _off_path(setting: Setting) -> int:
    """Households off the path, of which euler_all_in_one has none."""
    number: int = setting.get("off_path_households", 0)
    return number


def _footprint(setting: Setting, environment: Interface, method: Method) -> AgentFootprint:
    shape = network_shape(setting, environment, method)
    panel = setting["num_worlds"] * households_of(environment)
    looked_at = panel + _off_path(setting)
    normaliser = 2 * shape.in_dim
    kept = ADAM_COPIES * shape.num_params() + 2 * panel + 2 * setting["num_worlds"] + normaliser
    width = sum(shape.widths()) + environment.num_kinds * method.num_outputs + HOUSEHOLD_NUMBERS
    seen = households_of(environment)
    return AgentFootprint(
        state_bytes=FLOAT * (KEPT_COPIES * kept + NUMBERS + method.num_columns),
        learned_bytes=FLOAT * (shape.num_learned() + normaliser),
        replay_capacity=0,
        replay_row_bytes=0,
        num_agent_draws=0,
        num_replay_draws=0,
        num_metrics=NUM_METRICS + (_off_path(setting) > 0),
        update_bytes=FLOAT * method.layer_copies * looked_at * width,
        acting_bytes=FLOAT * ACTING_COPIES * seen * width,
        num_simulation_draws=simulated(setting, environment, method),
    )
