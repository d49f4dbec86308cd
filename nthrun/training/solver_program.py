"""The program of a pack of solvers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience, Noise, State
from nthrun.agents.parents import Of
from nthrun.agents.solver import SampledPlay, Solver, num_play_draws
from nthrun.agents.updates import Updates
from nthrun.index import Purpose
from nthrun.planning.packs import Pack
from nthrun.specs.declaration import Setting
from nthrun.training.noise import Draws, measure_streams
from nthrun.training.program import Program
from nthrun.training.recording import StepOutput

NUMBER = re.compile(r"[+-]?\d[\d.,e+-]*")


class SolverProgram(Program):
    """A solver of an environment of tensors; the state is the solver's alone.

    It takes no steps in the environment: there are no training episodes, and what a step shows of
    an experience is empty, with a reward of 0.
    """

    num_worlds = 1
    replay_capacity = 0
    updates = Updates(lambda step: 1)

    def _make(self, kind: Any, statics: Setting) -> None:
        self.solver: Solver = kind(statics, self.spec)
        self.num_play_draws = num_play_draws(self.solver)
        self._variant_at: Callable[[int], int] | None = getattr(self.solver, "variant_at", None)

    def variants(self, first: int, counts: np.ndarray) -> np.ndarray:
        return np.array([self.variant_at(first + place) for place in range(len(counts))])

    def all_variants(self) -> list[int]:
        steps = 1 if self._variant_at is None else self.spec.total_timesteps
        return sorted({self.variant_at(step) for step in range(steps)})

    def has_metrics(self, variants: np.ndarray) -> np.ndarray:
        return np.ones(len(variants), bool)

    def variant_at(self, step: int) -> int:
        """Which part of its cycle a solver runs at a step; 0 where it has no parts."""
        return 0 if self._variant_at is None else self._variant_at(step)

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        return self.solver.act_greedily(state, observation)

    def play(self, state: State, observation: Tensor, draws: Tensor) -> Tensor:
        played: SampledPlay = self.solver  # type: ignore[assignment]
        return played.play(state, observation, draws)

    def learned_params(self, state: State) -> dict[str, Tensor]:
        return self.solver.learned_params(state)

    def measures(self, state: State, seeds: Sequence[int]) -> dict[str, np.ndarray]:
        if not getattr(self.solver, "samples_measures", False):
            return self.solver.measures(state)
        return self.solver.measures(state, measure_streams(seeds))

    def missing_measures(self) -> Sequence[str]:
        return getattr(self.solver, "missing", ())

    def noise_sizes(self) -> dict[Purpose, int]:
        return {
            Purpose.ENVIRONMENT: self.solver.num_simulation_draws,
            Purpose.AGENT: self.solver.num_agent_draws,
            Purpose.REPLAY: 0,
        }

    def initial_state(self, pack: Pack, parents: Of | None = None) -> State:
        return self._begun(self.solver, pack, parents)

    def noise(self, draws: Draws, first: int, device: str) -> Noise:
        """The noise of a block of steps, in which no episode starts."""
        tensors = self.noise_tensors(draws, first, device)
        agent = tensors[Purpose.AGENT]
        nothing = agent.new_empty(*agent.shape[:2], 0)
        return Noise(nothing, nothing, tensors[Purpose.ENVIRONMENT], agent, tensors[Purpose.REPLAY])

    @torch.no_grad()
    def solved(self, state: State, noise: Noise, step: Tensor, variant: int) -> dict[str, Tensor]:
        """Have the solver take a step; its metrics."""
        part = () if self._variant_at is None else (variant,)
        return self.solver.solve(state, noise, step, *part)

    def step(self, state: State, noise: Noise, step: Tensor, variant: int) -> StepOutput:
        metrics = self.solved(state, noise, step, variant)
        nothing = noise.agent.new_empty(len(noise.agent), 1, 0)
        zero = noise.agent.new_zeros(len(noise.agent), 1, 1)
        experience = Experience(nothing, nothing, zero, nothing, zero)
        return StepOutput(experience, zero > 0.0, metrics)


class Reasons:
    """Why measures are missing, as it has been told of every lane."""

    def __init__(self) -> None:
        self._told: set[tuple[int, str]] = set()

    def new(self, reasons: Sequence[str]) -> list[tuple[list[int], str]]:
        """What is to be told now: the lanes of each reason, in the words of the first of them.

        A reason of a lane that differs in its numbers alone has been told.

        Args:
            reasons: one a lane, "" where nothing is missing; empty where nothing ever is.
        """
        lanes: dict[str, list[int]] = {}
        for lane, why in enumerate(reasons):
            reason = NUMBER.sub("", why)
            if why and (lane, reason) not in self._told:
                self._told.add((lane, reason))
                lanes.setdefault(reason, []).append(lane)
        return [(which, reasons[which[0]]) for which in lanes.values()]
