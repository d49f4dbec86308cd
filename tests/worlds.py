"""Worlds on the host that are as tests want them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from nthrun.environments.base import HostEnvironment, Outcome
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.interface import Interface
from nthrun.training.hosted_program import HostedProgram

WORLD = Interface((0.0,), (1.0,), (-1.0,), (1.0,))


class Forgetful:
    """Observations of an unseeded generator: no episode is played the same way again."""

    interface = WORLD
    on_host = True

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._generator = np.random.default_rng()

    def reset(self, seed: int) -> np.ndarray:
        return self._generator.random(1, np.float32)

    def step(self, action: np.ndarray) -> Outcome:
        return self._generator.random(1, np.float32), 0.0, False, False


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
        return np.zeros(1, np.float32), 0.0, ended and terminal, ended and not terminal


class Walk:
    """A walk from a drawn place, which ends a step away from 0; `shift` is what a change of the
    world's own package would change."""

    interface = WORLD
    on_host = True
    shift = 0.0

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._draw = np.random.default_rng()
        self._place = 0.0

    def reset(self, seed: int) -> np.ndarray:
        self._draw = np.random.default_rng(seed)
        self._place = self._draw.uniform(-0.5, 0.5)
        return np.array([self._place], np.float32)

    def step(self, action: np.ndarray) -> Outcome:
        self._place += 0.1 * float(action[0]) + self._draw.normal(0.0, 0.1) + self.shift
        observation = np.array([self._place], np.float32)
        return observation, -(self._place**2), abs(self._place) >= 1.0, False


class Scribbling(Walk):
    """A walk that overwrites the actions it is given."""

    def step(self, action: np.ndarray) -> Outcome:
        outcome = super().step(action)
        action[:] = 9.0
        return outcome


@dataclass
class Played:
    """What one world was asked for: a seed and the actions of each episode."""

    episodes: list[tuple[int, list[np.ndarray]]] = field(default_factory=list)

    @property
    def num_steps(self) -> int:
        """Steps of all episodes."""
        return sum(len(actions) for _, actions in self.episodes)


@contextmanager
def noted_worlds() -> Iterator[list[Played]]:
    """What every world made meanwhile is asked for, in the order they are made: those to train in,
    one a lane, come before those to evaluate in."""
    noted: list[Played] = []
    made_by = HostedProgram.world

    def world(program: HostedProgram) -> HostEnvironment:
        made, played = made_by(program), Played()
        noted.append(played)
        reset, step = made.reset, made.step

        def told_reset(seed: int) -> np.ndarray:
            played.episodes.append((seed, []))
            return reset(seed)

        def told_step(action: np.ndarray) -> Outcome:
            played.episodes[-1][1].append(action.copy())
            return step(action)

        made.reset, made.step = told_reset, told_step  # type: ignore[method-assign]
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HostedProgram, "world", world)
        yield noted
