"""A policy that acts again, from what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import State
from nthrun.errors import DataFileError, NthrunError
from nthrun.index import random_seed
from nthrun.planning.packs import plan_packs, plan_run
from nthrun.training.evaluation import Evaluation, Player, evaluate_tensors
from nthrun.training.program import Program, make_program
from nthrun.training.recording import Event
from nthrun.training.saved_policy import Learned
from nthrun.training.steppers.eager import EagerStepper


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

    @torch.no_grad()
    def act(self, observation: np.ndarray) -> np.ndarray:
        """What the agent does in evaluation, `(number, action_dim)` in float64.

        Args:
            observation: `(number, observation_dim)`, which the agent sees in float32.
        """
        seen = torch.from_numpy(observation).float().unsqueeze(0)
        action = self.program.act_greedily(self.state, seen).squeeze(0)
        return np.asarray(action.numpy(), dtype=np.float64)


def restored(learned: Learned) -> Policy:
    """The policy, its agent made anew and given its parameters.

    Raises:
        DataFileError: the parameters are those of another agent.
        NthrunError: the agent does not let its parameters be given back to it.
    """
    spec = learned.spec
    run = plan_run(spec, learned.index, learned.stage)
    (pack,) = plan_packs([run], spec.agent.declaration.static_names(), 1)
    program = make_program(pack, spec)
    state = program.initial_state(pack)
    shown = program.learned_params(state)
    kept = {name: array.shape for name, array in learned.params.items()}
    if kept != {name: tuple(tensor.shape[1:]) for name, tensor in shown.items()}:
        raise DataFileError(f"index {learned.index}: its parameters are not of this agent")
    for name, tensor in shown.items():
        tensor.copy_(torch.from_numpy(learned.params[name]).unsqueeze(0))
    given = program.learned_params(state)
    if any(not np.array_equal(given[name][0], array) for name, array in learned.params.items()):
        raise NthrunError(
            f"{spec.agent.agent_name}: its policy cannot be restored",
            "learned_params of an agent are to be its own tensors or views of them, not copies",
        )
    return Policy(learned, program, state)


class _Watching:
    """A player that remembers where its episodes are.

    Attributes:
        world: the environment's state, `(1, episodes, state_dim)`.
    """

    world: Tensor

    def __init__(self, player: Player) -> None:
        self._player = player

    def play(self, state: State, world: Tensor, draws: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Player`."""
        self.world, shown = self._player.play(state, world, draws)
        return self.world, shown


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
