"""A saved policy: what a run had learned at some step, and the agent that acts with it again.

A record holds what a run had learned at its end, and a snapshot what it had learned before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import State
from nthrun.agents.parents import Of
from nthrun.compiler.denormals import Flushing
from nthrun.errors import DataFileError, NthrunError
from nthrun.index import random_seed
from nthrun.planning.experiment_spec import ExperimentSpec, recorded_spec
from nthrun.planning.packs import Pack, packs_of_runs, plan_run
from nthrun.records.data import open_data
from nthrun.records.kept import Asked, kept_params
from nthrun.specs.search.search_spec import BAYES
from nthrun.specs.trust import Trust
from nthrun.specs.user_class import failing_as
from nthrun.training.evaluation import Evaluation, Player, evaluate_tensors
from nthrun.training.pack_program import make_program
from nthrun.training.program import Program
from nthrun.training.recording import Event
from nthrun.training.steppers.eager import EagerStepper

CAPACITY = "replay_capacity"
"""The hyperparameter of nthrun's agents that says how many steps they keep."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What a run had learned.

    Attributes:
        spec: of its experiment.
        source: what it was read from.
        index, stage: which run.
        step: training steps taken.
        params: name -> array, as the agent's `learned_params` named them, without lanes.
    """

    spec: ExperimentSpec
    source: Path
    index: int
    stage: int
    step: int
    params: Mapping[str, np.ndarray]

    @property
    def after(self) -> str:
        """For how long it had learned, as titles say it."""
        return f"after {self.step:,} step{'s' * (self.step != 1)}"


def read_learned(
    source: Path,
    index: int | None = None,
    stage: int | None = None,
    step: int | None = None,
    trust: Trust = Trust.READ,
) -> Learned:
    """Read what a recorded run had learned.

    Args:
        source: an experiment directory, a shard or data.h5; snapshots lie in the first only.
        index, stage: which run; None is the lowest recorded.
        step: training steps taken; None is the end of the run.
        trust: whether the user has asked for the classes that its specs name to be imported.

    Raises:
        NthrunError: there is no such run, it failed or diverged, or nothing is kept of that step.
        DataFileError: a file cannot be read, or leaves the parameters out.
        SpecError: this version does not know its specs, or they name code that may not be run.
    """
    data = open_data(source)
    spec = recorded_spec(data["experiment"], str(source), trust)
    kept = kept_params(data, spec.sweep.num_settings, Asked(stage, index, step))
    if spec.agent.search.method == BAYES:
        spec = spec.knowing({kept.run["setting_number"]: kept.run["agent_params"]})
    return Learned(spec, source, kept.index, kept.stage, kept.step, kept.params)


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy of a run at some step.

    What its agent has beside learned parameters is as it was before the first step.

    Attributes:
        learned: whose, and when.
        program: an agent in its environment.
        state: of one lane, on the CPU.
    """

    learned: Learned
    program: Program
    state: State

    def __call__(self, observation: np.ndarray) -> np.ndarray | int:
        """What the agent does in evaluation where it sees one observation, of its environment's
        shape or flat: the number of a discrete action, else `(action_dim,)`."""
        action = self.act(np.asarray(observation, np.float32).reshape(1, -1))[0]
        return int(action[0]) if self.program.interface.discrete else action

    @torch.no_grad()
    def act(
        self, observation: np.ndarray, generator: np.random.Generator | None = None
    ) -> np.ndarray:
        """What the agent does in evaluation, `(number, action_dim)` in float64.

        Args:
            observation: `(number, observation_dim)`, which the agent sees in float32.
            generator: what an agent that is played by chance draws from; without one it gives the
                action that its `act_greedily` does.
        """
        seen = torch.from_numpy(observation).float().unsqueeze(0)
        with Flushing():
            if generator is None or not self.program.num_play_draws:
                action = self.program.act_greedily(self.state, seen)
            else:
                size = (1, len(observation), self.program.num_play_draws)
                drawn = torch.from_numpy(generator.random(size, dtype=np.float32))
                action = self.program.play(self.state, seen, drawn)
        return np.asarray(action.squeeze(0).numpy(), dtype=np.float64)


def load_policy(
    source: str | Path,
    index: int | None = None,
    stage: int | None = None,
    step: int | None = None,
    trust: bool = False,
) -> Policy:
    """The policy of a recorded run; see `read_learned` for what is chosen and what is raised.

    Args:
        source, index, stage, step: which.
        trust: whether classes of its own that the experiment names are imported, and so run.

    Raises:
        DataFileError: the parameters are those of another agent.
        NthrunError: the agent does not let its parameters be given back to it.
    """
    whose = Trust.USER if trust else Trust.READ
    return restored(read_learned(Path(source), index, stage, step, whose))


def restored(learned: Learned) -> Policy:
    """The policy, its agent made anew and given its parameters.

    Raises:
        DataFileError: the parameters are those of another agent.
        NthrunError: the agent does not let its parameters be given back to it.
    """
    spec = learned.spec
    refused = f"{spec.agent.agent_name}: its policy cannot be restored"
    if spec.agent.program is not None:
        hint = "its record has what it learned, under learned_params, and its artifacts"
        raise NthrunError(f"{refused}: how a program acts is its own affair", hint)
    with failing_as(NthrunError, refused, spec.programs()):
        pack = _without_replay(learned)
        program = make_program(pack, spec, learned.source.parent)
        state = program.initial_state(pack, _parents(program, pack))
        learned_params = program.learned_params(state)
    kept = {name: array.shape for name, array in learned.params.items()}
    if kept != {name: tuple(tensor.shape[1:]) for name, tensor in learned_params.items()}:
        raise DataFileError(f"index {learned.index}: its parameters are not of this agent")
    for name, tensor in learned_params.items():
        tensor.copy_(torch.from_numpy(learned.params[name]).unsqueeze(0))
    given = program.learned_params(state)
    if any(not np.array_equal(given[name][0], array) for name, array in learned.params.items()):
        raise NthrunError(
            refused,
            "learned_params of an agent are to be its own tensors or views of them, not copies",
        )
    return Policy(learned, program, state)


def _without_replay(learned: Learned) -> Pack:
    """The pack of a run alone; of an agent of nthrun's with the least replay, which acting never
    looks at and which may be larger than this machine."""
    declaration = learned.spec.agent.declaration
    run = plan_run(learned.spec, learned.index, learned.stage)
    (pack,) = packs_of_runs([run], declaration.static_names(), 1)
    if ":" in declaration.name or CAPACITY not in pack.statics:
        return pack
    return replace(pack, statics={**pack.statics, CAPACITY: 1})


def _parents(program: Program, pack: Pack) -> Of:
    """What runs started from; nothing where that is gone, as all that acts is given back anyway."""
    try:
        return program.parents.of([run.setting for run in pack.runs])
    except NthrunError:
        return [None] * len(pack.runs)


class _Watching:
    """A player that remembers where its episodes are.

    Attributes:
        world: the environment's state, `(1, episodes, state_dim)`.
    """

    world: Tensor

    def __init__(self, player: Player) -> None:
        self._player = player

    def play(self, state: State, world: Tensor, draws: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        self.world, outputs = self._player.play(state, world, draws)
        return self.world, outputs


def last_evaluation(policy: Policy) -> tuple[Tensor, Event]:
    """Play the last evaluation up to the policy's step again, all of its episodes to the end.

    Its random numbers are the run's own. In an environment on tensors only.

    Returns:
        the states in which the episodes end, `(episodes, state_dim)`, and the evaluation.

    Raises:
        NthrunError: the run has no evaluation episodes.
    """
    learned, program = policy.learned, policy.program
    if not program.spec.eval_episodes:
        raise NthrunError(
            f"index {learned.index}: eval_episodes is 0, so that it has no world to look at",
            "give eval_episodes in the environment's spec",
        )
    seed = random_seed(learned.stage, plan_run(learned.spec, learned.index, 0).run_number)
    interval = program.spec.integer("eval_interval_timesteps")
    watching = _Watching(EagerStepper(program))
    evaluation = Evaluation([seed], learned.step, interval, keep_states=False)
    event = evaluate_tensors(program, watching, policy.state, evaluation)
    return watching.world[0], event
