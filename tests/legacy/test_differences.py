"""What a spec of the older tool meant otherwise there, and the note that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from legacy.older_specs import PLAIN, read

DIFFERENT: dict[str, tuple[tuple[str, Any], tuple[str, Any], str, bool]] = {
    "order": (
        ("SAC", {"batch_size": [4, 8], "replay_capacity": 9, "alpha": [1, 2], "cuda": True}),
        ("Pendulum-v1", {}),
        "the pairs of batch_size and replay_capacity were the last digit",
        True,
    ),
    "order of one, last": (
        ("SAC", {"alpha": [1, 2], "batch_size": [4, 8], "replay_capacity": 9, "cuda": True}),
        ("Pendulum-v1", {}),
        "the pairs of batch_size and replay_capacity were the last digit",
        False,
    ),
    "constant": (
        ("epsgreedy", {"epsilon_decay": [0.9], "cuda": [True]}),
        ("Pendulum-v1", {}),
        "ε was constant",
        True,
    ),
    "tuned": (
        ("SAC", {"automatic_entropy_tuning": True, "cuda": True}),
        ("Pendulum-v1", {}),
        "a tuned alpha began at 1",
        True,
    ),
    "fixed": (
        ("SAC", {"automatic_entropy_tuning": False, "cuda": True}),
        ("Pendulum-v1", {}),
        "a tuned alpha began at 1",
        False,
    ),
    "first update": (
        ("SAC", {"batch_size": 20, "steps_before_learning": 18, "cuda": True}),
        ("Pendulum-v1", {}),
        "the first update waited for batch_size steps",
        True,
    ),
    "late update": (
        ("SAC", {"batch_size": 20, "steps_before_learning": 19, "cuda": True}),
        ("Pendulum-v1", {}),
        "the first update waited for batch_size steps",
        False,
    ),
    "acrobot": (
        ("SAC", {}),
        ("DenseAcrobot-v1", {"continuous": True}),
        "the reward was the tip's height - 1",
        True,
    ),
    "a share": (
        ("GreedyAC", {"n_rho": [[15, 0.1]], "cuda": True}),
        ("Pendulum-v1", {}),
        "the actor followed ⌊ρn⌋ actions",
        True,
    ),
    "a whole number": (
        ("GreedyAC", {"n_rho": [[30, 0.1]], "cuda": True}),
        ("Pendulum-v1", {}),
        "the actor followed ⌊ρn⌋ actions",
        False,
    ),
    "discrete": (
        ("GreedyACDiscrete", {"n_rho": [[30, 0.5]]}),
        ("Acrobot-v1", {"continuous": False}),
        "the actor followed the most valued discrete action alone",
        True,
    ),
    "first weights": (
        ("SAC", {"cuda": True}),
        ("Acrobot-v1", {"continuous": True}),
        "first weights had the gain of their activation",
        True,
    ),
    "other first weights": (
        ("SAC", {"weight_init": "kaiming_uniform", "cuda": True}),
        ("Acrobot-v1", {"continuous": True}),
        "first weights had the gain of their activation",
        False,
    ),
    "units": (
        ("VAC", {"cuda": True}),
        ("Pendulum-v1", {}),
        "of actions in the environment's units",
        True,
    ),
    "no units": (
        ("VAC", {"cuda": True}),
        ("Acrobot-v1", {"continuous": True}),
        "of actions in the environment's units",
        False,
    ),
    "greedy actions": (
        ("epsgreedy_SGD", {"cuda": True}),
        ("Pendulum-v1", {}),
        "greedy actions stayed within -1 and 1",
        True,
    ),
    "not read": (
        ("epsgreedy_SGD", {"uniform_exploration_steps": 9, "cuda": True}),
        ("Pendulum-v1", {}),
        "uniform_exploration_steps was not read",
        True,
    ),
    "read": (
        ("epsgreedy", {"uniform_exploration_steps": 9, "cuda": True}),
        ("Pendulum-v1", {}),
        "uniform_exploration_steps was not read",
        False,
    ),
    "one number": (
        ("VACDiscrete", {"cuda": True}),
        ("Acrobot-v1", {"continuous": False}),
        "a critic took the number of a discrete action as an input",
        True,
    ),
    "entropy": (
        ("GreedyAC", {"alpha": 0.1, "cuda": True}),
        ("Acrobot-v1", {"continuous": True}),
        "alpha's gradient had an expectation of 0",
        True,
    ),
    "no entropy": (
        ("GreedyAC", {"alpha": 0, "cuda": True}),
        ("Acrobot-v1", {"continuous": True}),
        "alpha's gradient had an expectation of 0",
        False,
    ),
    "no trace": (
        ("LinearGaussianAC", {"use_actor_trace": False}),
        ("Acrobot-v1", {"continuous": True}),
        "σ was learned with an actor's trace alone",
        True,
    ),
    "frames": (
        ("SACDiscrete", {}),
        ("MinAtarBreakout", {"continuous": False}),
        "frames were for networks with convolutions alone",
        True,
    ),
    "evaluated": (
        ("SAC", {"cuda": True}),
        ("Pendulum-v1", {"eval_episodes": 1}),
        "there was one more evaluation at the end",
        True,
    ),
    "ours": (
        ("SAC", {}),
        ("DenseAcrobot-v1", {"continuous": True, "rewards": {"timestep": 1}}),
        "the reward was the tip's height - 1",
        False,
    ),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_differences_are_told(tmp_path: Path, case: str) -> None:
    """One note says in what a file of the older tool meant something else there, and none does
    where it meant the same, or where nothing shows that it is the older tool's."""
    agent, (name, fields), there, told = DIFFERENT[case]
    spec = read(tmp_path, agent, (name, {**PLAIN, **fields}))
    assert any(there in note for note in spec.notes) == told
