"""A follower: a world of its own that plays an episode as it unfolds, to be drawn."""

from __future__ import annotations

import numpy as np

from nthrun.environments.base import HostEnvironment


class Follower:
    """Plays what another world played, step by step.

    Args:
        world: to play in.
    """

    def __init__(self, world: HostEnvironment) -> None:
        self._world = world
        self._seed: int | None = None
        self._count = 0

    def catch_up(self, seed: int, actions: np.ndarray) -> None:
        """Play an episode up to where it stands, from where it stood at the last call.

        Args:
            seed: of the episode.
            actions: all of it so far, `(steps, action_dim)`.
        """
        if seed != self._seed or len(actions) < self._count:
            self._world.reset(seed)
            self._seed, self._count = seed, 0
        for action in actions[self._count :]:
            self._world.step(np.nan_to_num(action))
        self._count = len(actions)
