"""Episodes of a game that all roles play by their networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from nthrun.agents.repeat import repeat
from nthrun.agents.roles.features import Features
from nthrun.agents.roles.heads import Heads
from nthrun.agents.roles.network import RoleNetwork, Said
from nthrun.environments.roles import RolesEnvironment
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface, Role


class Played(NamedTuple):
    """What a role saw, chose and earned, `(lanes, steps, worlds, count, ...)`.

    Attributes:
        shared: what its network saw that all its agents share, `(lanes, steps, worlds, s)`.
        own: what it saw of each, `(..., o)`.
        choices: `(..., heads)`.
        log_probability, value: `(..., 1)`.
        reward: `(..., 1)`.
    """

    shared: Tensor
    own: Tensor
    choices: Tensor
    log_probability: Tensor
    value: Tensor
    reward: Tensor


class Episodes(NamedTuple):
    """What was played in all worlds.

    Attributes:
        roles: role name -> what it did.
        aggregates: what the game shows of itself, `(lanes, steps, worlds, k)` each.
    """

    roles: Mapping[str, Played]
    aggregates: tuple[Tensor, ...]


class Deviation(NamedTuple):
    """One agent of a role in each world that plays another policy than its fellows.

    Attributes:
        role: its name.
        parameters: of the policy, `(lanes, P)`.
        agents: 1.0 at the agent, `(lanes, worlds, count, 1)`.
    """

    role: str
    parameters: Tensor
    agents: Tensor


class _Luck(NamedTuple):
    """Numbers of a step, `(lanes, worlds, ...)`: for choices, and for the game."""

    choices: Tensor
    game: Tensor


class RolePlay:
    """How a role acts.

    Attributes:
        role, network, heads: its own.
    """

    def __init__(self, setting: Setting, role: Role) -> None:
        self.role = role
        self.network, self.heads = RoleNetwork(setting, role), Heads(role.heads)
        self._features = Features(role)

    def said(self, parameters: Tensor, mask: Tensor, seen: Tensor) -> tuple[Said, Tensor, Tensor]:
        """What its network puts out, masked, and its inputs.

        Args:
            parameters: `(lanes, P)`.
            mask: `(lanes, num_logits)`.
            seen: `(lanes, worlds, count, observation_dim)`.
        """
        shared, own = self._features(seen)
        said = self.network(parameters, shared, own)
        return Said(said.logits + mask.unsqueeze(1), said.value), shared, own

    def acted(self, parameters: Tensor, mask: Tensor, seen: Tensor, draws: Tensor) -> list[Tensor]:
        """What it does by chance: all of `Played` but rewards.

        Args:
            parameters, mask, seen: see `said`.
            draws: uniform on [0, 1), `(lanes, worlds, count, heads)`.
        """
        said, shared, own = self.said(parameters, mask, seen)
        made, logs = self.heads.sample(said.logits, draws.flatten(1, 2))
        parts = (part.view(*own.shape[:3], -1) for part in (made, logs, said.value))
        return [shared, own, *parts]


class Simulation:
    """Plays a game.

    Args:
        setting: static hyperparameters.
        game, interface: the game.

    Attributes:
        steps: of an episode.
        num_worlds: side by side.
        plays: role name -> how it acts.
    """

    def __init__(self, setting: Setting, game: RolesEnvironment, interface: Interface) -> None:
        self._game, self.steps = game, interface.horizon_steps
        self.num_worlds = setting["num_worlds"]
        self.plays = {role.name: RolePlay(setting, role) for role in game.roles}
        self._sizes = [role.count * len(role.heads) for role in game.roles]
        self._resets = self.num_worlds * interface.num_reset_draws
        self._chosen = sum(self._sizes)

    def episodes(
        self,
        policies: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        factor: Tensor,
        draws: Tensor,
        deviation: Deviation | None = None,
    ) -> Episodes:
        """An episode in each world.

        Args:
            policies: role name -> parameters `(lanes, P)`.
            masks: role name -> `(lanes, num_logits)`.
            factor: that the game is eased by, `(lanes, 1, 1)`.
            draws: uniform on [0, 1), `(lanes, num_simulation_draws)`.
            deviation: of an agent, of whose role then only that agent is shown.
        """
        lanes = len(draws)
        first, luck = draws.tensor_split([self._resets], 1)
        state = self._game.reset(first.view(lanes, self.num_worlds, -1))
        state = self._game.eased(state, factor)
        lucks = luck.reshape(lanes, self.steps, self.num_worlds, -1)
        per_step = _Luck(*lucks.tensor_split([self._chosen], -1))

        def period(carry: tuple[Tensor], now: _Luck) -> tuple[tuple[Tensor], tuple[Tensor, ...]]:
            chosen, shown = self._choices(policies, masks, carry[0], now.choices, deviation)
            outcome = self._game.step_roles(carry[0], chosen, now.game)
            rewards = [
                _alone(outcome.rewards[name].unsqueeze(-1), name, deviation) for name in self.plays
            ]
            return (outcome.state,), (*shown, *rewards, *self._game.aggregates(carry[0]))

        _, shown = repeat(period, (state,), per_step, 1)
        return self._episodes(shown)

    def acted(
        self,
        policies: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        seen: Mapping[str, Tensor],
        draws: Tensor | None,
    ) -> Tensor:
        """The joint action `(lanes, worlds, action_dim)` for what each role sees; the most probable
        choices, or by chance with uniform draws `(lanes, worlds, action_dim)`."""
        if draws is not None:
            luck = dict(zip(self.plays, draws.split(self._sizes, -1), strict=True))
        parts = []
        for name, play in self.plays.items():
            said, _, own = play.said(policies[name], masks[name], seen[name])
            if draws is None:
                made = play.heads.best(said.logits)
            else:
                rows = luck[name].reshape(len(draws), said.logits.shape[1], -1)
                made, _ = play.heads.sample(said.logits, rows)
            parts.append(made.reshape(*own.shape[:2], -1))
        return torch.cat(parts, -1)

    def _choices(
        self,
        policies: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        state: Tensor,
        luck: Tensor,
        deviation: Deviation | None,
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """What everybody chooses, and what is shown of each role but its rewards."""
        chosen, shown = {}, []
        of_role = luck.split(self._sizes, -1)
        for (name, play), drawn in zip(self.plays.items(), of_role, strict=True):
            seen = self._game.observe_role(state, name)
            draws = drawn.unflatten(-1, (play.role.count, -1))
            done = play.acted(policies[name], masks[name], seen, draws)
            chosen[name] = done[2]
            if deviation is not None and name == deviation.role:
                alone = (_alone(part, name, deviation) for part in (seen, draws))
                done = play.acted(deviation.parameters, masks[name], *alone)
                chosen[name] = torch.where(deviation.agents > 0.5, done[2], chosen[name])
            shown += done
        return chosen, shown

    def _episodes(self, shown: tuple[Tensor, ...]) -> Episodes:
        """What was shown, by role."""
        count, each = len(self.plays), len(Played._fields) - 1
        rewards = shown[count * each : count * (each + 1)]
        roles = {
            name: Played._make((*shown[place * each : (place + 1) * each], rewards[place]))
            for place, name in enumerate(self.plays)
        }
        return Episodes(roles, tuple(shown[count * (each + 1) :]))


def _alone(numbers: Tensor, role: str, deviation: Deviation | None) -> Tensor:
    """Numbers of agents `(lanes, worlds, count, k)`, or of the one that deviates alone, whose count
    is 1."""
    if deviation is None or role != deviation.role:
        return numbers
    return (numbers * deviation.agents).sum(2, keepdim=True)
