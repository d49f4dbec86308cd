"""Random play in the game of consumers, firms and a government."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from environments.worlds import spec_of
from torch import Tensor

from nthrun.environments.rbc.market import Books
from nthrun.environments.rbc.program import RBC
from nthrun.environments.roles import RolesTransition

PUBLISHED = {"interest_rate": 0.0, "initial_wage": 0.0, "government_counts_firm_reward": True}
"""What of the published runs is not as in the templates."""
TINY = {
    "num_consumers": 1,
    "num_firms": 1,
    "num_governments": 0,
    "interest_rate": 0.0,
    "initial_capital": [5000.0],
    "theta": [0.01],
}
"""The game of one consumer and one firm whose values are known."""


def game_of(**values: object) -> RBC:
    """The game of a spec."""
    return RBC(spec_of("RBC", **values))


class Played(NamedTuple):
    """A step of play: what was before it, what was chosen, and what came of it."""

    books: Books
    choices: Mapping[str, Tensor]
    outcome: RolesTransition


def played(
    game: RBC,
    worlds: int,
    allowed: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype = torch.float32,
    ease: float = 1.0,
) -> Iterator[Played]:
    """An episode in which all choose uniformly.

    Args:
        worlds: side by side.
        allowed: of the only head of some roles, 1.0 where a choice is, `(size,)`.
        ease: the factor of θ.
    """
    draw = torch.Generator().manual_seed(3)
    state = game.reset(torch.zeros(1, worlds, 0, dtype=dtype))
    state = game.eased(state, torch.full((1, 1, 1), ease, dtype=dtype))
    for _ in range(game.horizon):
        choices = {}
        for role in game.roles:
            masks = [(allowed or {}).get(role.name, torch.ones(size)) for size in role.heads]
            drawn = [
                torch.multinomial(mask, worlds * role.count, True, generator=draw) for mask in masks
            ]
            choices[role.name] = torch.stack(drawn, -1).view(1, worlds, role.count, -1).to(dtype)
        outcome = game.step_roles(state, choices, state[..., :0])
        yield Played(game.books(state), choices, outcome)
        state = outcome.state
