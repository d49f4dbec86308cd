"""A solver with two parts in its cycle, named in specs as "cyclic:Cyclic", that notes what runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nthrun import Field
from nthrun.agents.base import State

FIRST, SECOND = "policy", "value"


class Cyclic:
    """Adds chance to one number, `updates` steps long, then for one step the one to another.

    A slip, which a spec may choose, breaks its contract.
    """

    solves = True
    hyperparameters = (
        Field("updates", "int", 2, "steps of the first part", minimum=1, static=True),
        Field("slip", "str", "none", "what is wrong", static=True),
    )
    num_simulation_draws, num_agent_draws = 0, 1

    def __init__(self, statics: Any, environment: Any) -> None:
        self.updates: int = statics["updates"]
        self.slip: str = statics["slip"]
        self.size: int = environment.interface.action_dim

    def initial_state(self, settings: Any, gamma: float, generators: Any) -> State:
        return {name: torch.zeros(len(settings), 1) for name in (FIRST, SECOND, "ran", "count")}

    def variant_at(self, step: int) -> Any:
        if self.slip == "an odd variant":
            return torch.tensor(step)
        if self.slip == "a negative variant":
            return -1
        return int(step % (self.updates + 1) == self.updates)

    def solve(self, state: State, noise: Any, step: Tensor, variant: int) -> dict[str, Tensor]:
        state["count"].add_(1.0)
        state["ran"].fill_(float(variant))
        if self.slip == "a number" and variant:
            state[FIRST].mul_(float(state["count"].sum()))
        if variant == 0:
            state[FIRST].add_(noise.agent)
        else:
            state[SECOND].add_(state[FIRST])
        metrics = {name: state[name][:, 0].clone() for name in (FIRST, SECOND, "ran")}
        if self.slip == "other metrics" and variant:
            del metrics[FIRST]
        return metrics

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        return observation.new_zeros(*observation.shape[:-1], self.size)

    def learned_params(self, state: State) -> dict[str, Tensor]:
        return {name: state[name] for name in (FIRST, SECOND, "count")}

    def measures(self, state: State) -> dict[str, np.ndarray]:
        return {}
