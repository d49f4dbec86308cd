"""Agents with replay find the best action of a bandit."""

from __future__ import annotations

from typing import Any

import pytest
from agents.deep_bandit import BOUNDED, NUMBERED, played

HILLS: list[tuple[str, dict[str, Any]]] = [
    ("VAC", {"policy_type": "SquashedGaussian"}),
    ("GreedyAC", {"actor_lr_scale": 0.5}),
    ("GreedyACNoEntReg", {"actor_lr_scale": 0.5}),
    ("FKL", {"kl": "forward"}),
    ("FKL", {"kl": "reverse"}),
    ("epsgreedy", {"policy_type": "DeterministicAction"}),
    ("epsgreedy_SGD", {}),
    ("epsgreedy_optimizer", {}),
]
ARMS: list[tuple[str, dict[str, Any]]] = [
    ("VAC", {"policy_type": "Softmax"}),
    ("GreedyAC", {"policy_type": "Softmax"}),
    ("FKL", {"policy_type": "Softmax", "kl": "forward"}),
    ("FKL", {"policy_type": "Softmax", "kl": "reverse"}),
    ("epsgreedy", {"policy_type": "Argmax"}),
]


@pytest.mark.parametrize(("name", "changes"), HILLS, ids=str)
def test_an_agent_finds_the_higher_hill(name: str, changes: dict[str, Any]) -> None:
    """On a bandit with two hills it ends near the top of the higher one."""
    best = played(name, changes, 300, BOUNDED)
    assert ((best - 0.8).abs() < 0.25).all(), best


@pytest.mark.parametrize(("name", "changes"), ARMS, ids=str)
def test_an_agent_finds_the_best_arm(name: str, changes: dict[str, Any]) -> None:
    """On a bandit with four arms it ends at the best one."""
    best = played(name, changes, 300, NUMBERED)
    assert (best == 2).all(), best
