"""Masks that open, the factor that eases the game, and the entropy's weight, as published."""

from __future__ import annotations

import math

import pytest
import torch
from agents.roles.games import MASKED, made

from nthrun.agents.roles.curriculum import entropy_weight
from nthrun.agents.roles.fields import learners_at

PRICES = {
    0: {1000},
    9_999: {1000},
    10_000: {1000, 1500},
    15_000: {500, 1000, 1500},
    20_000: {500, 1000, 1500, 2000},
    30_000: {0, 500, 1000, 1500, 2000, 2500},
}
WAGES = {0: {22}, 14_999: {22}, 15_000: {11, 22, 33}, 30_000: {0, 11, 22, 33, 44}}
TAXES = {0: {0.0}, 35_999: {0.0}, 36_000: {0.0, 0.2}, 42_000: {0.0, 0.2, 0.4}, 10**6: 6}


def allowed(step: int, role: str, column: int) -> set[float]:
    """What a column of the choices that are let through at a step has."""
    solver, state, _ = made(**MASKED)
    mask = solver.curriculum.masks(state["gamma"], torch.tensor(step))[role][0]
    table = solver.game.choice_table(role)[0]
    return {round(number, 6) for number in table[mask == 0.0][:, column].tolist()}


def test_bounds_open_as_published() -> None:
    """Prices and wages from the start on, taxes once firms learn, each from its episode on."""
    for step, prices in PRICES.items():
        assert allowed(step, "firm", 0) == prices, step
    for step, wages in WAGES.items():
        assert allowed(step, "firm", 1) == wages, step
    for step, taxes in TAXES.items():
        for column in (0, 1):
            found = allowed(step, "government", column)
            assert len(found) == taxes if isinstance(taxes, int) else found == taxes, step


def test_without_a_start_nothing_is_masked() -> None:
    """All masks are 0 where `mask_start` is empty."""
    solver, state, _ = made(mask_steps=(100,))
    masks = solver.curriculum.masks(state["gamma"], torch.tensor(0))
    assert {name: mask.shape[1] for name, mask in masks.items()} == {
        "consumer": 2 * 11 + 5 + 2,
        "firm": 30,
        "government": 36,
    }
    assert all((mask == 0.0).all() for mask in masks.values())


def test_the_game_grows_harder_and_play_less_random() -> None:
    """θ has the factor 1 - exp(-e / 10,000), 0 at first; the entropy's weight is 0.5 times
    max(exp(-(e - start) / 10,000), 0.1)."""
    solver, state, _ = made(ease_steps=10_000.0)
    for step in (0, 1, 10_000, 200_000):
        factor = float(solver.curriculum.factor(state, torch.tensor(step)))
        assert factor == pytest.approx(1 - math.exp(-step / 10_000), abs=1e-6)
        for start in (0, 30_000):
            share = max(math.exp(-max(step - start, 0) / 10_000), 0.1)
            weight = float(entropy_weight(state, torch.tensor(step), start))
            assert weight == pytest.approx(0.5 * share, rel=1e-5)
    state["ease_steps"].zero_()
    assert float(solver.curriculum.factor(state, torch.tensor(0))) == 1.0


def test_roles_learn_from_their_start_on() -> None:
    """Consumers from 0, firms from 30,000, the government from 60,000; or at every so many."""
    setting = {"learning_start": (0, 30_000, 60_000), "learning_every": (1,)}
    starts = {0: 0b001, 29_999: 0b001, 30_000: 0b011, 60_000: 0b111}
    assert {step: learners_at(setting, 3, step) for step in starts} == starts
    setting = {"learning_start": (0,), "learning_every": (1, 2, 5)}
    assert [learners_at(setting, 3, step) for step in range(5)] == [7, 1, 3, 1, 3]
