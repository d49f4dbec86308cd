"""Exact best responses to uniform play."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from environments.rbc.plays import TINY
from environments.worlds import spec_of

from nthrun.agents.exact_response.declaration import exact_layout
from nthrun.agents.exact_response.program import ExactResponse
from nthrun.environments.matrix_game.declaration import payoff_tables
from nthrun.environments.matrix_game.equilibria import response_gains, responses
from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import experiment_spec_of

KNOWN = {
    (1, True): ((-2.6, 2.6), (-11_440.0, 0.0)),
    (1, False): ((-2.6, 2.6), (-11_440.0, 0.0)),
    (2, True): ((-1.925062, 6.634251), (7183.1861, 40_094.2360)),
    (2, False): ((-1.925062, 6.634251), (-18_674.8047, 14_411.8983)),
}
"""Steps, and whether there is an importer -> of the consumer and of the firm, what uniform play is
worth and what the best response gains."""


def found(name: str, **values: Any) -> dict[str, float]:
    """The measures of a game's exact solution."""
    solver = ExactResponse({"max_histories": 10**10}, spec_of(name, **values))
    state = solver.initial_state([{}], 1.0, [])
    return {name: float(number[0]) for name, number in solver.measures(state).items()}


@pytest.mark.parametrize(("steps", "importer"), KNOWN)
def test_the_tiny_game_is_worth_what_is_known(steps: int, importer: bool) -> None:
    """Of one consumer and one firm, to every printed digit."""
    measures = found("RBC", steps_per_episode=steps, importer=importer, **TINY)
    of_consumer, of_firm = KNOWN[steps, importer]
    for role, (uniform, gain), digits in (("consumer", of_consumer, 6), ("firm", of_firm, 4)):
        assert measures[f"uniform_{role}"] == pytest.approx(uniform, abs=0.51 * 10**-digits)
        assert measures[f"gain_{role}"] == pytest.approx(gain, abs=0.51 * 10**-digits)


PAIRS = np.array([*product(np.arange(6) * 500.0, np.arange(5) * 11.0)])
"""Prices and wages that the tiny game's firm can choose."""


class Worth(NamedTuple):
    """Of some states of the tiny game: U and V of the consumer, then of the firm, `(states,)`."""

    uniform_consumer: np.ndarray
    best_consumer: np.ndarray
    uniform_firm: np.ndarray
    best_firm: np.ndarray


def restated(steps: int, states: np.ndarray, importer: bool) -> Worth:
    """The tiny game another way: what a choice of the firm does in a step is to set the next price
    and wage, so that a step has 55 outcomes, and the last one no choice of the firm that counts.

    Args:
        states: price, wage, stock, money of the consumer and of the firm, K; `(states, 6)`.
    """
    wanted, hours = (each.ravel() for each in np.meshgrid(np.arange(11.0), np.arange(5) * 260.0))
    price, wage, stock, money, own, capital = (states[:, n, None] for n in range(6))
    cost = np.maximum(wanted * price, 1e-9)
    got = np.minimum(wanted * np.minimum(1.0, money / cost), stock)
    liked = ((got + 1.0) ** 0.9 - 1.0) / 0.9 - 0.005 * hours
    sold = got + (np.clip(stock - got, 0.0, 100.0) if importer else 0.0) * (price >= 500.0)
    gross = price * sold - wage * hours
    kept = gross - 0.1 * np.maximum(gross, 0.0)
    if steps == 1:
        return Worth(liked.mean(1), liked.max(1), kept.mean(1), kept.mean(1))
    made = 0.01 * capital**0.8 * hours**0.2
    paid = money + 0.01 - price * got + wage * hours
    own, capital = own + kept, capital + 0.1 * np.maximum(gross, 0.0)
    following = np.empty((*liked.shape, len(PAIRS), 6))
    following[..., :2] = PAIRS
    for place, part in enumerate((stock - sold + made, paid, own, capital), 2):
        following[..., place] = part[..., None]
    unique, places = np.unique(following.reshape(-1, 6).round(9), axis=0, return_inverse=True)
    parts = [restated(steps - 1, part, importer) for part in np.array_split(unique, 20)]
    later = [
        np.concatenate(part)[places.ravel()].reshape(following.shape[:3])
        for part in zip(*parts, strict=True)
    ]
    liked, kept = liked[..., None], kept[..., None]
    return Worth(
        (liked + later[0]).mean((1, 2)),
        (liked + later[1]).mean(2).max(1),
        (kept + later[2]).mean((1, 2)),
        (kept + later[3]).mean(1).max(1),
    )


@pytest.mark.parametrize("importer", [True, False])
@pytest.mark.parametrize("steps", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_tiny_game_is_worth_what_another_way_finds(steps: int, importer: bool) -> None:
    """Backward induction over outcomes of a step finds the same to nine digits."""
    start = np.array([[1000.0, 22.0, 0.0, 2000.0, 22_000.0, 5000.0]])
    worth = restated(steps, start, importer)
    measures = found("RBC", steps_per_episode=steps, importer=importer, **TINY)
    for role, uniform, best in (("consumer", *worth[:2]), ("firm", *worth[2:])):
        assert measures[f"uniform_{role}"] == pytest.approx(uniform[0], rel=1e-9)
        assert measures[f"gain_{role}"] == pytest.approx((best - uniform)[0], rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("stages", [1, 3])
def test_of_a_matrix_game_it_is_the_best_response_at_every_stage(stages: int) -> None:
    """What uniform play earns, and what the best choice of each role earns more, at every stage."""
    values = {"payoffs": {"row": [[3, 0, 1], [5, 1, 0]], "column": [[2, 7, 0], [1, 1, 4]]}}
    values["roles"] = ["row", "column"]
    spec = spec_of("MatrixGame", steps_per_episode=stages, **values)
    tables = payoff_tables(spec.values)
    mixed = {"row": np.full(2, 1 / 2), "column": np.full(3, 1 / 3)}
    earned, gains = responses(tables, mixed), response_gains(tables, mixed)
    measures = found("MatrixGame", steps_per_episode=stages, **values)
    for role in tables:
        assert measures[f"uniform_{role}"] == pytest.approx(stages * earned[role].mean())
        assert measures[f"gain_{role}"] == pytest.approx(stages * gains[role])


def test_a_matrix_game_is_solved_in_float64() -> None:
    """To the last digits that payoffs have, in a state of the type that its layout says."""
    values = {"payoffs": {"row": [[0.1, 1 / 3], [2e8, 0.7]], "column": [[0.0, 1e-9], [1.0, 0.0]]}}
    spec = spec_of("MatrixGame", steps_per_episode=1, **values)
    solver = ExactResponse({"max_histories": 10**10}, spec)
    state = solver.initial_state([{}, {}], 1.0, [])
    table = np.array(values["payoffs"]["row"])
    assert float(state["uniform.row"][0]) == table.mean()
    assert float(state["gain.row"][0]) == table.mean(1).max() - table.mean()
    lanes = {name: part[0] for name, part in state.items()}
    assert not exact_layout({}, spec.interface).mismatch(lanes)


def test_a_role_of_several_moves_together() -> None:
    """Two consumers who earn the mean of both gain no less than one of them can alone, and a
    government is a role as any other."""
    values = {**TINY, "num_consumers": 2, "num_governments": 1, "steps_per_episode": 1}
    values |= {"work_choices": [0.0, 500.0], "consumption_choices": [0.0, 1.0]}
    measures = found("RBC", **values)
    assert measures["uniform_consumer"] == pytest.approx(-0.005 * 250)
    assert measures["gain_consumer"] == pytest.approx(0.005 * 250)
    assert measures["uniform_government"] == pytest.approx(2 * -0.005 * 250)
    assert measures["gain_government"] == pytest.approx(0.0)


def test_it_plays_uniformly() -> None:
    """Evenly spread draws meet every choice of every head equally often."""
    spec = spec_of("RBC", **TINY)
    solver = ExactResponse({"max_histories": 10**20}, spec)
    draws = ((torch.arange(660) + 0.5) / 660).view(1, -1, 1).expand(1, -1, solver.num_play_draws)
    action = solver.play({}, torch.zeros(1, 660, 9), draws)
    for place, size in enumerate(spec.interface.action_heads):
        counts = torch.bincount(action[0, :, place].long(), minlength=size)
        assert counts.unique().tolist() == [660 // size]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"num_consumers": 2}, "90,750 joint actions and 8,235,562,500 histories"),
        ({"steps_per_episode": 3}, "1,650 joint actions and 4,492,125,000 histories of 3 steps"),
        ({"num_firms": 4, "num_consumers": 9}, "allowed: 1,000,000 and 1,000,000,000"),
    ],
)
def test_a_game_that_is_too_large_is_told_in_one_line(values: dict[str, Any], told: str) -> None:
    """How large it is, and what is allowed."""
    environment = {"env_name": "RBC", "total_timesteps": 1, "steps_per_episode": 2, **TINY}
    agent = {"agent_name": "exact_response", "parameters": {"max_histories": [10**9]}}
    with pytest.raises(SpecError) as caught:
        experiment_spec_of(environment | values, agent, "test")
    (fault,) = caught.value.faults
    assert told in fault.problem and "solves small games" in fault.problem
