"""Matrix games as a tensor program.

Role r has n_r agents, of whom a share f_r(i) makes choice i. With the table u_r of a role, an agent
of it that makes choice i earns the mean over everybody of the other roles,

    Σ u_r(i, j, k, …) f_s(j) f_t(k) …

The state is (t, f_1, f_2, …): how many of the T stages have been played, and the shares of the last
one, 0 before the first. The episode ends after stage T.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.environments.matrix_game.declaration import num_stages, payoff_tables, score_of
from nthrun.environments.roles import Choices, RolesEnvironment, RolesTransition
from nthrun.environments.tensors import Constants, same_start_states
from nthrun.specs.environment_spec import EnvironmentSpec


class MatrixGame(RolesEnvironment):
    """Everybody sees (t / T, f_1, f_2, …). It is played in the precision of its state."""

    def __init__(self, spec: EnvironmentSpec) -> None:
        self.roles, self.score = spec.interface.roles, score_of(spec.values)
        self._spec, self._stages = spec, num_stages(spec.values)
        tables = payoff_tables(spec.values)
        own_first = [torch.from_numpy(t).movedim(n, 0) for n, t in enumerate(tables.values())]
        self._tables = {
            dtype: Constants(*(table.to(dtype).contiguous() for table in own_first))
            for dtype in (torch.float32, torch.float64)
        }
        self._numbers = Constants(*(torch.arange(float(role.heads[0])) for role in self.roles))

    def reset(self, draws: Tensor) -> Tensor:
        """The beginning, or the spec's start state."""
        nothing = (0.0,) * self._spec.interface.state_dim
        return same_start_states(self._spec, draws, *nothing)

    def observe(self, state: Tensor) -> Tensor:
        """The state, its first number as the share of stages that have been played."""
        return torch.cat([state[..., :1] / self._stages, state[..., 1:]], -1)

    def observe_role(self, state: Tensor, role: str) -> Tensor:
        """The same, to each agent of a role."""
        return self.seen(self.observe(state), role)

    def seen(self, observation: Tensor, role: str) -> Tensor:
        """The observation, to each agent of a role."""
        (count,) = (known.count for known in self.roles if known.name == role)
        return observation.unsqueeze(2).expand(-1, -1, count, -1)

    def step_roles(self, state: Tensor, choices: Choices, draws: Tensor) -> RolesTransition:
        """Play one stage; terminates after the last."""
        numbers = zip(self.roles, self._numbers.on(state.device), strict=True)
        made = {role.name: (choices[role.name] == n).to(state.dtype) for role, n in numbers}
        shares = {name: own.mean(2) for name, own in made.items()}
        tables = zip(made.items(), self._tables[state.dtype].on(state.device), strict=True)
        rewards = {
            name: (own * self._earned(table, shares, name).unsqueeze(2)).sum(-1)
            for (name, own), table in tables
        }
        played = state[..., :1] + 1.0
        following = torch.cat([played, *shares.values()], -1)
        return RolesTransition(following, rewards, (played >= self._stages).to(state.dtype))

    def _earned(self, table: Tensor, shares: dict[str, Tensor], role: str) -> Tensor:
        """What each choice of a role earns, `(lanes, worlds, size)`.

        Args:
            table: of the role, its own choices on the first axis.
            shares: of the choices of every role, `(lanes, worlds, size)`.
        """
        earned = table.unsqueeze(0).unsqueeze(0)
        others = [share for name, share in shares.items() if name != role]
        for share in reversed(others):
            axes = (1,) * (earned.dim() - 3)
            earned = (earned * share.reshape(*share.shape[:2], *axes, share.shape[2])).sum(-1)
        return earned
