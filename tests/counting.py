"""An agent with as many updates after a step as the step's number says, named in specs as
"counting:Counting"."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nthrun import Experience, Field, State
from nthrun.agents.random_agent.program import RandomAgent

MOST = 4


class Counting(RandomAgent):
    """Acts at random and learns nothing; its metrics are what an update is given."""

    hyperparameters = (Field("most", "int", MOST, "what it says of itself", static=True),)
    num_update_draws, num_replay_draws, replay_capacity = 2, 3, 10

    def __init__(self, statics: Any, environment: Any) -> None:
        super().__init__(statics, environment)
        self.max_updates: int = statics["most"]

    def initial_state(self, settings: Any, gamma: float, generators: Any) -> State:
        state = super().initial_state(settings, gamma, generators)
        count = torch.zeros(len(settings), 1)
        return state | {"count": count, "replay": torch.zeros(len(settings), 10, 1)}

    def observe(self, state: State, experience: Experience, step: Tensor) -> None: ...

    def num_updates_after(self, step: int) -> int:
        return step % (MOST + 1)

    def update(
        self,
        state: State,
        experience: Experience,
        ended: Tensor,
        noise: Any,
        step: Tensor,
        number: Tensor | None = None,
    ) -> dict[str, Tensor]:
        assert number is not None
        count = state["count"].add_(1.0)[:, 0]
        return {
            "count": count * 1.0,
            "step": 0.0 * count + step,
            "number": 0.0 * count + number,
            "reward": experience.reward[:, 0, 0] * 1.0,
            "ended": ended[:, 0, 0].float(),
            "normal": noise.agent[:, 1] * 1.0,
            "row": noise.replay[:, 2].float(),
        }

    def learned_params(self, state: State) -> dict[str, Tensor]:
        return {"count": state["count"]}
