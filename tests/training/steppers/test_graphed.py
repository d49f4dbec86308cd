"""The compiled step of a GPU: its parts on any machine, and the whole where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from agents.deep_runs import deep_spec
from packs import BACKENDS, beside_neighbours, pack_of, run_of_same_bits, small_spec, train

from nthrun.agents.registry import AGENTS
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.schema import Run
from nthrun.training.context import make_context
from nthrun.training.loop import Training
from nthrun.training.steppers.graphed import GraphedStepper, Replay

PROTOCOL = {"total_timesteps": 300, "record": ["metrics", "train_states"]}
Case = tuple[str, dict[str, Any]]
CASES: list[Case] = [
    *((name, {}) for name in ("SAC", "GreedyAC", "VAC", "FKL", "epsgreedy")),
    *((name, {}) for name in ("epsgreedy_optimizer", "linearAC", "random")),
    ("Sarsa", {"env_name": "MountainCar-v0"}),
]
"""An agent of every family, and where it acts."""
needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="this machine shows no CUDA GPU"
)


def called(rehearse: Replay, launch: Replay) -> Replay:
    """The launches themselves, for a device that has no graphs."""
    return launch


def assert_close(run: Run, reference: Run) -> None:
    """Two runs of one index differ by rounding alone, until that has chosen another best action."""
    np.testing.assert_allclose(
        run["train_episode_rewards"][:3], reference["train_episode_rewards"][:3], rtol=1e-3
    )
    for name, series in reference.get("metrics", {}).items():
        assert run["metrics"][name].shape == series.shape
        np.testing.assert_allclose(run["metrics"][name][:60], series[:60], rtol=1e-3, atol=1e-4)


def spec_of(case: Case, parameters: dict[str, Any] | None = None) -> ExperimentSpec:
    """A case's small experiment, whose networks learn from step 30 on."""
    name, environment = case
    own = {field.name for field in AGENTS[name].hyperparameters}
    late = {"steps_before_learning": [30]} if "steps_before_learning" in own else {}
    return deep_spec(name, late | dict(parameters or {}), PROTOCOL | environment)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_blocks_of_replayed_steps_follow_eager_steps(case: Case) -> None:
    """Noise, clock, state and outputs move in fixed memory as they do from hand to hand, and
    TorchInductor is told to be deterministic; without a GPU the step is launched anew where a graph
    would be replayed."""
    spec = spec_of(case)
    training = Training(pack_of(spec, [0, 1, 2]), make_context(spec))
    training.stepper = GraphedStepper(training.program, 128, called)
    reference = train(spec, [0, 1, 2])
    for run in training.run():
        assert_close(run, reference[run["index"]])
    assert torch._inductor.config.deterministic


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_gpu_follows_the_cpu(case: Case, backend: str) -> None:
    """The same program on a GPU computes the same training, to rounding."""
    spec = spec_of(case)
    reference = train(spec, [0, 1, 2])
    runs = train(spec, [0, 1, 2], context=make_context(spec, backend, "cuda"))
    for index, run in runs.items():
        assert_close(run, reference[index])


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("hidden_dim", [64, 256])
def test_an_index_has_the_same_bits_in_every_pack_on_a_gpu(backend: str, hidden_dim: int) -> None:
    """Alone, and on the first and the last lane of packs of 2, 3, 8 and 33."""
    spec = small_spec(PROTOCOL, {"hidden_dim": [hidden_dim], "batch_size": [32]})
    run_of_same_bits(spec, 7, beside_neighbours(7, (2, 3, 8, 33)), backend, "cuda")


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_agent_has_the_same_bits_on_a_gpu(case: Case, backend: str) -> None:
    """The same of every family of agents in packs of 3 and 33."""
    run_of_same_bits(spec_of(case), 7, beside_neighbours(7, (3, 33)), backend, "cuda")
