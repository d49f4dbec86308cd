"""A follower: a world of its own that plays an episode as it unfolds, to be drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from nthrun.environments.base import HostEnvironment
from nthrun.environments.hosting import playable
from nthrun.errors import DeviceError, MissingExtraError

Picture = TypeVar("Picture")


class Follower:
    """Plays what another world played, step by step.

    Args:
        world: to play in.
    """

    def __init__(self, world: HostEnvironment) -> None:
        self._world = world
        self._seed: int | None = None
        self._count = 0

    def drawn(self, seed: int, actions: np.ndarray, draw: Callable[[], Picture]) -> Picture:
        """Play an episode up to where it stands, from where it stood at the last call; draw it.

        Args:
            seed: of the episode.
            actions: all of it so far, `(steps, action_dim)`.
            draw: draws the world.

        Raises:
            DeviceError: no window can be opened.
            MissingExtraError: what draws it is not installed.
        """
        try:
            self._catch_up(seed, actions)
            return draw()
        except MissingExtraError:
            raise
        except Exception as error:  # renderers raise what their window systems raise
            reason = " ".join(str(error).split())
            raise DeviceError(
                f"--monitor: the environment cannot be drawn here ({reason})",
                "run where a display is, or leave --monitor out",
            ) from error

    def _catch_up(self, seed: int, actions: np.ndarray) -> None:
        if seed != self._seed or len(actions) < self._count:
            self._world.reset(seed)
            self._seed, self._count = seed, 0
        for action in actions[self._count :]:
            self._world.step(playable(action))
        self._count = len(actions)
