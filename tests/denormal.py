"""An agent, a world and a solver that see whether denormal numbers are zero where they compute."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience, State
from nthrun.agents.random_agent.program import RandomAgent
from nthrun.environments.base import Outcome
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.interface import Interface

SMALL = 1e-40
"""A denormal float32."""


def is_kept() -> bool:
    """Whether numpy, torch and Python all compute with denormal numbers here."""
    numbers = (
        float(np.float32(SMALL) * np.float32(0.5)),
        float(torch.full((100,), SMALL).mul(0.5).sum()),
        float("5e-324") * 1.0,
    )
    assert len({number > 0 for number in numbers}) == 1
    return numbers[0] > 0


class Denormal(RandomAgent):
    """An own agent with a denormal number in its state, which every step multiplies by one, and
    another that it adds; specs name it "denormal:Denormal"."""

    hyperparameters = ()

    def initial_state(self, settings: Any, gamma: float, generators: Any) -> State:
        assert is_kept()
        state = super().initial_state(settings, gamma, generators)
        return state | {"small": torch.full((len(settings), 1), SMALL)}

    def observe(self, state: State, experience: Experience, step: Tensor) -> None:
        state["small"].mul_(1.0 + 0.0 * experience.reward[:, 0])

    def learned_params(self, state: State) -> dict[str, Tensor]:
        assert is_kept()
        return {"small": state["small"]}


class World:
    """A world on the host that notes whether it computes with denormal numbers; specs name it
    "denormal:World"."""

    interface = Interface((0.0,), (1.0,), (-1.0,), (1.0,))
    on_host = True
    seen: ClassVar[list[bool]] = []

    def __init__(self, spec: EnvironmentSpec) -> None:
        self.seen.append(is_kept())

    def reset(self, seed: int) -> np.ndarray:
        self.seen.append(is_kept())
        return np.zeros(1, np.float32)

    def step(self, action: np.ndarray) -> Outcome:
        self.seen.append(is_kept())
        return np.zeros(1, np.float32), 0.0, False, False


class Oracle:
    """A solver that measures its solution with denormal numbers; specs name it
    "denormal:Oracle"."""

    solves = True
    hyperparameters = ()
    num_simulation_draws = num_agent_draws = 0

    def __init__(self, statics: Any, environment: EnvironmentSpec) -> None:
        self.action_dim = environment.interface.action_dim
        assert is_kept()

    def initial_state(self, settings: Any, gamma: float, generators: Any) -> State:
        assert is_kept()
        return {"small": torch.full((len(settings), 1), SMALL)}

    def solve(self, state: State, noise: Any, step: Tensor) -> dict[str, Tensor]:
        state["small"].mul_(1.0)
        return {}

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        return observation.new_zeros(*observation.shape[:-1], self.action_dim)

    def learned_params(self, state: State) -> dict[str, Tensor]:
        return {"small": state["small"]}

    def measures(self, state: State) -> dict[str, np.ndarray]:
        return {"kept": np.full(len(state["small"]), float(is_kept()))}
