"""A window on an episode of a registered environment, drawn by its own renderer."""

from __future__ import annotations

import os

import numpy as np

from nthrun.environments.follower import Follower
from nthrun.environments.from_gymnasium.program import GymnasiumEnvironment
from nthrun.errors import DeviceError
from nthrun.specs.environment_spec import EnvironmentSpec

DISPLAYS = {"DISPLAY", "WAYLAND_DISPLAY"}


class GymnasiumViewer:
    """Draws the episode it follows.

    Args:
        spec: names the environment.
        render_mode: "human" for a window, "rgb_array" for pictures that `follow` returns.

    Raises:
        DeviceError: it cannot be drawn here.
    """

    def __init__(self, spec: EnvironmentSpec, render_mode: str = "human") -> None:
        self._world = GymnasiumEnvironment(spec, render_mode)
        if (
            render_mode == "human"
            and self._world.needs_display
            and not DISPLAYS & os.environ.keys()
        ):
            raise DeviceError(
                f"--monitor: no window can be opened here ({' and '.join(sorted(DISPLAYS))} unset)",
                "run where a display is, or leave --monitor out",
            )
        self._follower = Follower(self._world)

    def follow(self, seed: int, actions: np.ndarray) -> np.ndarray | None:
        """Draw an episode at where it stands; see `Follower.drawn`."""
        return self._follower.drawn(seed, actions, self._world.render)
