"""Matrix games as environments: what is paid, shown and refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from environments.worlds import random_actions, spec_of
from torch import Tensor

from nthrun.environments.matrix_game.program import MatrixGame
from nthrun.environments.roles import choices_of, joint_action
from nthrun.errors import SpecError

SIZES, COUNTS = (3, 2, 2), (4, 2, 1)
TABLES = {
    name: np.random.default_rng(n).normal(size=SIZES).round(3).tolist()
    for n, name in enumerate(("buyer", "seller", "broker"))
}
THREE = {"roles": list(TABLES), "payoffs": TABLES, "counts": list(COUNTS)}
ROWS = {"row": [[1, 2], [3, 4]], "column": [[1, 2], [3, 4]]}


def game_of(**values: Any) -> MatrixGame:
    """A matrix game with these fields."""
    return MatrixGame(spec_of("MatrixGame", **values))


def chosen(game: MatrixGame, seed: int = 0) -> dict[str, Tensor]:
    """Random choices of everybody in 5 worlds of 3 lanes."""
    draw = torch.Generator().manual_seed(seed)
    return choices_of(game.roles, random_actions(game._spec.interface, (3, 5), draw))


def played(game: MatrixGame, choices: dict[str, Tensor]) -> dict[str, Tensor]:
    """What everybody earns in the first stage."""
    return dict(game.step_roles(game.reset(torch.zeros(3, 5, 0)), choices, None).rewards)


def test_the_prisoners_dilemma_is_the_default() -> None:
    """Without fields of its own a spec is the prisoner's dilemma, paid as its table says."""
    game = game_of()
    choices = {
        "row": torch.tensor([[[[0.0]], [[0.0]], [[1.0]], [[1.0]]]]),
        "column": torch.tensor([[[[0.0]], [[1.0]], [[0.0]], [[1.0]]]]),
    }
    outcome = game.step_roles(torch.zeros(1, 4, 5), choices, torch.zeros(1, 4, 0))
    assert outcome.rewards["row"].flatten().tolist() == [-1.0, -3.0, 0.0, -2.0]
    assert outcome.rewards["column"].flatten().tolist() == [-1.0, 0.0, -3.0, -2.0]
    assert outcome.terminated.flatten().tolist() == [1.0] * 4


def test_everybody_earns_the_mean_over_everybody_of_the_other_roles() -> None:
    """With several agents a role, rewards are the means over all meetings, by three plain loops."""
    game = game_of(**THREE)
    choices = chosen(game)
    rewards = played(game, choices)
    numbers = {name: part[1, 2, :, 0].int().tolist() for name, part in choices.items()}
    for place, (name, table) in enumerate(TABLES.items()):
        for agent, own in enumerate(numbers[name]):
            met = [numbers[other] if other != name else [own] for other in TABLES]
            paid = [table[i][j][k] for i in met[0] for j in met[1] for k in met[2]]
            assert rewards[name][1, 2, agent].item() == pytest.approx(np.mean(paid), abs=1e-6)
        assert rewards[name].shape == (3, 5, COUNTS[place])


def test_permuting_agents_permutes_rewards() -> None:
    """Agents of a role that change places change what they earn, and nobody else earns another
    amount, to rounding."""
    game = game_of(**THREE)
    choices = chosen(game)
    order = torch.tensor([2, 0, 3, 1])
    moved = {**choices, "buyer": choices["buyer"][:, :, order]}
    before, after = played(game, choices), played(game, moved)
    torch.testing.assert_close(after["buyer"], before["buyer"][:, :, order], rtol=0, atol=1e-6)
    for name in ("seller", "broker"):
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("score", ["first", *TABLES])
def test_a_joint_step_is_the_step_by_roles(score: str) -> None:
    """The environment's step has the state of the step by roles, bit for bit, and the mean reward
    of `score`, of the first role where that is `first`."""
    game = game_of(**THREE, score=score, steps_per_episode=2)
    state, choices = game.reset(torch.zeros(3, 5, 0)), chosen(game)
    by_roles = game.step_roles(state, choices, torch.zeros(3, 5, 0))
    joint = game.step(state, joint_action(game.roles, choices), torch.zeros(3, 5, 0))
    assert torch.equal(joint.state, by_roles.state)
    assert torch.equal(joint.terminated, by_roles.terminated)
    mean = by_roles.rewards["buyer" if score == "first" else score].mean(-1, keepdim=True)
    assert torch.equal(joint.reward, mean)


def test_everybody_sees_the_stage_and_the_last_choices() -> None:
    """Agents see the share of stages played and the shares of each choice in the last; the episode
    ends with the last stage."""
    game = game_of(**THREE, steps_per_episode=3)
    state, ends = game.reset(torch.zeros(3, 5, 0)), []
    for stage in range(3):
        choices = chosen(game, stage)
        seen = game.observe_role(state, "seller")
        assert seen.shape == (3, 5, 2, 8)
        torch.testing.assert_close(seen[..., 0], torch.full((3, 5, 2), stage / 3))
        if stage:
            before = chosen(game, stage - 1)["buyer"][..., 0]
            for choice in range(3):
                share = (before == choice).float().mean(-1)
                torch.testing.assert_close(seen[:, :, 1, 1 + choice], share)
        outcome = game.step_roles(state, choices, torch.zeros(3, 5, 0))
        state = outcome.state
        ends.append(outcome.terminated.mean().item())
    assert ends == [0.0, 0.0, 1.0]


REFUSED = {
    "one role": ({"roles": ["row"]}, "roles", "two names or more, all different"),
    "a role twice": ({"roles": ["row", "row"]}, "roles", "two names or more, all different"),
    "two words": ({"roles": ["row", "the rest"]}, "roles", "one word a role"),
    "a role without": (
        {"roles": ["row", "col"], "payoffs": {"row": ROWS["row"]}},
        "payoffs.col",
        "missing, allowed: row, col",
    ),
    "no role": (
        {"payoffs": ROWS | {"colunm": [[0]]}},
        "payoffs.colunm",
        "no role, allowed: row, column; hint: did you mean column?",
    ),
    "another shape": (
        {"payoffs": ROWS | {"column": [[1, 2, 3], [4, 5, 6]]}},
        "payoffs.column",
        "got shape (2, 3), allowed: (2, 2), that of row",
    ),
    "rows of two lengths": (
        {"payoffs": ROWS | {"row": [[1, 2], [3]]}},
        "payoffs.row",
        "got [[1, 2], [3]], allowed: numbers in lists of equal length",
    ),
    "words": ({"payoffs": ROWS | {"row": [["a", 2], [3, 4]]}}, "payoffs.row", "allowed: numbers"),
    "one list": (
        {"payoffs": ROWS | {"row": [1, 2]}},
        "payoffs.row",
        "got lists 1 deep of shape (2,), allowed: 2 deep",
    ),
    "no choice": ({"payoffs": ROWS | {"row": [[], []]}}, "payoffs.row", "shape (2, 0)"),
    "no number": (
        {"payoffs": ROWS | {"row": [[float("nan"), 2], [3, 4]]}},
        "payoffs",
        "row: got NaN, allowed: numbers that JSON can hold",
    ),
    "too large": ({"payoffs": ROWS | {"row": [[1e39, 2], [3, 4]]}}, "payoffs.row", "finite"),
    "counts of one role": ({"counts": [2]}, "counts", "got [2], allowed: 2 integers, one a role"),
    "nobody": ({"counts": [2, 0]}, "counts", "integers from 1 to 10000"),
    "another score": ({"score": "colum"}, "score", 'got "colum", allowed: first or row, column'),
    "for ever": ({"steps_per_episode": 10**9}, "steps_per_episode", "a matrix game allows: 0 to"),
    "too many numbers": (
        {
            "payoffs": {
                "row": np.zeros((300, 200)).tolist(),
                "column": np.zeros((300, 200)).tolist(),
            }
        },
        "payoffs",
        "got 120,000 numbers, allowed: 100,000",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_game_that_cannot_be_is_told_in_a_line(case: str) -> None:
    """What makes no game is one fault, with its key and what is allowed."""
    values, key, told = REFUSED[case]
    with pytest.raises(SpecError) as refused:
        spec_of("MatrixGame", **values)
    [fault] = refused.value.faults
    assert fault.key == key
    [line] = refused.value.lines()
    assert told in line
