"""Rendering while training: the environment's own viewer, fed with the first lane's state."""

from __future__ import annotations

from nthrun.agents.base import State
from nthrun.specs.declaration import load_program
from nthrun.specs.environment_spec import EnvironmentSpec


class Monitor:
    """Shows the first lane of a pack.

    Args:
        spec: of the environment; its declaration names the viewer.
        after: training steps before the window opens.

    Raises:
        MissingExtraError: the viewer's package is not installed.
        DeviceError: no window can be opened here.
    """

    def __init__(self, spec: EnvironmentSpec, after: int) -> None:
        self._viewer = load_program(spec.declaration.viewer)()
        self._after = after

    def show(self, state: State, step: int) -> None:
        """Draw the state after a step."""
        if step > self._after:
            self._viewer.show(state["environment.state"][0, 0].tolist())
