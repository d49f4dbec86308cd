"""The contract of users' own games, checked on one step: what each role sees and earns."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from nthrun.environments.roles import choices_of
from nthrun.errors import ContractError
from nthrun.specs.interface import Interface

METHODS = ("observe_role", "step_roles", "choice_table", "eased")
HINT = "docs/extending.md has an example, `inspection.py`"


def check_roles(whose: str, game: Any, interface: Interface, state: Tensor) -> None:
    """Check a game's methods that go by role; nothing where the environment has no roles.

    Args:
        whose: the name of its class.
        game: an environment.
        interface: its.
        state: at which a game begins, `(lanes, worlds, state_dim)`.

    Raises:
        ContractError: something is missing, or has another shape or type than it must have.
    """
    if not interface.roles:
        return
    names = [role.name for role in interface.roles]
    lacking = [name for name in METHODS if not callable(getattr(game, name, None))]
    if lacking:
        problem = f"has roles and no {', '.join(lacking)}, allowed: a class of RolesEnvironment"
        raise ContractError(f"{whose}: {problem}", HINT)
    if getattr(game, "score", None) not in names:
        got = getattr(game, "score", None)
        raise ContractError(f"{whose}: its score is {got!r}, allowed: {', '.join(names)}", HINT)
    nothing = state.new_zeros(*state.shape[:2], interface.action_dim)
    draws = state.new_zeros(*state.shape[:2], interface.num_step_draws)
    outcome = game.step_roles(state, choices_of(interface.roles, nothing), draws)
    rewards = getattr(outcome, "rewards", {})
    for role in interface.roles:
        seen = game.observe_role(state, role.name)
        shape = *state.shape[:2], role.count
        _check(whose, f"observe_role of {role.name}", seen, (*shape, role.observation_dim))
        _check(whose, f"the rewards of {role.name} of step_roles", rewards.get(role.name), shape)
        sizes = tuple(len(table) for table in game.choice_table(role.name))
        if sizes != role.heads:
            problem = f"choice_table of {role.name} has sizes {sizes}, allowed: {role.heads}"
            raise ContractError(f"{whose}: {problem}", HINT)


def _check(whose: str, what: str, given: object, shape: tuple[int, ...]) -> None:
    if not isinstance(given, Tensor):
        problem = f"{what} is {given!r}, allowed: a tensor of shape {shape}"
    elif tuple(given.shape) != shape or not given.is_floating_point():
        dtype = str(given.dtype).removeprefix("torch.")
        problem = f"{what} is {dtype} {tuple(given.shape)}, allowed: float32 {shape}"
    else:
        return
    raise ContractError(f"{whose}: {problem}", HINT)
