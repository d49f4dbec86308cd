"""Games: environments in which agents of several roles act at the same time.

A game is an environment of tensors as any other: its action is the choices of all of its agents,
its observation whatever it shows of the whole, its reward the mean of one role's. So evaluation,
records, checkpoints and agents that act at random need not know that it is one. What learns in it
asks for more: what each role sees, what each agent earns, and what its choices mean.

A joint action `(lanes, worlds, action_dim)` has the choices of role after role, agent after agent,
head after head, whole numbers from 0 as floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from nthrun.environments.base import Environment, Transition
from nthrun.specs.interface import Role

NOT_ALLOWED = -1000.0
"""What a mask adds to the logit of a choice for every bound that it violates."""

Choices = Mapping[str, Tensor]
"""What the agents of every role choose: role name -> `(lanes, worlds, count, len(heads))`, whole
numbers from 0 as floats."""


class RolesTransition(NamedTuple):
    """What one step of a game gives.

    Attributes:
        state: the next state, `(lanes, worlds, state_dim)`.
        rewards: of each agent, role name -> `(lanes, worlds, count)`.
        terminated: 1.0 where the game reached a terminal state, `(lanes, worlds, 1)`.
        shown: what else of the step is of interest beside rewards, such as consumption, role name
            -> `(lanes, worlds, count, size)`; of roles that have it.
    """

    state: Tensor
    rewards: Mapping[str, Tensor]
    terminated: Tensor
    shown: Mapping[str, Tensor] = {}


class RolesEnvironment(Environment, Protocol):
    """A game; `nthrun.environments.matrix_game.program` is one.

    A class of a game inherits from it: `step`, `choice_table` and `eased` are there then.

    Attributes:
        roles: its roles, those of the spec's interface.
        score: the role whose mean reward is that of an evaluation: the spec's `score`.
    """

    roles: tuple[Role, ...]
    score: str

    def observe_role(self, state: Tensor, role: str) -> Tensor:
        """What each agent of a role sees, `(lanes, worlds, count, observation_dim)`.

        Args:
            state: `(lanes, worlds, state_dim)`.
            role: its name.
        """

    def step_roles(self, state: Tensor, choices: Choices, draws: Tensor) -> RolesTransition:
        """The effect of what everybody chooses.

        Args:
            state: `(lanes, worlds, state_dim)`.
            choices: of every role.
            draws: uniform on [0, 1), `(lanes, worlds, num_step_draws)`.
        """

    def choice_table(self, role: str) -> tuple[Tensor, ...]:
        """What the choices of each head of a role mean, `(size, columns)` a head, on the CPU.

        A choice means its number where a game says nothing else.
        """
        heads = _role(self.roles, role).heads
        return tuple(torch.arange(size, dtype=torch.float32).unsqueeze(1) for size in heads)

    def seen(self, observation: Tensor, role: str) -> Tensor:
        """What each agent of a role sees, from the joint observation; see `observe_role`.

        Args:
            observation: what `observe` gives of a state: the state itself, where a game says
                nothing else.
            role: its name.
        """
        return self.observe_role(observation, role)

    def aggregates(self, state: Tensor) -> tuple[Tensor, ...]:
        """What a game shows of itself when a step begins, `(lanes, worlds, k)` for each name of the
        interface's `aggregates`."""
        return ()

    def eased(self, state: Tensor, factor: Tensor) -> Tensor:
        """A start state of a game that is easier while learning begins.

        Args:
            state: where an episode begins, `(lanes, worlds, state_dim)`.
            factor: from 0, the easiest, to 1, the game itself, `(lanes, 1, 1)`.

        Returns:
            the state, changed; the same where a game knows no easier one.
        """
        return state

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """See `Environment`: the effect of a joint action, and the mean reward of `score`."""
        return joint_step(self, state, action, draws)


def joint_step(game: RolesEnvironment, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
    """A game's step as that of any environment.

    Args:
        game: whose.
        state: `(lanes, worlds, state_dim)`.
        action: joint, `(lanes, worlds, action_dim)`.
        draws: uniform on [0, 1), `(lanes, worlds, num_step_draws)`.

    Returns:
        the transition, whose reward is the mean over the agents of the role `game.score`.
    """
    outcome = game.step_roles(state, choices_of(game.roles, action), draws)
    reward = outcome.rewards[game.score].mean(-1, keepdim=True)
    return Transition(outcome.state, reward, outcome.terminated)


def choices_of(roles: Sequence[Role], action: Tensor) -> dict[str, Tensor]:
    """A joint action by role: name -> `(lanes, worlds, count, len(heads))`.

    Args:
        roles: of the game.
        action: `(lanes, worlds, action_dim)`.
    """
    parts = action.split([role.count * len(role.heads) for role in roles], -1)
    return {
        role.name: part.reshape(*part.shape[:-1], role.count, len(role.heads))
        for role, part in zip(roles, parts, strict=True)
    }


def joint_action(roles: Sequence[Role], choices: Choices) -> Tensor:
    """The joint action `(lanes, worlds, action_dim)` that choices by role make, the inverse of
    `choices_of`."""
    return torch.cat([choices[role.name].flatten(-2).float() for role in roles], -1)


def mask_penalty(table: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """What is added to the logits of a head so that choices outside of bounds are not taken,
    `(lanes, size)`: -1000 for each bound that a choice violates, compared in the table's precision.

    Args:
        table: what the choices mean, `(size, columns)`.
        low, high: bounds of every column, `(lanes, columns)`; equal to a bound is within it.
    """
    means = table.unsqueeze(0)
    outside = (means < low.unsqueeze(1)).float() + (means > high.unsqueeze(1)).float()
    return NOT_ALLOWED * outside.sum(-1)


def _role(roles: Sequence[Role], name: str) -> Role:
    return next(role for role in roles if role.name == name)
