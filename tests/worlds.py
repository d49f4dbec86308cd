"""Worlds on the host that are as tests want them."""

from __future__ import annotations

import numpy as np

from nthrun.environments.base import Outcome
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.interface import Interface

WORLD = Interface((0.0,), (1.0,), (-1.0,), (1.0,), num_reset_draws=2)


class Forgetful:
    """Observations of an unseeded generator: no episode is played the same way again."""

    interface = WORLD
    on_host = True

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._generator = np.random.default_rng()

    def reset(self, seed: int) -> np.ndarray:
        return self._generator.random(1, np.float32)

    def step(self, action: np.ndarray) -> Outcome:
        return Outcome(self._generator.random(1, np.float32), 0.0, False, False)


class Cut:
    """Episodes of `LENGTH` steps, by turns truncated by the environment itself and terminated."""

    interface = WORLD
    on_host = True
    LENGTH = 5

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._episodes = self._steps = 0

    def reset(self, seed: int) -> np.ndarray:
        self._episodes, self._steps = self._episodes + 1, 0
        return np.zeros(1, np.float32)

    def step(self, action: np.ndarray) -> Outcome:
        self._steps += 1
        ended, terminal = self._steps == self.LENGTH, self._episodes % 2 == 0
        return Outcome(np.zeros(1, np.float32), 0.0, ended and terminal, ended and not terminal)
