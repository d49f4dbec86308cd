"""A module that registers an environment with Gymnasium when it is imported."""

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


gymnasium.register(
    "maze/Echo-v0",
    entry_point=Echo,
    max_episode_steps=3,
    additional_wrappers=(RecordEpisodeStatistics.wrapper_spec(),),
)
