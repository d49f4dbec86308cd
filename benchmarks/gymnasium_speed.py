"""What the Gymnasium adapter costs beside the environment itself, per environment step.

Eight worlds, stepped with the same actions, drawn beforehand: in a plain loop over Gymnasium's own
environments, and by nthrun's stepper without an agent, which writes every step down, counts
episodes, resets worlds with seeds of their own and keeps what an interruption needs. Rounds
alternate; CPU time; medians are reported, and the median of each round's ratio.

    python benchmarks/gymnasium_speed.py
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import gymnasium
import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.agents.base import Experience, Noise, State
from nthrun.environments.from_gymnasium.declaration import make
from nthrun.planning.experiment_spec import experiment_spec_of
from nthrun.planning.machine import cpu_model
from nthrun.planning.memory_estimate import BLOCK_STEPS
from nthrun.planning.packs import packs_of_runs, plan_run
from nthrun.training.backends import prepare_torch
from nthrun.training.hosted_program import HostedProgram
from nthrun.training.noise import Streams
from nthrun.training.steppers.hosted import HostedStepper

EPISODE_STEPS = 1000


class Scripted:
    """An agent that takes actions drawn beforehand, and learns nothing.

    Args:
        actions: `(steps, lanes, 1, action_dim)`.
    """

    def __init__(self, actions: Tensor) -> None:
        self._actions = actions.unbind()

    def prepare(self, state: State) -> None:
        """See `AgentFunctions`."""

    def act(
        self, state: State, observation: Tensor, noise: Noise, step: int, lanes: Sequence[int]
    ) -> Tensor:
        """See `AgentFunctions`."""
        return self._actions[step % len(self._actions)]

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """See `AgentFunctions`."""
        return self._actions[0]

    def take_in(
        self,
        state: State,
        taken: tuple[Experience, Tensor],
        noise: Noise,
        clock: tuple[int, bool],
        lanes: Sequence[int],
    ) -> dict[str, Tensor]:
        """See `AgentFunctions`."""
        return {}


def adapted(name: str, actions: Tensor) -> Callable[[int], None]:
    """Steps of nthrun's stepper."""
    environment = {
        "env_name": name,
        "platform": "gymnasium",
        "total_timesteps": 10**6,
        "steps_per_episode": EPISODE_STEPS,
    }
    agent = {"agent_name": "random", "parameters": {}}
    spec = experiment_spec_of(environment, agent, "benchmark")
    lanes = actions.shape[1]
    runs = [plan_run(spec, index, 0) for index in range(lanes)]
    (pack,) = packs_of_runs(runs, spec.agent.declaration.static_names(), lanes)
    program = HostedProgram(pack, spec.environment, spec.agent.declaration.program)
    stepper = HostedStepper(program, Scripted(actions))
    state = program.initial_state(pack)
    streams = Streams([run.random_seed for run in runs], program.noise_sizes())
    nothing = np.zeros(BLOCK_STEPS, bool)

    def advance(num_steps: int) -> None:
        for first in range(0, num_steps, BLOCK_STEPS):
            noise = program.noise(streams.draw(BLOCK_STEPS), first, "cpu")
            stepper.train(state, noise, first, nothing, range(lanes))

    return advance


def plain(name: str, actions: np.ndarray) -> Callable[[int], None]:
    """Steps of a plain loop."""
    worlds: list[Any] = [make(name, {}).unwrapped for _ in range(actions.shape[1])]
    discrete = isinstance(worlds[0].action_space, gymnasium.spaces.Discrete)
    for seed, world in enumerate(worlds):
        world.reset(seed=seed)

    def advance(num_steps: int) -> None:
        for step in range(num_steps):
            for lane, world in enumerate(worlds):
                action = actions[step % len(actions), lane, 0]
                ended = world.step(int(action[0]) if discrete else action)[2]
                if ended or (step + 1) % EPISODE_STEPS == 0:
                    world.reset()

    return advance


@click.command()
@click.option("--environment", default="HalfCheetah-v5", show_default=True)
@click.option("--lanes", default=8, show_default=True)
@click.option("--rounds", default=15, show_default=True)
@click.option("--steps", default=8 * BLOCK_STEPS, show_default=True, help="Of a round, per lane.")
def main(environment: str, lanes: int, rounds: int, steps: int) -> None:
    """Print microseconds of CPU time per environment step, and the ratio."""
    prepare_torch(1)
    space = make(environment, {}).action_space
    space.seed(0)
    drawn = [[np.atleast_1d(space.sample()) for _ in range(lanes)] for _ in range(EPISODE_STEPS)]
    actions = np.array(drawn, np.float32)[:, :, None]
    contestants = {
        "gymnasium, plain loop": plain(environment, actions),
        "nthrun's adapter": adapted(environment, torch.from_numpy(actions)),
    }
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, advance in contestants.items():
            started = time.process_time()
            advance(steps)
            spent[name].append((time.process_time() - started) / (steps * lanes))
    click.echo(
        f"{cpu_model()}, one thread, {environment}, {lanes} lanes, {rounds} rounds of {steps}"
    )
    first, _ = (values[1:] for values in spent.values())
    for name, values in spent.items():
        ratio = statistics.median(b / a for a, b in zip(first, values[1:], strict=True))
        micro = 1e6 * statistics.median(values[1:])
        click.echo(f"  {name:<22} {micro:7.1f} us a step   {ratio:5.2f}x")


if __name__ == "__main__":
    main()
