"""Linear agents in packs: the same bits, compiled too, and what a compiled step copies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agents.linear_cases import WORLDS, linear_spec
from checkpoints import attempt, experiment_in
from packs import BACKENDS, beside_neighbours, pack_of, run_of_same_bits, train

from nthrun.compiler.program_text import write_program
from nthrun.errors import InterruptedRunError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.schema import first_difference
from nthrun.training.context import make_context
from nthrun.training.loop import Training
from nthrun.training.steppers.step_functions import NOISE, STEP, training_step

SERIES = ["update_states", "update_next_states", "train_rewards", "metrics", "eval_states"]
SWEPT: dict[str, Any] = {"critic_lr": [0.3, 0.05], "decay": [0.5, 0.9], "num_bins": [3]}
OTHERS: dict[str, dict[str, Any]] = {
    "linearAC": {"avg_reward_lr": [0.0, 0.01], "actor_lr": [0.003]},
    "SoftmaxAC": {"avg_reward_lr": [0.0, 0.01], "actor_lr": [0.1]},
    "Sarsa": {"epsilon": [0.1, 0.5], "epsilon_decay": [0.99]},
    "ExpectedSarsa": {"epsilon": [0.1, 0.5], "epsilon_decay": [0.99]},
}
STATICS: list[dict[str, Any]] = [
    {"num_tilings": [8], "tiling": ["joint"]},
    {"num_tilings": [5], "tiling": ["pairs"], "num_bins": [6], "bias": [False]},
]


def small(agent_name: str, statics: dict[str, Any], num_steps: int) -> ExperimentSpec:
    """A small experiment of 8 settings that records all it can."""
    environment = {"total_timesteps": num_steps, "record": SERIES}
    return linear_spec(agent_name, SWEPT | OTHERS[agent_name] | statics, environment)


@pytest.mark.parametrize("agent_name", WORLDS)
@pytest.mark.parametrize("statics", STATICS)
def test_an_index_has_the_same_bits_alone_and_in_a_pack(
    agent_name: str, statics: dict[str, Any]
) -> None:
    """Whatever shares its pack, whichever lane it is on, every bit of a record is the same."""
    run_of_same_bits(small(agent_name, statics, 110), 7, beside_neighbours(7, (2, 3, 33)))


@pytest.mark.parametrize("agent_name", ["linearAC", "Sarsa"])
def test_compiled_packs_have_the_same_bits(agent_name: str) -> None:
    """The same of compiled steps."""
    spec = small(agent_name, STATICS[0], 110)
    run_of_same_bits(spec, 7, beside_neighbours(7, (3, 33)), "compile")


WITHOUT: dict[str, dict[str, Any]] = {
    "linearAC": {"trace": ["replacing"], "use_critic_trace": [False], "actor_lr_scale": [0.1]},
    "SoftmaxAC": {"trace": ["replacing"], "use_actor_trace": [False], "temperature": [0.5]},
}


@pytest.mark.parametrize("agent_name", WITHOUT)
def test_traces_of_all_kinds_have_the_same_bits(agent_name: str) -> None:
    """The same where traces are replaced or there is none; compiled steps learn what others do."""
    spec = small(agent_name, STATICS[0] | WITHOUT[agent_name], 110)
    run_of_same_bits(spec, 7, beside_neighbours(7, (3,)))
    if agent_name == "linearAC":
        run_of_same_bits(spec, 7, beside_neighbours(7, (3,)), "compile")


@pytest.mark.slow
@pytest.mark.parametrize("agent_name", WORLDS)
@pytest.mark.parametrize("statics", STATICS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_identity_holds_over_thousands_of_steps(
    agent_name: str, statics: dict[str, Any], backend: str
) -> None:
    """The same over a long training, of every agent and with either backend."""
    run_of_same_bits(small(agent_name, statics, 3000), 7, beside_neighbours(7, (2, 8, 33)), backend)


@pytest.mark.slow
@pytest.mark.parametrize("agent_name", WORLDS)
@pytest.mark.parametrize("statics", STATICS)
def test_compiled_training_follows_eager_training(agent_name: str, statics: dict[str, Any]) -> None:
    """Both backends compute the same training; they differ by rounding alone."""
    spec = small(agent_name, statics, 100)
    eager = train(spec, [3])[3]
    compiled = train(spec, [3], context=make_context(spec, "compile"))[3]
    for name, series in eager["metrics"].items():
        np.testing.assert_allclose(compiled["metrics"][name], series, rtol=1e-3, atol=1e-3)
    for name, array in eager["learned_params"].items():
        np.testing.assert_allclose(compiled["learned_params"][name], array, atol=1e-3)


@pytest.mark.parametrize("agent_name", WORLDS)
def test_a_compiled_step_goes_over_the_weights_once(agent_name: str) -> None:
    """Weights and traces are updated in place, in one loop over both: no other loop is as long."""
    spec = small(agent_name, {"num_bins": [50], "tiling": ["pairs"]}, 100)
    training = Training(pack_of(spec, [0]), make_context(spec))
    noise = training.program.noise(training.streams.draw(1), 0, "cpu").step(0)
    lane = frozenset(training.state)
    inputs = {**training.state, STEP: torch.zeros(1, dtype=torch.int64)}
    inputs |= {NOISE + name: part for name, part in noise._asdict().items()}
    text = write_program([training_step(training.program, lane, True)], inputs, lane)
    rows, width = training.state["weights"].shape[1:]
    own = text.source[text.source.index("part_0_0") :]
    loops = sum(own.count(f"< {length}; ++i") for length in (width, rows * width))
    assert loops == 1


@pytest.mark.parametrize("agent_name", WORLDS)
def test_unlearnable_settings_diverge_alone(agent_name: str) -> None:
    """A run whose step size is absurd is recorded as diverged, and its neighbour trains on as if
    it were alone."""
    parameters = {"critic_lr": [0.1, 1e30], "num_bins": [3]}
    if "avg_reward_lr" in OTHERS[agent_name]:
        parameters["actor_lr"] = [1e30]
        parameters = {"critic_lr/actor_lr": [[0.1, 0.01], [1e30, 1e30]], "num_bins": [3]}
    spec = linear_spec(agent_name, parameters, {"total_timesteps": 260})
    both = train(spec, [0, 1])
    assert both[1]["status"] == "diverged"
    assert both[0]["status"] == "completed"
    assert first_difference(train(spec, [0])[0], both[0]) is None


@pytest.mark.parametrize("agent_name", WORLDS)
def test_resumed_traces_go_on(agent_name: str, tmp_path: Path) -> None:
    """A run built anew from its checkpoint in the midst of an episode, several times, is the same
    run: all that a step leaves to the next is in the state that is kept."""
    environment = {
        "total_timesteps": 90,
        "record": SERIES,
        "eval_interval_timesteps": 17,
        "checkpoint_interval_seconds": 1e-9,
    }
    parameters = SWEPT | OTHERS[agent_name] | STATICS[0]
    spec = linear_spec(agent_name, parameters, environment)
    experiment = experiment_in(tmp_path, spec)
    for _ in range(4):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, [1], 17)
    (resumed,) = attempt(spec, experiment, [1], None)
    began = [part["step"] for part in resumed["provenance"]["attempts"]]
    assert began == [0, 17, 34, 51, 68]
    assert first_difference(resumed, train(spec, [1])[1]) is None
