"""Pictures of states, drawn by Gymnasium's renderers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, ClassVar

import gymnasium
import numpy as np

from nthrun.errors import DeviceError, MissingExtraError


class GymnasiumViewer:
    """A window that follows one state; a subclass names Gymnasium's environment.

    It is for environments whose state is that of Gymnasium's, number by number.

    Args:
        render_mode: "human" for a window, "rgb_array" for pictures that `show` returns.

    Raises:
        MissingExtraError: pygame is not installed.
        DeviceError: no window can be opened.
    """

    environment: ClassVar[str]

    def __init__(self, render_mode: str = "human") -> None:
        try:
            self._pygame = importlib.import_module("pygame")
        except ImportError as error:
            raise MissingExtraError(
                "--monitor needs pygame, which is not installed", "pip install pygame"
            ) from error
        made = gymnasium.make(self.environment, render_mode=render_mode)
        self._environment: Any = made.unwrapped
        self._drawn(self._environment.reset)

    def show(self, state: list[float]) -> np.ndarray | None:
        """Draw a state of the environment.

        Raises:
            DeviceError: no window can be opened.
        """
        self._environment.state = np.array(state)
        picture: np.ndarray | None = self._drawn(self._environment.render)
        return picture

    def _drawn(self, draw: Callable[[], Any]) -> Any:
        try:
            return draw()
        except self._pygame.error as error:
            raise DeviceError(
                f"--monitor: no window can be opened here ({error})",
                "run where a display is, or leave --monitor out",
            ) from error
