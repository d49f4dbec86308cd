"""A role of a game as it learns from what was played.

Updates are of whole batches, whose gradient is gathered over a few scenes at a time (a scene is one
step of one world), so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from nthrun.agents.base import State, adam_step, adam_tick, gradient, shortened
from nthrun.agents.roles.curriculum import entropy_weight
from nthrun.agents.roles.fields import LEARNED
from nthrun.agents.roles.losses import (
    Targets,
    policy_loss,
    returns_of,
    standardised,
    value_loss,
    value_losses,
)
from nthrun.agents.roles.simulation import Played, RolePlay

NORM_MARGIN = 1e-6
"""Added to the norm that a gradient is divided by."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How roles learn.

    Attributes:
        clips: whether changes of policy and value are clipped.
        updates: of a step.
        discounted: whether returns are, or else as in the original's code.
        elementwise: whether the value's losses are compared number by number.
    """

    clips: bool
    updates: int
    discounted: bool
    elementwise: bool


class Batch(NamedTuple):
    """What a role learns from; `(lanes, steps, worlds, count, ...)`, or with steps and worlds as
    one axis of scenes."""

    played: Played
    targets: Targets

    def some(self, piece: slice) -> Batch:
        """Some scenes."""
        played, targets = (tuple(part.flatten(1, 2)[:, piece] for part in of) for of in self)
        return Batch(Played(*played), Targets(*targets))


@dataclass(frozen=True, slots=True)
class Learner:
    """A role as it learns.

    Attributes:
        play: how it acts.
        name: of its parameters in the state.
        place: of the role among those of the game.
        start: step from which on it learns.
        scenes: that a gradient goes through at once.
        rule: how it learns.
    """

    play: RolePlay
    name: str
    place: int
    start: int
    scenes: int
    rule: Rule

    def learn(self, state: State, played: Played, step: Tensor) -> None:
        """The updates of a step, and what the last of them says, into the state."""
        scale = state["reward_scale"][:, self.place].view(-1, 1, 1, 1, 1)
        gamma = state["gamma"].view(-1, 1, 1, 1)
        returns = returns_of(played.reward / scale, gamma, self.rule.discounted)
        weight = entropy_weight(state, step, self.start)
        value, lr = played.value, state["lr"][:, self.place : self.place + 1]
        for number in range(self.rule.updates):
            if number:
                value = self._values(state, played)
            targets = self._targets(state, played, returns, value)
            parts, slope = self._gradient(state, Batch(played, targets), weight)
            cut, norm = shortened(slope, state["max_grad_norm"], NORM_MARGIN)
            adam_step(state, self.name, cut, lr, adam_tick(state, f"{self.name}.powers"))
        for metric, told in zip(LEARNED, (*parts.unbind(1), norm[:, 0]), strict=True):
            state[f"last.{metric}_{self.play.role.name}"].copy_(told.unsqueeze(1))

    def _values(self, state: State, played: Played) -> Tensor:
        """V of what was seen, by the network as it is, shaped like the rewards."""
        found = []
        scenes = [part.flatten(1, 2) for part in (played.shared, played.own)]
        for piece in self._pieces(played):
            shared, own = (part[:, piece] for part in scenes)
            found.append(self.play.network.values(state[self.name], shared, own))
        return torch.cat(found, 1).view_as(played.reward)

    def _targets(self, state: State, played: Played, returns: Tensor, value: Tensor) -> Targets:
        """What the loss of an update is computed from."""
        targets = Targets(
            standardised(returns - value),
            returns,
            played.log_probability,
            played.value,
            torch.zeros_like(value),
        )
        if self.rule.elementwise:
            return targets
        clip = state["clip"].view(-1, 1, 1, 1, 1)
        plain, clipped = (loss.flatten(1).mean(1) for loss in value_losses(value, targets, clip))
        larger = (clipped > plain).to(value.dtype).view(-1, 1, 1, 1, 1)
        return targets._replace(clipped=larger.expand_as(value))

    def _gradient(self, state: State, batch: Batch, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Means of policy loss, value loss and entropy, `(lanes, 3)`, and the gradient of the loss
        `(lanes, P)`, both gathered over pieces of all scenes.

        Args:
            weight: of the entropy, `(lanes, 1)`.
        """
        rows = batch.played.reward[0].numel()
        weights = torch.cat([torch.ones_like(weight), state["value_weight"], -weight], 1)
        parts = torch.zeros_like(weights)
        slope = torch.zeros_like(state[self.name])
        for piece in self._pieces(batch.played):
            some = batch.some(piece)

            def loss(parameters: Tensor, some: Batch = some) -> tuple[Tensor, Tensor]:
                sums = self._sums(state, some, parameters) / rows
                return (weights * sums).sum(1), sums

            _, told, more = gradient(loss, state[self.name])
            parts, slope = parts + told, slope + more
        return parts, slope

    def _sums(self, state: State, batch: Batch, parameters: Tensor) -> Tensor:
        """Policy loss, value loss and entropy, summed over a batch, `(lanes, 3)`."""
        play, clip = self.play, None
        if self.rule.clips:
            clip = state["clip"].unsqueeze(2)
        seen, targets = batch
        said = play.network(parameters, seen.shared, seen.own)
        logits = said.logits + state[f"mask.{play.role.name}"].unsqueeze(1)
        lanes, rows = logits.shape[:2]
        decided = play.heads.decided(logits, seen.choices.reshape(lanes, rows, -1))
        aims = Targets(*(part.reshape(lanes, rows, 1) for part in targets))
        parts = (
            policy_loss(decided, aims, clip),
            value_loss(said.value, aims, clip, self.rule.elementwise),
            decided.entropy,
        )
        return torch.cat([part.sum(1) for part in parts], 1)

    def _pieces(self, played: Played) -> Iterator[slice]:
        """Pieces of all scenes."""
        for begin in range(0, played.reward[0].numel() // played.reward.shape[3], self.scenes):
            yield slice(begin, begin + self.scenes)
