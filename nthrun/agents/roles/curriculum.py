"""How a game grows as learning goes on: masks that open, and a game that is eased less and less.

The bounds of what a choice may mean open in a straight line, from one number m to all that the
column of the role's table has:

    low = m - (m - least) x,   high = m + (most - m) x,   x = (step - begin) / steps within [0, 1].

A choice has -1000 added to its logit for each bound that it violates. The game is eased by the
factor 1 - exp(-step / ease_steps).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nthrun.agents.base import TINY, State
from nthrun.agents.roles.fields import mask_grids, per_role
from nthrun.environments.roles import RolesEnvironment, mask_penalty
from nthrun.environments.tensors import Constants
from nthrun.specs.declaration import Setting


class _Opening(NamedTuple):
    """Of a role whose bounds open: when they begin to and over how many steps, where they start,
    `(columns,)`, and its table, `(size, columns)`."""

    begin: int
    steps: int
    bounds: Constants


class Curriculum:
    """Masks and easing of a game.

    Args:
        setting: static hyperparameters.
        game: whose roles and tables.
    """

    def __init__(self, setting: Setting, game: RolesEnvironment) -> None:
        roles, start = game.roles, torch.tensor(setting["mask_start"], dtype=torch.float32)
        self._sizes = {role.name: sum(role.heads) for role in roles}
        begins = per_role(setting["mask_begin"], len(roles))
        steps = per_role(setting["mask_steps"], len(roles))
        self._openings: dict[str, _Opening] = {}
        for role, begin, number in zip(roles, begins, steps, strict=True):
            first, start = start.tensor_split([len(mask_grids(role))])
            if len(first) and number:
                table = game.choice_table(role.name)[0].float()
                self._openings[role.name] = _Opening(begin, number, Constants(first, table))

    def masks(self, lanes: Tensor, step: Tensor) -> dict[str, Tensor]:
        """What is added to the logits of each role at a step, `(lanes, num_logits)`.

        Args:
            lanes: any tensor that has them on its first axis.
            step: a 0-dim integer tensor.
        """
        masks = {name: lanes.new_zeros(len(lanes), size) for name, size in self._sizes.items()}
        return masks | {
            name: self._mask(opening, step).expand(len(lanes), -1)
            for name, opening in self._openings.items()
        }

    def factor(self, state: State, step: Tensor) -> Tensor:
        """What the game is eased by, `(lanes, 1, 1)`."""
        over = state["ease_steps"].unsqueeze(2)
        factor = -torch.expm1(-step / over.clamp(min=TINY))
        return torch.where(over > 0.0, factor, torch.ones_like(factor))

    def _mask(self, opening: _Opening, step: Tensor) -> Tensor:
        """Of one role, `(1, size)`; the last bounds are those of its table, whatever rounding makes
        of them."""
        first, table = opening.bounds.on(step.device)
        gone = (step - opening.begin).clamp(0, opening.steps).to(torch.float32)
        least, most = table.amin(0), table.amax(0)
        whole = gone >= opening.steps
        low = torch.where(whole, least, first - (first - least) * gone / opening.steps)
        high = torch.where(whole, most, first + (most - first) * gone / opening.steps)
        return mask_penalty(table, low.unsqueeze(0), high.unsqueeze(0))


def entropy_weight(state: State, step: Tensor, start: int) -> Tensor:
    """The weight of the entropy of a role that learns from `start` on, `(lanes, 1)`: falling to its
    floor as exp(-t / entropy_decay)."""
    over = state["entropy_decay"]
    gone = (step - start).clamp(min=0) / over.clamp(min=TINY)
    share = torch.where(over > 0.0, torch.exp(-gone), torch.ones_like(over))
    return state["entropy_weight"] * torch.maximum(share, state["entropy_floor"])


def column_of(values: Sequence[Sequence[float]], count: int) -> Tensor:
    """A number for each role of every lane, `(lanes, roles)`."""
    return torch.tensor([per_role(listed, count) for listed in values], dtype=torch.float32)
