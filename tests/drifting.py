"""An agent whose state does not stay what it was, named in specs as "drifting:Drifting"."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nthrun.agents.base import Experience, State
from nthrun.agents.random_agent.program import RandomAgent


class Drifting(RandomAgent):
    """An agent whose state gets a number of another type at its first step."""

    hyperparameters = ()

    def initial_state(self, settings: Any, gamma: float, generators: Any) -> State:
        count = {"count": torch.zeros(len(settings), 1, dtype=torch.int64)}
        return super().initial_state(settings, gamma, generators) | count

    def observe(self, state: State, experience: Experience, step: Tensor) -> None:
        state["count"] = state["count"] + 0.5
