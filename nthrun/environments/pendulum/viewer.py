"""Pendulum's picture, drawn by Gymnasium's renderer."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from nthrun.errors import DeviceError, MissingExtraError


class PendulumViewer:
    """A window that follows one pendulum.

    Args:
        render_mode: "human" for a window, "rgb_array" for pictures that `show` returns.

    Raises:
        MissingExtraError: pygame is not installed.
        DeviceError: no window can be opened.
    """

    def __init__(self, render_mode: str = "human") -> None:
        try:
            self._pygame = importlib.import_module("pygame")
        except ImportError as error:
            raise MissingExtraError(
                "--monitor needs pygame, which is not installed", "pip install pygame"
            ) from error
        self._environment: Any = gymnasium.make("Pendulum-v1", render_mode=render_mode).unwrapped
        self._drawn(self._environment.reset)

    def show(self, state: list[float]) -> np.ndarray | None:
        """Draw the state (θ in radians from upright, θ̇).

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
