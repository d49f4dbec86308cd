"""What a spec may say of a mountain car."""

from __future__ import annotations

from collections.abc import Mapping

from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.field import Field, Value
from nthrun.specs.interface import Interface

LOW, HIGH = (-1.2, -0.07), (0.6, 0.07)
PROGRAM = "nthrun.environments.mountain_car.program"
VIEWER = "nthrun.environments.viewer"
SOURCE = "Moore (1990), Efficient memory-based learning for robot control"


def _interface(*, continuous: bool, terminates: bool = True) -> Interface:
    return Interface(
        observation_low=LOW,
        observation_high=HIGH,
        action_low=(-1.0,) if continuous else (),
        action_high=(1.0,) if continuous else (),
        num_actions=0 if continuous else 3,
        state_dim=2,
        num_reset_draws=1,
        terminates=terminates,
    )


def _either(values: Mapping[str, Value]) -> Interface:
    return _interface(continuous=bool(values["continuous"]))


def _dense(values: Mapping[str, Value]) -> Interface:
    return _interface(continuous=True, terminates=bool(values["episodic"]))


MOUNTAIN_CAR = EnvironmentDeclaration(
    name="MountainCar-v0",
    interface=_either,
    program=f"{PROGRAM}:MountainCar",
    viewer=f"{VIEWER}:MountainCarViewer",
    continuous=(False, True),
    doc=(
        "Drive a weak car out of a valley, at -1 a step; as in Gymnasium. Continuous actions are "
        "forces between those of left and right, with the same reward."
    ),
    source=SOURCE,
)
MOUNTAIN_CAR_CONTINUOUS = EnvironmentDeclaration(
    name="MountainCarContinuous-v0",
    interface=_interface(continuous=True),
    program=f"{PROGRAM}:MountainCarContinuous",
    viewer=f"{VIEWER}:MountainCarContinuousViewer",
    doc=(
        "Drive a weak car out of a valley with little force: 100 at the goal, -0.1 u² a step; as "
        "in Gymnasium."
    ),
    source=SOURCE,
)
DENSE_FIELDS = (
    Field(
        "goal_velocity",
        "float",
        0.0,
        "the least velocity at the goal that counts as reaching it",
        minimum=-0.07,
        maximum=0.07,
    ),
    Field("episodic", "bool", False, "whether reaching the goal ends the episode"),
)

DENSE_MOUNTAIN_CAR_CONTINUOUS = EnvironmentDeclaration(
    name="DenseMountainCarContinuous-v1",
    interface=_dense,
    program=f"{PROGRAM}:DenseMountainCarContinuous",
    viewer=f"{VIEWER}:MountainCarContinuousViewer",
    fields=DENSE_FIELDS,
    doc=(
        "The continuous mountain car with a reward at every step, sin 3x - 1 of the position x "
        "reached: the height above the valley's mean less that of the hilltop, within [-2, 0]."
    ),
    source=SOURCE,
)
POSITION_MOUNTAIN_CAR_CONTINUOUS = EnvironmentDeclaration(
    name="PositionMountainCarContinuous-v1",
    interface=_dense,
    program=f"{PROGRAM}:PositionMountainCarContinuous",
    viewer=f"{VIEWER}:MountainCarContinuousViewer",
    fields=DENSE_FIELDS,
    doc=(
        "The continuous mountain car with the position x reached as its reward at every step, less "
        "0.6, the right wall's, where reaching the goal ends the episode."
    ),
    source=SOURCE,
)
