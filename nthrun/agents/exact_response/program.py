"""Exact best responses to uniform play, by backward induction over the states that can be reached.

With r_i the mean reward of role i's agents, n steps to go and a the joint action,

    U_i,n(s) = mean over a of [r_i(s, a) + U_i,n-1(s')]
    V_i,n(s) = max over a_i of the mean over a_-i of [r_i(s, a) + V_i,n-1(s')]

are what i gets where all play uniformly, and where i responds best to the others who do. Histories
that lead to one state are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.agents.exact_response.declaration import GAIN, ROWS_AT_ONCE, UNIFORM
from nthrun.environments.base import make_environment
from nthrun.environments.roles import RolesEnvironment, choices_of
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec


class Values(NamedTuple):
    """U and V of some states, `(roles, states)` each, float64."""

    uniform: Tensor
    best: Tensor


class Step(NamedTuple):
    """What every joint action does in some states.

    Attributes:
        rewards: of each role, `(roles, states, joint actions)`.
        states: that follow, `(states x joint actions, state_dim)`.
    """

    rewards: Tensor
    states: Tensor


class Induction:
    """Goes through a game's reachable states and back.

    Args:
        game: in which nothing is drawn.
        horizon: steps of an episode.
    """

    def __init__(self, game: RolesEnvironment, horizon: int) -> None:
        self._game, self._horizon = game, horizon
        heads = [role.heads * role.count for role in game.roles]
        self._sizes = [int(np.prod(own)) for own in heads]
        every = [size for own in heads for size in own]
        numbers = np.indices(every).reshape(len(every), -1).T
        self._joint = torch.from_numpy(np.ascontiguousarray(numbers)).double()

    def solved(self) -> Values:
        """U and V at the start, `(roles, 1)` each."""
        states = self._game.reset(torch.zeros(1, 1, 0, dtype=torch.float64))[0]
        following = []
        for _ in range(self._horizon - 1):
            steps = [self._step(part) for part in self._parts(states)]
            rewards = torch.cat([step.rewards for step in steps], 1)
            states, places = torch.cat([s.states for s in steps]).unique(dim=0, return_inverse=True)
            following.append((rewards, places))
        means, bests = [], []
        for part in self._parts(states):
            rewards = self._step(part).rewards
            means.append(rewards.mean(2))
            bests.append(self._best(rewards))
        values = Values(torch.cat(means, 1), torch.cat(bests, 1))
        for rewards, places in reversed(following):
            uniform, best = (rewards + value[:, places].view_as(rewards) for value in values)
            values = Values(uniform.mean(2), self._best(best))
        return values

    def _parts(self, states: Tensor) -> Iterator[Tensor]:
        """States, as many at a time as are stepped side by side."""
        yield from states.split(max(1, ROWS_AT_ONCE // len(self._joint)))

    def _step(self, states: Tensor) -> Step:
        """Every joint action in each of some states, `(states, state_dim)`."""
        count, joint = len(states), len(self._joint)
        rows = states.repeat_interleave(joint, 0).unsqueeze(0)
        action = self._joint.repeat(count, 1).unsqueeze(0)
        done = self._game.step_roles(rows, choices_of(self._game.roles, action), rows[..., :0])
        rewards = [done.rewards[role.name][0].mean(-1) for role in self._game.roles]
        return Step(torch.stack(rewards).double().view(-1, count, joint), done.state[0])

    def _best(self, worth: Tensor) -> Tensor:
        """The best of each role's own actions, which mean over the others', `(roles, states)`.

        Args:
            worth: of each role, `(roles, states, joint actions)`.
        """
        best = []
        for place, of_role in enumerate(worth):
            table = of_role.view(-1, *self._sizes)
            others = [axis + 1 for axis in range(len(self._sizes)) if axis != place]
            best.append((table.mean(others) if others else table).amax(1))
        return torch.stack(best)


class ExactResponse:
    """exact_response; its state is float64, two numbers a role."""

    num_simulation_draws = 0
    num_agent_draws = 0

    def __init__(self, statics: Setting, environment: EnvironmentSpec) -> None:
        self._game: RolesEnvironment = make_environment(environment)
        self._horizon = environment.interface.horizon_steps
        self._heads = environment.interface.action_heads
        self.num_play_draws = len(self._heads)

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        """See `Solver`; solves."""
        uniform, best = self._values
        state = {}
        for place, role in enumerate(self._game.roles):
            state[f"{UNIFORM}.{role.name}"] = uniform[place]
            state[f"{GAIN}.{role.name}"] = best[place] - uniform[place]
        return {name: part.expand(len(settings), 1).clone() for name, part in state.items()}

    def solve(self, state: State, noise: Noise, step: Tensor) -> dict[str, Tensor]:
        """See `Solver`; all is known."""
        return {}

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """See `Solver`: the first of all choices."""
        return observation.new_zeros(*observation.shape[:-1], len(self._heads))

    def play(self, state: State, observation: Tensor, draws: Tensor) -> Tensor:
        """See `Solver`: uniformly."""
        sizes = torch.tensor(self._heads, dtype=draws.dtype, device=draws.device)
        return torch.minimum((draws * sizes).floor(), sizes - 1.0)

    def learned_params(self, state: State) -> dict[str, Tensor]:
        return dict(state)

    def measures(self, state: State) -> dict[str, np.ndarray]:
        """See `Solver`."""
        return {
            name.replace(".", "_"): number[:, 0].numpy(force=True) for name, number in state.items()
        }

    @cached_property
    def _values(self) -> Values:
        return Induction(self._game, self._horizon).solved()
