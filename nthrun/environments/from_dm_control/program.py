"""One world of a control-suite task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nthrun.environments.base import Outcome
from nthrun.environments.from_dm_control.declaration import load_task
from nthrun.specs.environment_spec import EnvironmentSpec


class ControlTask:
    """A task whose episodes are seeded one by one; the parts of an observation are joined.

    The task's own time limit truncates: it ends an episode with a discount of 1, a terminal state
    with a discount of 0.
    """

    def __init__(self, spec: EnvironmentSpec) -> None:
        domain, task = spec.env_name, str(spec.values["task_name"])
        self._environment: Any = load_task(domain, task)

    def reset(self, seed: int) -> np.ndarray:
        self._environment.task.random.seed(seed)
        return _flat_observation(self._environment.reset().observation)

    def step(self, action: np.ndarray) -> Outcome:
        seen = self._environment.step(action)
        terminated = bool(seen.last() and seen.discount == 0.0)
        truncated = seen.last() and not terminated
        return _flat_observation(seen.observation), float(seen.reward), terminated, truncated

    def render(self, camera: int = 0) -> np.ndarray:
        """A picture, `(height, width, 3)`."""
        picture: np.ndarray = self._environment.physics.render(480, 640, camera_id=camera)
        return picture


def _flat_observation(observation: Mapping[str, Any]) -> np.ndarray:
    return np.concatenate([np.asarray(part, np.float32).ravel() for part in observation.values()])
