"""The contract of users' own classes, checked on one step before the first pack trains.

A step is taken eagerly, for one lane and for two, on a state that is thrown away; so a slip is told
by its name, and in the same words whatever the backend. What the classes raise themselves is not
caught here: it fails the run that it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience, Noise, State
from nthrun.agents.solver import begun
from nthrun.agents.updates import LOOKED_AHEAD, METHODS
from nthrun.errors import ContractError
from nthrun.index import Purpose
from nthrun.planning.packs import Pack
from nthrun.specs.declaration import AgentDeclaration
from nthrun.training.block_updates import block_updates, gather, updated
from nthrun.training.hosted_program import HostedProgram
from nthrun.training.noise import Streams, generator
from nthrun.training.program import Program
from nthrun.training.roles_contract import check_roles
from nthrun.training.solver_program import SolverProgram

EPISODES = 3
"""Episodes of the evaluation step."""
AGENT_METHODS = (
    "initial_state",
    "act",
    "act_greedily",
    "observe",
    "update",
    "learned_params",
)
SOLVER_METHODS = ("initial_state", "solve", "act_greedily", "learned_params", "measures")
WORLD_METHODS = ("reset", "observe", "step")
NUMBERS = "biuf"
"""numpy's letters for truth values, whole numbers and others."""
HINT = "docs/extending.md has an example"

Shapes = dict[str, tuple[int, ...]]


def check_contract(program: Program, pack: Pack, agent: AgentDeclaration) -> None:
    """Check the classes of a program that are users' own.

    Args:
        program: of the pack; another of its kind takes the steps.
        pack: whose first run's setting is used.
        agent: what is declared of the program's.

    Raises:
        ContractError: something has another name, shape or type than it must have.
        Exception: whatever the classes raise.
    """
    environment = program.spec.declaration
    if agent.program != agent.name and environment.program != environment.name:
        return
    names = (agent.name, environment.name)
    another = type(program)(pack, program.spec, agent.program, program.parents)
    one = _Step(another, pack, 1, names).shapes()
    try:
        two = _Step(another, pack, 2, names).shapes()
    except (ContractError, KeyboardInterrupt):
        raise
    except BaseException:  # a pack of one run may be all that the user ever trains
        return
    for (name, shape), other in zip(one.items(), two.values(), strict=True):
        if shape[1:] != other[1:]:
            raise ContractError(
                f"{agent.name}: {name} has shape {shape} for one lane and {other} for two, "
                "allowed: shapes that differ in the first axis only",
                HINT,
            )


class _Step:
    """One step of some lanes.

    Args:
        program: whose.
        pack: whose first run's setting every lane has.
        lanes: how many.
        names: of the agent and of the environment.
    """

    def __init__(self, program: Program, pack: Pack, lanes: int, names: tuple[str, str]) -> None:
        self._program, self._lanes = program, lanes
        self._agent_name, self._world_name = names
        self._setting = pack.runs[0].setting
        self._interface = program.interface
        self._worlds = program.num_worlds
        self._hosted = isinstance(program, HostedProgram)

    def shapes(self) -> Shapes:
        """Check everything; the shapes of what has a shape of the class's own choice."""
        program = self._program
        solver = isinstance(program, SolverProgram)
        agent = program.solver if isinstance(program, SolverProgram) else program.agent
        _require_methods(self._agent_name, agent, SOLVER_METHODS if solver else AGENT_METHODS)
        if not solver and not callable(getattr(agent, "learns_at", None)):
            _require_methods(self._agent_name, agent, METHODS[:1])
        if not self._hosted and not solver:
            _require_methods(self._world_name, program.environment, WORLD_METHODS)
        state = self._initial_state(agent)
        before = _state_shapes(state)
        observation = self._observation()
        with torch.no_grad():
            metrics = (self._solved if solver else self._stepped)(state, observation)
            self._greedy(state)
        self._named_tensors("state", state)
        after = _state_shapes(state)
        if after != before:
            changed = next(n for n in {**before, **after} if before.get(n) != after.get(n))
            got, was = after.get(changed, "gone"), before.get(changed, "not there")
            raise self._error(f"{changed} is {got} after a step, {was} before, allowed: the same")
        learned = self._named_tensors("learned_params", program.learned_params(state))
        return before | metrics | {f"the learned {name!r}": s for name, s in learned.items()}

    def _initial_state(self, agent: Any) -> State:
        generators = [generator(0, Purpose.INITIALISATION) for _ in range(self._lanes)]
        settings, parents = [self._setting] * self._lanes, self._program.parents
        state = begun(agent, settings, generators, parents, parents.of(settings))
        self._named_tensors("initial_state", state)
        return dict(state)

    def _observation(self) -> Tensor:
        """The observation of a first step, checked where the environment is one of tensors."""
        interface, places = self._interface, (self._lanes, self._worlds)
        if self._hosted:
            return torch.zeros(*places, interface.observation_dim)
        environment = self._program.environment
        start = environment.reset(torch.zeros(*places, interface.num_reset_draws))
        self._tensor(self._world_name, "reset", start, (*places, interface.state_dim))
        seen = environment.observe(start)
        self._tensor(self._world_name, "observe", seen, (*places, interface.observation_dim))
        check_roles(self._world_name, environment, interface, start)
        self._start = start
        return seen

    def _noise(self, step: int) -> Noise:
        streams = Streams([0] * self._lanes, self._program.noise_sizes())
        return self._program.noise(streams.draw(1), step, "cpu").step(0)

    def _stepped(self, state: State, observation: Tensor) -> Shapes:
        """Act, step, observe and learn; the shapes of the metrics."""
        program, places = self._program, (self._lanes, self._worlds)
        number = program.updates.first()
        noise, step = self._noise(number), torch.tensor(number)
        action = program.act(state, observation, noise, step)
        self._tensor(self._agent_name, "act", action, (*places, self._interface.action_dim), None)
        experience, ended = self._experience(observation, action, noise)
        program.take_in(state, experience, ended, noise, step, learn=False)
        if number == LOOKED_AHEAD:
            return {}
        if program.updates.are_apart:
            return self._metrics("update", self._updated(state, (experience, ended), number))
        return self._metrics("update", program.agent.update(state, experience, ended, noise, step))

    def _updated(self, state: State, taken: tuple[Experience, Tensor], step: int) -> object:
        """The first of the updates that follow a step."""
        program, kind = self._program, self._program.updates
        count = np.array([kind.after(step) if kind.permuted else 1])
        sizes = program.noise_sizes(), program.update_sizes()
        _, draws = Streams([0] * self._lanes, *sizes).draw_with_updates(count)
        updates = block_updates(draws, step, count, program, "cpu")
        clock = torch.tensor(step), torch.tensor(0)
        if kind.gathers:
            gather(program.agent, state, clock[0])
        return updated(program.agent, state, taken, updates.noise.step(0), clock)

    def _experience(
        self, observation: Tensor, action: Tensor, noise: Noise
    ) -> tuple[Experience, Tensor]:
        places = (self._lanes, self._worlds)
        ended = torch.zeros(*places, 1, dtype=torch.bool)
        nothing = torch.zeros(*places, 1)
        if self._hosted:
            return Experience(observation, action, nothing, observation, nothing), ended
        outcome = self._program.environment.step(self._start, action, noise.environment)
        sizes = {"state": self._interface.state_dim, "reward": 1, "terminated": 1}
        for name, size in sizes.items():
            if not hasattr(outcome, name):
                raise ContractError(
                    f"{self._world_name}: step gives {_shown(outcome)}, allowed: a Transition", HINT
                )
            kind = None if name == "terminated" else "floating"
            part = getattr(outcome, name)
            self._tensor(self._world_name, f"the {name} of step", part, (*places, size), kind)
        following = self._program.environment.observe(outcome.state)
        return (
            Experience(observation, action, outcome.reward, following, outcome.terminated),
            outcome.terminated > 0.5,
        )

    def _solved(self, state: State, observation: Tensor) -> Shapes:
        """One iteration of a solver for each part of its cycle; the shapes of the metrics."""
        steps: dict[int, int] = {}
        for step in range(LOOKED_AHEAD):
            steps.setdefault(self._variant(step), step)
        shapes = {variant: self._solved_at(state, step, variant) for variant, step in steps.items()}
        first, *others = shapes
        for variant in others:
            for metric in shapes[first].keys() ^ shapes[variant].keys():
                there, lacking = (first, variant) if metric in shapes[first] else (variant, first)
                raise self._error(
                    f"{metric} is given by solve at variant {there} and not at {lacking}, "
                    "allowed: the same metrics at all"
                )
        return shapes[first]

    def _solved_at(self, state: State, step: int, variant: int) -> Shapes:
        assert isinstance(self._program, SolverProgram)
        output = self._program.solved(state, self._noise(step), torch.tensor(step), variant)
        return self._metrics("solve", output)

    def _variant(self, step: int) -> int:
        assert isinstance(self._program, SolverProgram)
        variant = self._program.variant_at(step)
        if not isinstance(variant, int) or variant < 0:
            raise self._error(
                f"variant_at gives {_shown(variant)} for step {step}, allowed: an int from 0"
            )
        return variant

    def _greedy(self, state: State) -> None:
        """An action of evaluation, several episodes side by side."""
        seen = torch.zeros(self._lanes, EPISODES, self._interface.observation_dim)
        action = self._program.act_greedily(state, seen)
        shape = (self._lanes, EPISODES, self._interface.action_dim)
        self._tensor(self._agent_name, "act_greedily", action, shape, None)
        if not (size := self._program.num_play_draws):
            return
        if self._hosted:
            raise self._error(f"num_play_draws is {size}, allowed on the host: 0")
        drawn = torch.zeros(self._lanes, EPISODES, size)
        self._tensor(self._agent_name, "play", self._program.play(state, seen, drawn), shape, None)

    def _metrics(self, method: str, metrics: object) -> Shapes:
        if not isinstance(metrics, Mapping):
            raise self._error(
                f"{method} gives {_shown(metrics)}, allowed: a dict, {{}} for nothing"
            )
        for name, metric in metrics.items():
            self._tensor(
                self._agent_name, f"the metric {name!r} of {method}", metric, (self._lanes,)
            )
        return {f"the metric {name!r}": (self._lanes,) for name in metrics}

    def _named_tensors(self, method: str, given: object) -> Shapes:
        """Check that something is tensors by name, with an axis of lanes each."""
        if not isinstance(given, Mapping):
            raise self._error(f"{method} gives {_shown(given)}, allowed: a dict of tensors")
        for name, tensor in given.items():
            if not isinstance(name, str) or not isinstance(tensor, Tensor):
                raise self._error(f"{method} gives {name!r}: {_shown(tensor)}, allowed: a tensor")
            if tensor.dim() == 0 or len(tensor) != self._lanes:
                raise self._error(
                    f"{method} gives {name!r} of shape {tuple(tensor.shape)} for {self._lanes} "
                    f"lane{'s' * (self._lanes > 1)}, allowed: ({self._lanes}, ...), "
                    "a row for each lane"
                )
        return {name: tuple(tensor.shape) for name, tensor in given.items()}

    def _tensor(
        self,
        whose: str,
        what: str,
        given: object,
        shape: tuple[int, ...],
        kind: str | None = "floating",
    ) -> None:
        """Check one tensor; `kind` None lets it be of any type."""
        if not isinstance(given, Tensor):
            raise ContractError(
                f"{whose}: {what} gives {_shown(given)}, allowed: a tensor of shape {shape}", HINT
            )
        if tuple(given.shape) != shape:
            raise ContractError(
                f"{whose}: {what} gives shape {tuple(given.shape)} for {self._lanes} "
                f"lane{'s' * (self._lanes > 1)}, allowed: {shape}",
                HINT,
            )
        if kind and not given.is_floating_point():
            dtype = str(given.dtype).removeprefix("torch.")
            raise ContractError(f"{whose}: {what} gives {dtype}, allowed: float32", HINT)

    def _error(self, problem: str) -> ContractError:
        return ContractError(f"{self._agent_name}: {problem}", HINT)


def check_outcome(program: HostedProgram, outcome: Any) -> None:
    """Check what one step of a world on the host gives.

    Raises:
        ContractError: it is not an observation, a reward and two truth values.
    """
    whose = program.spec.env_name
    if not isinstance(outcome, (tuple, list)) or len(outcome) != 4:
        allowed = "(observation, reward, terminated, truncated)"
        raise ContractError(f"{whose}: step gives {_shown(outcome)}, allowed: {allowed}", HINT)
    observation, *others = outcome
    check_observation(program, "step", observation)
    for name, value in zip(("reward", "terminated", "truncated"), others, strict=True):
        if np.size(value) != 1 or np.asarray(value).dtype.kind not in NUMBERS:
            raise ContractError(
                f"{whose}: the {name} of step is {_shown(value)}, allowed: one number", HINT
            )


def check_observation(program: HostedProgram, method: str, observation: Any) -> None:
    """Check the observation that a method of a world on the host gives.

    Raises:
        ContractError: it is of another size.
    """
    shape, size = np.shape(observation), program.interface.observation_dim
    if shape != (size,):
        raise ContractError(
            f"{program.spec.env_name}: the observation of {method} has shape {shape}, "
            f"allowed: ({size},)",
            HINT,
        )


def _state_shapes(state: State) -> Shapes:
    return {f"its state's {name!r}": tuple(tensor.shape) for name, tensor in state.items()}


def _require_methods(whose: str, made: object, methods: tuple[str, ...]) -> None:
    lacking = [name for name in methods if not callable(getattr(made, name, None))]
    if lacking:
        raise ContractError(f"{whose}: has no {', '.join(lacking)}", HINT)


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
