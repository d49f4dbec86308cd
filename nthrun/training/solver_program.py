"""The program of a solver: a step is an iteration of its own, on simulations of its own."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience, Noise, Solver, State
from nthrun.index import Purpose
from nthrun.planning.packs import Pack
from nthrun.specs.declaration import load_program
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.training.noise import Draws, generator
from nthrun.training.program import Program, StepOutput


class SolverProgram(Program):
    """A solver of an environment of tensors; the state is the solver's alone.

    It takes no steps in the environment: there are no training episodes, and what a step shows of
    an experience is empty, with a reward of 0.
    """

    def __init__(self, pack: Pack, spec: EnvironmentSpec, agent_program: str) -> None:
        self.spec = spec
        self.interface = spec.interface
        self.solver: Solver = load_program(agent_program)(pack.statics, spec)
        self.steps_per_episode = spec.integer("steps_per_episode")

    replay_capacity = 0

    def learns_at(self, step: int) -> bool:
        """See `Program`; always."""
        return True

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """See `Program`."""
        return self.solver.act_greedily(state, observation)

    def learned_params(self, state: State) -> dict[str, Tensor]:
        """See `Program`."""
        return self.solver.learned_params(state)

    def measures(self, state: State) -> dict[str, np.ndarray]:
        """See `Program`."""
        return self.solver.measures(state)

    def noise_sizes(self) -> dict[Purpose, int]:
        """See `Program`."""
        return {
            Purpose.ENVIRONMENT: self.solver.num_simulation_draws,
            Purpose.AGENT: self.solver.num_agent_draws,
            Purpose.REPLAY: 0,
        }

    def initial_state(self, pack: Pack) -> State:
        """See `Program`."""
        settings = [run.setting for run in pack.runs]
        generators = [generator(run.random_seed, Purpose.INITIALISATION) for run in pack.runs]
        return self.solver.initial_state(settings, self.spec.number("gamma"), generators)

    def noise(self, draws: Draws, first: int, device: str) -> Noise:
        """See `Program`; no episode starts."""
        tensors = self.noise_tensors(draws, first, device)
        agent = tensors[Purpose.AGENT]
        nothing = agent.new_empty(*agent.shape[:2], 0)
        return Noise(nothing, nothing, tensors[Purpose.ENVIRONMENT], agent, tensors[Purpose.REPLAY])

    def step(self, state: State, noise: Noise, step: Tensor, learn: bool) -> StepOutput:
        """See `Program`."""
        with torch.no_grad():
            metrics = self.solver.solve(state, noise, step)
        nothing = noise.agent.new_empty(len(noise.agent), 1, 0)
        zero = noise.agent.new_zeros(len(noise.agent), 1, 1)
        experience = Experience(nothing, nothing, zero, nothing, zero)
        return StepOutput(experience, zero > 0.0, metrics)
