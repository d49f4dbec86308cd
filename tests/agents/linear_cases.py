"""Linear agents driven by hand, one run of them written out in NumPy, and small experiments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from packs import ENVIRONMENT
from torch import Tensor

from nthrun.agents.base import Experience, Noise, State
from nthrun.agents.linear import TileCoder
from nthrun.agents.linear_actor_critic.declaration import LINEAR_AC, SOFTMAX_AC
from nthrun.agents.linear_sarsa.declaration import EXPECTED_SARSA, SARSA
from nthrun.agents.sizes import tile_sizes
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.specs.agent_spec import read_agent_spec
from nthrun.specs.declaration import load_program
from nthrun.specs.documents import Document
from nthrun.specs.environment_spec import read_environment_spec
from nthrun.specs.interface import Interface

DECLARATIONS = {
    declared.name: declared for declared in (LINEAR_AC, SOFTMAX_AC, SARSA, EXPECTED_SARSA)
}
WORLDS = {"linearAC": "Pendulum-v1"} | dict.fromkeys(
    ("SoftmaxAC", "Sarsa", "ExpectedSarsa"), "MountainCar-v0"
)
"""Agent -> an environment it can act in."""
CONTINUOUS = Interface((-1.0, 0.0), (1.0, 2.0), (-2.0, -1.0), (2.0, 3.0))
DISCRETE = Interface((-1.0, 0.0), (1.0, 2.0), num_actions=3)
GAMMA = 0.9


def linear_spec(
    agent_name: str,
    parameters: Mapping[str, Any],
    environment: Mapping[str, Any] | None = None,
) -> ExperimentSpec:
    """A small experiment of a linear agent."""
    agent = {"agent_name": agent_name, "parameters": parameters}
    world = ENVIRONMENT | {"env_name": WORLDS[agent_name]} | dict(environment or {})
    return ExperimentSpec(
        read_agent_spec(Document(agent, {}, ("agent.json",)), DECLARATIONS[agent_name]),
        read_environment_spec(
            Document(world, {}, ("environment.json",)), ENVIRONMENTS[world["env_name"]]
        ),
    )


def setting_of(agent_name: str, **changes: Any) -> dict[str, Any]:
    """A setting of an agent: its defaults, and changes."""
    fields = DECLARATIONS[agent_name].hyperparameters
    return {declared.name: declared.default for declared in fields} | changes


@dataclass
class Driven:
    """An agent of some lanes, without an environment.

    Attributes:
        agent_name: whose program it is.
        settings: of each lane.
        interface: of the environment there might be.
        gamma: discount.
    """

    agent_name: str
    settings: Sequence[Mapping[str, Any]]
    interface: Interface
    gamma: float = GAMMA
    agent: Any = field(init=False)
    state: State = field(init=False)
    coder: TileCoder = field(init=False)

    def __post_init__(self) -> None:
        program = load_program(DECLARATIONS[self.agent_name].program)
        self.agent = program(self.settings[0], self.interface)
        generators = [np.random.default_rng(0)] * len(self.settings)
        self.state = self.agent.initial_state(self.settings, self.gamma, generators)
        self.coder = TileCoder(tile_sizes(self.settings[0], self.interface), self.interface)

    def noise(self, rng: np.random.Generator) -> Noise:
        """The noise of one step."""
        shape = (len(self.settings), self.agent.num_agent_draws)
        normal = torch.from_numpy(rng.standard_normal(shape, np.float32))
        nothing = torch.zeros(len(self.settings), 1, 0)
        return Noise(nothing, nothing, nothing, normal, nothing)

    def act(self, observation: Tensor, noise: Noise) -> Tensor:
        """The action, `(lanes, 1, action_dim)`."""
        with torch.no_grad():
            action: Tensor = self.agent.act(self.state, observation, noise, torch.tensor(0))
        return action

    def update(self, experience: Experience, ended: Tensor, noise: Noise) -> dict[str, Tensor]:
        """Take in one step."""
        with torch.no_grad():
            metrics: dict[str, Tensor] = self.agent.update(
                self.state, experience, ended, noise, torch.tensor(0)
            )
        return metrics

    def learned(self, lane: int) -> dict[str, np.ndarray]:
        """The learned parameters of one lane, float64."""
        params = self.agent.learned_params(self.state)
        return {name: tensor[lane].double().numpy() for name, tensor in params.items()}


@dataclass(frozen=True)
class Step:
    """What one lane sees of a step."""

    reward: float
    next_tiles: np.ndarray
    terminated: bool
    ended: bool


class PlainActorCritic:
    """One run of the linear actor-critic, line by line; `score` is that of its policy.

    Args:
        setting, gamma: of the run.
        num_features, rows: of the weights, the critic's first.
    """

    def __init__(
        self, setting: Mapping[str, Any], gamma: float, num_features: int, rows: int
    ) -> None:
        self.setting = setting
        self.gamma = 1.0 if setting["avg_reward_lr"] > 0 else gamma
        self.critic, self.critic_trace = np.zeros((2, num_features))
        self.actor, self.actor_trace = np.zeros((2, rows - 1, num_features))
        self.average_reward = 0.0

    def outputs(self, tiles: np.ndarray) -> np.ndarray:
        """The policy's outputs."""
        return self.actor[:, tiles].sum(1)

    def learn(self, tiles: np.ndarray, score: np.ndarray, scale: np.ndarray, step: Step) -> float:
        """The update; returns δ."""
        value, next_value = self.critic[tiles].sum(), self.critic[step.next_tiles].sum()
        bootstrapped = 0.0 if step.terminated else self.gamma * next_value
        error = float(step.reward - self.average_reward + bootstrapped - value)
        self.average_reward += self.setting["avg_reward_lr"] * error
        x = np.zeros(len(self.critic))
        x[tiles] = 1.0
        decay = self.gamma * self.setting["decay"]
        held, kept = decay * self.setting["use_critic_trace"] * self.critic_trace, np.ones_like(x)
        if self.setting["trace"] == "replacing":
            kept = 1.0 - x
        self.critic_trace = held * kept + x
        held = decay * self.setting["use_actor_trace"] * self.actor_trace
        kept = np.ones_like(x) if "temperature" in self.setting else kept  # softmax adds
        self.actor_trace = held * kept + np.outer(score, x)
        self.critic += self.setting["critic_lr"] / len(tiles) * error * self.critic_trace
        relative = self.setting["actor_lr_scale"] * self.setting["critic_lr"]
        rate = (relative or self.setting["actor_lr"]) / len(tiles) * scale
        self.actor += rate[:, None] * error * self.actor_trace
        if step.ended:
            self.critic_trace[:], self.actor_trace[:] = 0.0, 0.0
        return error


class Moment(NamedTuple):
    """A step of random numbers that an agent is about to learn from.

    Attributes:
        normal: the agent's numbers, `(lanes, num_agent_draws)`.
        tiles: active features of the observation acted on, `(lanes, num_active)`.
        action: `(lanes, action_dim)`.
        steps: of each lane.
        update: lets the agent learn; gives its metrics.
    """

    normal: np.ndarray
    tiles: np.ndarray
    action: np.ndarray
    steps: list[Step]
    update: Callable[[], dict[str, Tensor]]


def random_steps(driven: Driven, num_steps: int) -> Iterator[Moment]:
    """Random observations and rewards; every tenth step ends an episode, one way or the other."""
    rng = np.random.default_rng(1)
    lanes, low = len(driven.settings), torch.tensor(driven.interface.observation_low)
    width = torch.tensor(driven.interface.observation_high) - low

    def observed() -> Tensor:
        return torch.from_numpy(rng.random((lanes, 1, len(low)), np.float32)) * width + low

    observation = observed()
    for _ in range(num_steps):
        noise = driven.noise(rng)
        action, after = driven.act(observation, noise), observed()
        reward = torch.from_numpy(rng.standard_normal((lanes, 1, 1), np.float32))
        fate = torch.from_numpy(rng.random((lanes, 1, 1)))
        ended, terminated = fate < 0.1, (fate < 0.05).float()
        experience = Experience(observation, action, reward, after, terminated)
        tiles, next_tiles = (driven.coder(o)[:, 0].numpy() for o in (observation, after))
        numbers = zip(reward.flatten(), next_tiles, terminated.flatten(), ended, strict=True)
        yield Moment(
            noise.agent.double().numpy(),
            tiles,
            action[:, 0].double().numpy(),
            [Step(float(r), t, bool(d), bool(e)) for r, t, d, e in numbers],
            partial(driven.update, experience, ended, noise),
        )
        observation = torch.where(ended, observed(), after)
