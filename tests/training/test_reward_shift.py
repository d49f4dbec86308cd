"""What a spec makes of the environment's rewards, beside overwriting them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from in_process import ended

from nthrun.commands.run import run
from nthrun.records import open_data
from nthrun.training.program import RewardShift

LENGTHS = {
    "total_timesteps": 120,
    "steps_per_episode": 25,
    "eval_interval_timesteps": 60,
    "eval_episodes": 3,
}
WORLDS: dict[str, dict[str, Any]] = {
    "tensors": {"env_name": "Gridworld", "rows": 2, "cols": 3},
    "host": {"env_name": "CartPole-v1", "platform": "gymnasium"},
}
SHIFT, GAMMA = 0.5, 0.9


@given(
    shift=st.floats(-9, 9),
    gamma=st.sampled_from([0.0, 0.5, 0.99, 1.0]),
    longest=st.integers(1, 300),
    share=st.floats(0, 1),
)
def test_a_shift_is_that_of_all_steps(
    shift: float, gamma: float, longest: int, share: float
) -> None:
    """The step that terminates an episode pays the shifts of the steps left, discounted, and any
    other step its own, in NumPy and in torch."""
    number = 1 + int(share * (longest - 1))
    left = sum(shift * gamma**k for k in range(longest - number + 1))
    rule = RewardShift(shift, gamma, longest)
    ends = np.array([True, False])
    assert rule.of_steps(ends, np.array(number)) == pytest.approx([left, shift], abs=1e-9)
    found = rule.of_step(torch.tensor([1.0, 0.0]), torch.tensor(number))
    assert found.tolist() == pytest.approx([left, shift], rel=1e-4, abs=1e-4)


def episodes(folder: Path, world: dict[str, Any], backend: str) -> list[tuple[float, int]]:
    """Return and steps of every episode of a random run, those of training, then evaluations."""
    (folder / "world.json").write_text(json.dumps({**LENGTHS, **world}))
    (folder / "agent.json").write_text(json.dumps({"agent_name": "random", "parameters": {}}))
    files = ["--env-json", folder / "world.json", "--agent-json", folder / "agent.json"]
    done = ended(run, *files, "--index", "0", "--save-dir", folder, "--backend", backend)
    assert done.code == 0, done.err
    [root] = (path for path in folder.iterdir() if path.is_dir())
    [record] = open_data(root)["experiment_data"][0]["runs"]
    kinds = ("train", "eval")
    rewards = np.concatenate([np.ravel(record[f"{k}_episode_rewards"]) for k in kinds])
    steps = np.concatenate([np.ravel(record[f"{k}_episode_steps"]) for k in kinds])
    return list(zip(rewards.tolist(), steps.tolist(), strict=True))


def expected(plain: list[tuple[float, int]]) -> list[float]:
    """The returns of the same episodes with the shift; one of the longest is truncated."""
    longest, shifted = LENGTHS["steps_per_episode"], []
    for reward, steps in plain:
        left = sum(GAMMA**k for k in range(longest - steps + 1)) if steps < longest else 1.0
        shifted.append(reward + SHIFT * (steps - 1 + left))
    return shifted


BACKENDS = ["eager", pytest.param("compile", marks=pytest.mark.slow)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", WORLDS)
def test_returns_are_shifted(tmp_path: Path, kind: str, backend: str) -> None:
    """Training and evaluation go the same way with a shift, and pay it."""
    rewards = {"shift": SHIFT, "gamma": GAMMA}
    found = {}
    for name, world in (("plain", WORLDS[kind]), ("shifted", WORLDS[kind] | {"rewards": rewards})):
        (tmp_path / name).mkdir()
        found[name] = episodes(tmp_path / name, world, backend)
    steps = {name: [steps for _, steps in each] for name, each in found.items()}
    assert steps["plain"] == steps["shifted"]
    assert min(steps["plain"]) < LENGTHS["steps_per_episode"]
    returns = [reward for reward, _ in found["shifted"]]
    assert returns == pytest.approx(expected(found["plain"]), rel=1e-5)
