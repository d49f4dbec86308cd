"""A module that registers environments with Gymnasium when it is imported."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.wrappers import RecordEpisodeStatistics


class Echo(gymnasium.Env[np.ndarray, int]):
    """Never ends an episode; keeps the keywords that it was made with."""

    keywords: ClassVar[list[dict[str, Any]]] = []
    observation_space = gymnasium.spaces.Box(0.0, 1.0, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, render_mode: str | None = None, **keywords: Any) -> None:
        self.keywords.append(keywords)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        return np.zeros(1, np.float32), 1.0, False, False, {}


class Strict(gymnasium.Env[np.ndarray, Any]):
    """Takes no action that its space does not contain, and no keyword but what the space is made
    of; keeps what was played. The reward is the action's sum."""

    played: ClassVar[list[Any]] = []
    observation_space = gymnasium.spaces.Box(0.0, 1.0, (1,))

    def __init__(
        self, kind: str = "Box", dtype: str = "", shape: tuple[int, ...] = (), **of_space: Any
    ) -> None:
        numbers = dtype or ("float32" if kind == "Box" else None)
        arrays = {name: np.array(value, numbers) for name, value in of_space.items()}
        if shape:
            arrays = {name: array.reshape(shape) for name, array in arrays.items()}
        typed = {"dtype": np.dtype(dtype).type} if dtype else {}
        self.action_space = getattr(gymnasium.spaces, kind)(**arrays, **typed)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        self.played.append(np.copy(action))
        return np.zeros(1, np.float32), float(np.sum(action)), False, False, {}


gymnasium.register("maze/Strict-v0", entry_point=Strict)
gymnasium.register(
    "maze/Echo-v0",
    entry_point=Echo,
    max_episode_steps=3,
    additional_wrappers=(RecordEpisodeStatistics.wrapper_spec(),),
)
