"""Games: their joint actions, masks, and what no game can have."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nthrun.environments.roles import choices_of, joint_action, mask_penalty
from nthrun.specs.declaration import (
    FitsRoles,
    fits_any,
    fits_continuous,
    fits_discrete,
    fits_numbered,
    fits_single,
)
from nthrun.specs.interface import Interface, Role

GAME = Interface(
    (0.0,), (1.0,), roles=(Role("consumer", 2, 3, (4, 2)), Role("firm", 1, 5, (3,))), state_dim=1
)


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.lists(st.integers(1, 5), min_size=1, max_size=3)),
        min_size=1,
        max_size=3,
    )
)
def test_choices_by_role_make_the_joint_action_that_they_are_cut_from(
    shapes: list[tuple[int, list[int]]],
) -> None:
    """A joint action has role after role, agent after agent, head after head, and comes back."""
    roles = tuple(Role(f"r{n}", count, 1, tuple(heads)) for n, (count, heads) in enumerate(shapes))
    size = Interface((0.0,), (1.0,), roles=roles).action_dim
    assert size == sum(count * len(heads) for count, heads in shapes)
    action = torch.arange(2.0 * 3 * size).reshape(2, 3, size)
    choices = choices_of(roles, action)
    assert [tuple(part.shape) for part in choices.values()] == [
        (2, 3, count, len(heads)) for count, heads in shapes
    ]
    assert torch.equal(torch.cat([part.flatten(2) for part in choices.values()], -1), action)
    assert torch.equal(joint_action(roles, choices), action)


def test_a_mask_lets_through_what_is_within_bounds_and_on_them() -> None:
    """A choice has -1000 for each bound that one of its columns violates, and 0 on a bound."""
    table = torch.tensor([[500.0, 0.0], [1000.0, 22.0], [1500.0, 44.0]])
    low, high = torch.tensor([[1000.0, 0.0], [0.0, 22.0]]), torch.tensor([[1000.0, 30.0]] * 2)
    expected = [[-1000.0, 0.0, -2000.0], [-1000.0, 0.0, -2000.0]]
    assert mask_penalty(table, low, high).tolist() == expected


BAD = {
    "two roles have one name": Interface((0.0,), (1.0,), roles=(Role("a", 1, 1, (2,)),) * 2),
    "allowed: one word": Interface((0.0,), (1.0,), roles=(Role("a b", 1, 1, (2,)),)),
    "role a has a count of less than 1": Interface((0.0,), (1.0,), roles=(Role("a", 0, 1, (2,)),)),
    "heads (), allowed: at least one": Interface((0.0,), (1.0,), roles=(Role("a", 1, 1, ()),)),
    "roles and actions beside them": Interface(
        (0.0,), (1.0,), num_actions=2, roles=(Role("a", 1, 1, (2,)),)
    ),
    "0 or the product of heads, 6": Interface((0.0,), (1.0,), num_actions=5, heads=(2, 3)),
    "heads are (2, 0), allowed: >= 1 each": Interface((0.0,), (1.0,), heads=(2, 0)),
    "image is (2, 2), allowed": Interface((0.0,) * 4, (1.0,) * 4, num_actions=2, image=(2, 2)),
    "image is (-2, -2, 1), allowed": Interface(
        (0.0,) * 4, (1.0,) * 4, num_actions=2, image=(-2, -2, 1)
    ),
    "image is (4.0, 1, 1), allowed": Interface(
        (0.0,) * 4,
        (1.0,) * 4,
        num_actions=2,
        image=(4.0, 1, 1),  # type: ignore[arg-type]
    ),
    "image is (True, 4, 1), allowed": Interface(
        (0.0,) * 4, (1.0,) * 4, num_actions=2, image=(True, 4, 1)
    ),
    "image is 5, allowed": Interface(
        (0.0,) * 4,
        (1.0,) * 4,
        num_actions=2,
        image=5,  # type: ignore[arg-type]
    ),
    "image is '444', allowed": Interface(
        (0.0,) * 64,
        (1.0,) * 64,
        num_actions=2,
        image="444",  # type: ignore[arg-type]
    ),
    "both num_actions and bounds": Interface((0.0,), (1.0,), (0.0,), (1.0,), heads=(2,)),
}


@pytest.mark.parametrize(("problem", "interface"), BAD.items())
def test_what_no_environment_can_have_is_said(problem: str, interface: Interface) -> None:
    """An interface that contradicts itself says how."""
    assert problem in interface.problem()


def test_a_sound_interface_has_no_problem() -> None:
    """A game, and heads with or without the number of their product, are sound."""
    heads = Interface((0.0,), (1.0,), num_actions=6, heads=(2, 3))
    assert [i.problem() for i in (GAME, heads, heads.by_heads())] == [""] * 3
    assert [heads.action_dim, heads.by_heads().action_dim, GAME.action_dim] == [1, 2, 5]
    assert GAME.action_heads == (4, 2, 4, 2, 3)
    assert all(i.discrete for i in (GAME, heads, heads.by_heads()))


def _told(fits: object, interface: Interface) -> list[str]:
    return [problem for _, problem, _ in fits(interface, lambda name: ())]  # type: ignore[operator]


def test_misfits_with_games_are_told() -> None:
    """Who acts for one is told of a game's roles, who plays games of an environment without."""
    game = ["acts for one, and the environment is a game of consumer, firm"]
    for fits in (fits_single, fits_numbered, fits_continuous, fits_discrete):
        assert _told(fits, GAME) == game
    assert _told(fits_any, GAME) == _told(FitsRoles(), GAME) == []
    assert _told(FitsRoles(("firm", "bank")), GAME) == [
        "plays firm, bank, and bank is missing from the roles: consumer, firm"
    ]
    alone = Interface((0.0,), (1.0,), num_actions=2)
    assert _told(FitsRoles(), alone) == [
        "plays games of several roles, and the environment has none"
    ]


def test_misfits_with_many_components_are_told() -> None:
    """Who acts by one number is told how many actions there are, where there is no number."""
    many = Interface((0.0,), (1.0,), heads=(17, 241))
    problem = "takes actions by number, and those of 2 components are 4,097 in all, "
    for fits in (fits_numbered, fits_continuous, fits_discrete):
        assert _told(fits, many) == [problem + "allowed: 1 to 4,096"]
    assert _told(fits_single, many) == []
    assert (
        "about 10^29592 in all"
        in _told(fits_discrete, Interface((0.0,), (1.0,), heads=(256,) * 12288))[0]
    )
