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


class Simulation:
    """Plays a game.

    Args:
        setting: static hyperparameters.
        game, interface: the game.

    Attributes:
        steps: of an episode.
        num_scenes: steps of all worlds.
        plays: role name -> how it acts.
    """

    def __init__(self, setting: Setting, game: RolesEnvironment, interface: Interface) -> None:
        self._game, self.steps = game, interface.horizon_steps
        self._worlds = setting["num_worlds"]
        self.num_scenes = self.steps * self._worlds
        self.plays = {role.name: RolePlay(setting, role) for role in game.roles}
        self._sizes = [role.count * len(role.heads) for role in game.roles]
        self._resets = self._worlds * interface.num_reset_draws
        self._chosen = sum(self._sizes)

    def episodes(
        self,
        policies: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        factor: Tensor,
        draws: Tensor,
    ) -> Episodes:
        """An episode in each world.

        Args:
            policies: role name -> parameters `(lanes, P)`.
            masks: role name -> `(lanes, num_logits)`.
            factor: that the game is eased by, `(lanes, 1, 1)`.
            draws: uniform on [0, 1), `(lanes, num_simulation_draws)`.
        """
        lanes = len(draws)
        first, luck = draws.tensor_split([self._resets], 1)
        state = self._game.reset(first.view(lanes, self._worlds, -1))
        state = self._game.eased(state, factor)
        lucks = luck.reshape(lanes, self.steps, self._worlds, -1)
        per_step = _Luck(*lucks.tensor_split([self._chosen], -1))

        def period(carry: tuple[Tensor], now: _Luck) -> tuple[tuple[Tensor], tuple[Tensor, ...]]:
            chosen, shown = self._choices(policies, masks, carry[0], now.choices)
            outcome = self._game.step_roles(carry[0], chosen, now.game)
            rewards = [outcome.rewards[name].unsqueeze(-1) for name in self.plays]
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
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """What everybody chooses, and what is shown of each role but its rewards."""
        chosen, shown = {}, []
        for (name, play), draws in zip(
            self.plays.items(), luck.split(self._sizes, -1), strict=True
        ):
            seen = self._game.observe_role(state, name)
            said, shared, own = play.said(policies[name], masks[name], seen)
            lanes, worlds, count = own.shape[:3]
            rows = draws.reshape(lanes, worlds * count, -1)
            made, logs = play.heads.sample(said.logits, rows)
            made, logs, value = (
                part.view(lanes, worlds, count, -1) for part in (made, logs, said.value)
            )
            chosen[name] = made
            shown += [shared, own, made, logs, value]
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
