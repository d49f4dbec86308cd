"""Rendering while training: the environment's own viewer, fed with the first world of a pack."""

from __future__ import annotations

from nthrun.agents.base import State
from nthrun.errors import DeviceError
from nthrun.specs.declaration import load_program
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.user_class import failing_as


class Monitor:
    """Shows the first world of the first lane of a pack.

    Args:
        spec: of the environment; its declaration names the viewer.
        after: training steps before the window opens.

    Raises:
        MissingExtraError: the viewer's package is not installed.
        DeviceError: the environment cannot be drawn, or no window can be opened here.
    """

    def __init__(self, spec: EnvironmentSpec, after: int) -> None:
        if not spec.declaration.viewer:
            raise DeviceError(f"--monitor: nothing draws {spec.env_name}", "leave --monitor out")
        viewer = load_program(spec.declaration.viewer)
        self._on_host = spec.declaration.on_host
        problem = f"--monitor: {spec.env_name} cannot be drawn"
        programs = (spec.declaration.viewer, spec.env_name)
        with failing_as(DeviceError, problem, programs, "leave --monitor out"):
            self._viewer = viewer(spec) if self._on_host else viewer()
        self._after = after

    def show(self, state: State, step: int) -> None:
        """Draw the state after a step."""
        if step <= self._after:
            return
        if self._on_host:
            count = int(state["host.episode_step"][0, 0])
            actions = state["host.actions"][0, 0, :count].numpy()
            self._viewer.follow(int(state["host.seed"][0, 0]), actions)
        else:
            self._viewer.show(state["environment.state"][0, 0].tolist())
