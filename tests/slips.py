"""Own classes that break their contract in one way each, which a spec chooses.

Specs name them "slips:SlippingAgent", "slips:SlippingSolver", "slips:SlippingTensors" and
"slips:SlippingWorld".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nthrun import Experience, Field, Interface, State, Transition
from nthrun.agents.random_agent.program import RandomAgent

SLIP = Field("slip", "str", "none", "what is wrong", static=True)


class SlippingAgent(RandomAgent):
    """Acts at random; what is wrong with it is the value of `slip`."""

    hyperparameters = (SLIP,)

    def __init__(self, statics: Any, environment: Interface) -> None:
        super().__init__(statics, environment)
        self.slip: str = statics["slip"]
        self.calls = 0

    def initial_state(self, settings: Any, gamma: float, generators: Any) -> Any:
        state = super().initial_state(settings, gamma, generators)
        state["count"] = torch.zeros(len(settings), 1)
        wrong: dict[str, Any] = {
            "no state": None,
            "a state without lanes": state | {"count": torch.zeros(3)},
            "a state of lists": state | {"count": [0.0]},
            "a state of one lane": state | {"count": torch.zeros(1, 1)},
        }
        if self.slip == "raises":
            raise ValueError("no such setting")
        return wrong.get(self.slip, state)

    def act(self, state: State, observation: Tensor, noise: Any, step: Tensor) -> Tensor:
        self.calls += 1
        action = super().act(state, observation, noise, step)
        return action[:, 0] if self.slip == "a flat action" else action

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        action = super().act_greedily(state, observation)
        return action[:, :1] if self.slip == "one greedy action" else action

    def observe(self, state: State, experience: Experience, step: Tensor) -> None:
        if self.slip == "a growing state":
            state["count"] = torch.cat((state["count"], state["count"]), 1)

    def learns_at(self, step: int) -> bool:
        return step >= 2

    def update(
        self, state: State, experience: Experience, ended: Tensor, noise: Any, step: Tensor
    ) -> Any:
        lanes = len(experience.reward)
        wrong: dict[str, Any] = {
            "no metrics": None,
            "a scalar metric": {"loss": torch.zeros(())},
            "a wide metric": {"loss": torch.zeros(lanes, 1)},
            "a whole metric": {"loss": torch.zeros(lanes, dtype=torch.int64)},
            "a metric of Python": {"loss": 0.0},
        }
        return wrong.get(self.slip, {"loss": torch.zeros(lanes)})

    def learned_params(self, state: State) -> Any:
        wrong: dict[str, Any] = {
            "parameters without lanes": {"weights": torch.zeros(3, 2)},
            "a parameter without axes": {"weights": torch.zeros(())},
            "parameters of all lanes": {
                "weights": torch.zeros(len(state["count"]), len(state["count"]))
            },
            "parameters of numpy": {"weights": np.zeros((1, 2))},
        }
        return wrong.get(self.slip, {"count": state["count"]})


class SlippingSolver:
    """Looks for nothing; what is wrong with it is the value of `slip`."""

    solves = True
    hyperparameters = (SLIP,)
    num_simulation_draws = num_agent_draws = 0

    def __init__(self, statics: Any, environment: Any) -> None:
        self.slip: str = statics["slip"]
        self.size: int = environment.interface.action_dim

    def initial_state(self, settings: Any, gamma: float, generators: Any) -> State:
        return {"count": torch.zeros(len(settings), 1)}

    def solve(self, state: State, noise: Any, step: Tensor) -> Any:
        return None if self.slip == "no metrics" else {}

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        return observation.new_zeros(*observation.shape[:-1], self.size)

    def learned_params(self, state: State) -> Any:
        return {
            "count": state["count"][0]
            if self.slip == "parameters without lanes"
            else state["count"]
        }

    def measures(self, state: State) -> dict[str, np.ndarray]:
        return {}


class SlippingTensors:
    """A point that stays; what is wrong with it is the value of `slip`."""

    interface = Interface((0.0,), (1.0,), (-1.0,), (1.0,), state_dim=2)
    fields = (SLIP,)

    def __init__(self, spec: Any) -> None:
        self.slip: str = spec.values["slip"]

    def reset(self, draws: Tensor) -> Tensor:
        return torch.zeros(*draws.shape[:-1], 3 if self.slip == "a long state" else 2)

    def observe(self, state: Tensor) -> Tensor:
        seen = state[..., :1]
        return {"a long observation": state, "a flat observation": seen[..., 0]}.get(
            self.slip, seen
        )

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Any:
        zero = torch.zeros_like(state[..., :1])
        parts = {"state": state, "reward": zero, "terminated": zero}
        wrong: dict[str, Any] = {
            "a flat reward": {"reward": zero[..., 0]},
            "a whole reward": {"reward": zero.long()},
            "a flat end": {"terminated": zero[..., 0]},
            "a short state": {"state": state[..., :1]},
            "a reward of Python": {"reward": 0.0},
        }
        if self.slip == "a tuple":
            return tuple(parts.values())
        return Transition(**parts | wrong.get(self.slip, {}))


class SlippingWorld:
    """A world on the host that stays; what is wrong with it is the value of `slip`."""

    interface = Interface((0.0,) * 2, (1.0,) * 2, (-1.0,), (1.0,))
    on_host = True
    fields = (SLIP,)

    def __init__(self, spec: Any) -> None:
        self.slip: str = spec.values["slip"]

    def reset(self, seed: int) -> Any:
        return np.zeros(1 if self.slip == "a short start" else 2, np.float32)

    def step(self, action: np.ndarray) -> Any:
        seen = np.zeros(1 if self.slip == "a short observation" else 2, np.float32)
        outcomes: dict[str, Any] = {
            "five parts": (seen, 0.0, False, False, {}),
            "nothing": None,
            "rewards": (seen, np.zeros(2), False, False),
            "no end": (seen, 0.0, None, False),
        }
        return outcomes.get(self.slip, (seen, 0.0, False, False))
