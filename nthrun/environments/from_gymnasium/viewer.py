"""A window on an episode of a registered environment, drawn by its own renderer."""

from __future__ import annotations

import os

import numpy as np

from nthrun.environments.follower import Follower
from nthrun.environments.from_gymnasium.program import GymnasiumEnvironment
from nthrun.errors import DeviceError, MissingExtraError
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
        """Draw an episode at where it stands; see `Follower.catch_up`.

        Raises:
            DeviceError: no window can be opened.
        """
        try:
            self._follower.catch_up(seed, actions)
            return self._world.render()
        except MissingExtraError:
            raise
        except Exception as error:  # renderers raise what their window systems raise
            reason = " ".join(str(error).split())
            raise DeviceError(
                f"--monitor: the environment cannot be drawn here ({reason})",
                "run where a display is, or leave --monitor out",
            ) from error
