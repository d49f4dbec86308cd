"""A window on an episode of a control-suite task, drawn by MuJoCo and shown by pygame."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from nthrun.environments.follower import Follower
from nthrun.environments.from_dm_control.program import ControlTask
from nthrun.errors import MissingExtraError
from nthrun.specs.environment_spec import EnvironmentSpec


class ControlViewer:
    """Draws the episode it follows.

    Raises:
        MissingExtraError: pygame is not installed.
    """

    def __init__(self, spec: EnvironmentSpec) -> None:
        try:
            self._pygame: Any = importlib.import_module("pygame")
        except ImportError as error:
            raise MissingExtraError(
                "--monitor needs pygame, which is not installed", 'pip install ".[render]"'
            ) from error
        self._task = ControlTask(spec)
        self._follower = Follower(self._task)
        self._window: Any = None

    def follow(self, seed: int, actions: np.ndarray) -> None:
        """Draw an episode at where it stands; see `Follower.drawn`."""
        self._follower.drawn(seed, actions, self._draw)

    def _draw(self) -> None:
        picture = self._task.render().swapaxes(0, 1)
        if self._window is None:
            self._window = self._pygame.display.set_mode(picture.shape[:2])
        self._pygame.surfarray.blit_array(self._window, picture)
        self._pygame.display.flip()
        self._pygame.event.pump()
