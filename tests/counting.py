"""Agents with several updates after a step, named in specs as "counting:Counting", with as many as
the step's number says, and "counting:Gathering", with whole epochs after every rollout."""

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


class Gathering(Counting):
    """Goes twice through every 10 steps, in batches of 5, after it has gathered."""

    hyperparameters = (Field("batch", "int", 5, "steps of an update", static=True),)
    max_updates, permuted = 4, True

    def __init__(self, statics: Any, environment: Any) -> None:
        RandomAgent.__init__(self, statics, environment)
        self.num_replay_draws: int = statics["batch"]

    def initial_state(self, settings: Any, gamma: float, generators: Any) -> State:
        state = super().initial_state(settings, gamma, generators)
        return state | {name: torch.zeros(len(settings), 1) for name in ("gathered", "ends")}

    def num_updates_after(self, step: int) -> int:
        return self.max_updates * (step % 10 == 9)

    def observe(  # type: ignore[override]
        self, state: State, experience: Experience, step: Tensor, ended: Tensor
    ) -> None:
        state["ends"].add_(ended[:, 0].float())

    def gather(self, state: State, step: Tensor) -> None:
        state["gathered"].copy_(state["gathered"] * 0.0 + 1000.0 * state["count"] + step)

    def update(self, state: State, *given: Any) -> dict[str, Tensor]:
        kept = {name: state[name][:, 0] * 1.0 for name in ("gathered", "ends")}
        return super().update(state, *given) | kept
