"""The contract of a solver, and of a policy that is played by chance; how both begin.

A solver keeps to the rules of `nthrun.agents.base` for states, lanes and random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from nthrun.agents.base import Agent, Noise, State
from nthrun.agents.parents import Of, Parents
from nthrun.agents.updates import whole_number
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec


class SampledPlay(Protocol):
    """What an agent or a solver has beside whose policy is played by chance in evaluations too,
    such as a mixed strategy of a game; in environments of tensors.

    It is then called in place of `act_greedily`, and a step of an evaluation draws so many numbers
    more, after those of the environment.
    """

    num_play_draws: int
    """Uniform numbers on [0, 1) of one action; 0 is as if the class had neither."""

    def play(self, state: State, observation: Tensor, draws: Tensor) -> Tensor:
        """The evaluation action `(lanes, episodes, action_dim)`.

        Args:
            observation: `(lanes, episodes, observation_dim)`.
            draws: `(lanes, episodes, num_play_draws)`.
        """


class Solver(Protocol):
    """An agent that learns from simulations of its own; `nthrun.agents.mc_pg.program` is one.

    A step of its run is one call of `solve`, on as many simulated transitions as it wants. Its
    policy is evaluated in the environment as any agent's is.

    A solver whose steps are not all alike is a `CyclicSolver`.
    """

    num_simulation_draws: int
    """Uniform numbers on [0, 1) of one step."""
    num_agent_draws: int
    """Standard normal numbers of one step."""
    missing: Sequence[str] = ()
    """Why measures were NaN when they were last asked for, a text a lane, "" where none was; a
    solver that always has all of them may leave it out."""
    samples_measures: bool = False
    """Whether `measures` draws random numbers, and so is given generators."""

    def __init__(self, statics: Setting, environment: EnvironmentSpec) -> None: ...

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        """See `Agent`."""

    def solve(self, state: State, noise: Noise, step: Tensor) -> dict[str, Tensor]:
        """Take one step, changing `state` in place.

        Args:
            noise: of which `environment`, `(lanes, num_simulation_draws)`, and `agent`,
                `(lanes, num_agent_draws)`, are there.

        Returns:
            metrics `(lanes,)` each, non-finite once the run has diverged.
        """

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """See `Agent`."""

    def learned_params(self, state: State) -> dict[str, Tensor]:
        """See `Agent`."""

    def measures(
        self, state: State, generators: Sequence[np.random.Generator] = ()
    ) -> dict[str, np.ndarray]:
        """What an evaluation can say of the solution beside its return, `(lanes,)` each; always the
        same names, with NaN for what there is none of.

        Args:
            generators: one a lane where the solver has `samples_measures`, else left out. Each call
                is given new ones of the same stream, so that what differs between evaluations is
                the solution, and none is to be kept.
        """


class CyclicSolver(Solver, Protocol):
    """A solver whose steps run one part of the computation or another, such as the update of one
    network or of the other.

    Which part that is follows from static hyperparameters and the step's number alone, so that it
    is the same for all lanes, no tensor is looked at for it, and each part can be compiled.
    """

    def variant_at(self, step: int) -> int:
        """The part that step number `step` (0-based) runs, from 0; a pure function."""

    def solve(
        self, state: State, noise: Noise, step: Tensor, variant: int = 0
    ) -> dict[str, Tensor]:
        """See `Solver`; `variant` is what `variant_at` gives of the step.

        Every part has the same metrics; one that does not compute a metric repeats its last value,
        which the state keeps.
        """


def num_play_draws(learner: Any) -> int:
    """Uniform numbers that each action of evaluation draws; 0 of one without `play`.

    Raises:
        ContractError: what the class says is no number of draws.
    """
    return whole_number(learner, "num_play_draws", getattr(learner, "num_play_draws", 0), 0)


def begun(
    learner: Agent | Solver,
    settings: Sequence[Setting],
    generators: Sequence[np.random.Generator],
    parents: Parents,
    of_lanes: Of,
) -> State:
    """The state of an agent or solver before the first step.

    Args:
        learner, settings, generators: see `Agent.initial_state`.
        parents: of its experiment's runs.
        of_lanes: those of the settings.
    """
    more = (of_lanes,) if parents.field else ()
    return learner.initial_state(settings, parents.environment.number("gamma"), generators, *more)
