"""One world of a registered Gymnasium environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from nthrun.environments.base import Outcome
from nthrun.environments.from_gymnasium.declaration import counted_components, make, wrapped
from nthrun.environments.host_environment import float32_bounds
from nthrun.specs.documents import KEYWORDS, WRAPPERS
from nthrun.specs.environment_spec import EnvironmentSpec


class GymnasiumEnvironment:
    """A Gymnasium environment without its time limit: `steps_per_episode` is the limit.

    Args:
        spec: names it, its keywords and its wrappers.
        render_mode: Gymnasium's.
    """

    def __init__(self, spec: EnvironmentSpec, render_mode: str | None = None) -> None:
        bare = make(spec.env_name, spec.mapping(KEYWORDS), render_mode)
        self._environment: Any = wrapped(bare, spec.items(WRAPPERS))
        self._flat = flattener(self._environment.observation_space)
        by_number = spec.interface.num_actions > 0
        self._shaped = shaper(self._environment.action_space, by_number)
        self._game: Any = getattr(self._environment.unwrapped, "game", None)

    def reset(self, seed: int) -> np.ndarray:
        if hasattr(self._game, "last_action"):
            self._game.last_action = 0  # MinAtar would repeat it in the next episode
        observation, _ = self._environment.reset(seed=seed)
        return self._flat(observation)

    def step(self, action: np.ndarray) -> Outcome:
        shaped = action if self._shaped is None else self._shaped(action)
        seen, reward, terminated, truncated, _ = self._environment.step(shaped)
        return self._flat(seen), reward, terminated, truncated

    @property
    def needs_display(self) -> bool:
        """Whether drawing without a display would abort the process, as MuJoCo's window does."""
        return hasattr(self._environment.unwrapped, "mujoco_renderer")

    def render(self) -> np.ndarray | None:
        """A picture, if the render mode makes one."""
        picture: np.ndarray | None = self._environment.render()
        return picture


def flattener(space: spaces.Space[Any]) -> Callable[[Any], np.ndarray]:
    """What turns an observation into an array, `(observation_dim,)`."""
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return lambda observation: observation
    return lambda observation: np.asarray(spaces.flatten(space, observation))


def shaper(space: spaces.Space[Any], by_number: bool = True) -> Callable[[np.ndarray], Any] | None:
    """What turns a flat float32 action into an element of its space; None where it is one.

    Args:
        by_number: whether an action of whole numbers is given as its one number, and not as its
            components, each from 0.
    """
    if isinstance(space, spaces.Discrete):
        start = int(space.start)
        return lambda action: int(action[0]) + start
    if components := counted_components(space):
        if not by_number:
            return components.array_of
        return lambda action: components.array(int(action[0]))
    assert isinstance(space, spaces.Box)
    shape, (low, high) = space.shape, float32_bounds(space.low.ravel(), space.high.ravel())
    dtype = space.dtype if not np.can_cast(np.float32, space.dtype) else np.dtype(np.float32)
    if (low < space.low.ravel()).any() or (high > space.high.ravel()).any():
        # a component has one value, which float32 lacks
        return lambda action: np.clip(action.reshape(shape), space.low, space.high)
    if len(shape) == 1 and dtype == np.float32:
        return None
    return lambda action: action.reshape(shape).astype(dtype, copy=False)
