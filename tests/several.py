"""An agent that acts in several worlds at once, named in specs as "several:Several"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nthrun import Experience, Field, Interface, Noise, State, lane_column
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of

RECORD = ["train_states", "train_actions", "train_rewards", "update_next_states", "metrics"]
ENVIRONMENT = {
    "env_name": "CartPole-v1",
    "total_timesteps": 960,
    "steps_per_episode": 12,
    "eval_interval_timesteps": 320,
    "eval_episodes": 2,
    "record": RECORD,
}


class Several:
    """A linear actor whose weights follow a linear critic of states, both learned from all worlds;
    its steps fall to 0 by the end of the run."""

    hyperparameters = (
        Field("lr", "float", 0.02, "step size", minimum=0),
        Field("num_worlds", "int", 1, "worlds", minimum=1, static=True),
    )
    replay_capacity = num_replay_draws = 0

    def __init__(self, statics: Mapping[str, Any], environment: Interface) -> None:
        self.num_worlds: int = statics["num_worlds"]
        self.discrete, self.widths = environment.discrete, (environment.observation_dim, 1)
        self.num_agent_draws = self.num_worlds
        self.num_steps = environment.total_timesteps // self.num_worlds

    def initial_state(
        self,
        settings: Sequence[Mapping[str, Any]],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        drawn = [g.standard_normal(self.widths, dtype=np.float32) for g in generators]
        weights = torch.from_numpy(np.stack(drawn))
        discount = lane_column([gamma] * len(settings))
        rate = lane_column([setting["lr"] for setting in settings])
        return {"actor": weights, "critic": 0.1 * weights, "gamma": discount, "lr": rate}

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        return self.bounded(self.of(state["actor"], observation) + noise.agent.unsqueeze(-1))

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        return self.bounded(self.of(state["actor"], observation))

    def bounded(self, preference: Tensor) -> Tensor:
        return (preference > 0).float() if self.discrete else torch.tanh(preference)

    def of(self, weights: Tensor, observation: Tensor) -> Tensor:  # (lanes, batch, 1)
        return (observation.unsqueeze(-1) * weights.unsqueeze(1)).sum(2)

    def observe(self, state: State, experience: Experience, step: Tensor) -> None: ...

    def num_updates_after(self, step: int) -> int:
        return step % 3 // 2

    def update(
        self, state: State, experience: Experience, ended: Tensor, noise: Noise, step: Tensor
    ) -> dict[str, Tensor]:
        goes_on = state["gamma"].unsqueeze(-1) * (1.0 - experience.terminated)
        following = self.of(state["critic"], experience.next_observation)
        error = experience.reward + goes_on * following
        error = error - self.of(state["critic"], experience.observation)
        slope = (error * experience.observation).sum(1).unsqueeze(-1) / self.num_worlds
        rate = state["lr"] * (1.0 - step / self.num_steps)
        for name in ("critic", "actor"):
            state[name].add_(rate.unsqueeze(-1) * slope)
        return {"error": error[..., 0].sum(1), "ended": ended[..., 0].sum(1).float()}

    def learned_params(self, state: State) -> dict[str, Tensor]:
        return {name: state[name] for name in ("actor", "critic")}


def several_spec(
    num_worlds: Sequence[int], environment: Mapping[str, Any] | None = None
) -> ExperimentSpec:
    """Runs of so many worlds each, at three step sizes; the number of worlds varies fastest."""
    parameters = {"num_worlds": list(num_worlds), "lr": [0.02, 0.05, 0.01]}
    agent = {"agent_name": "several:Several", "parameters": parameters}
    return experiment_spec_of(ENVIRONMENT | dict(environment or {}), agent, "test")
