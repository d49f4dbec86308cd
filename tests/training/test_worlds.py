"""Several worlds a run: their noise, their records, the same bits however they are packed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agents.deep_runs import deep_spec
from checkpoints import attempt, experiment_in
from packs import BACKENDS, beside_neighbours, pack_of, run_of_same_bits, train
from several import ENVIRONMENT, Several, several_spec

from nthrun import Field
from nthrun.errors import InterruptedRunError, SpecError
from nthrun.index import Purpose
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.planning.memory_estimate import lane_memory
from nthrun.records.schema import Run, first_difference, flat_arrays
from nthrun.studies.study import with_suggested_settings
from nthrun.training.context import make_context
from nthrun.training.loop import Training
from nthrun.training.noise import generator
from nthrun.training.recording import LaneRecorder, lane_event
from nthrun.training.steppers.graphed import GraphedStepper

HOSTED = {"platform": "gymnasium", "continuous": False}
PLACES = {"tensors": {}, "hosted": HOSTED}
WORLDS = 8
everywhere = pytest.mark.parametrize("environment", PLACES.values(), ids=PLACES)


def by_world(series: np.ndarray, num_worlds: int = WORLDS) -> np.ndarray:
    """A series of environment steps as `(steps, worlds, ...)`."""
    return series.reshape(-1, num_worlds, *series.shape[1:])


def episodes_of(run: Run, ended: np.ndarray) -> list[tuple[int, float, int]]:
    """(end, return, steps) of the episodes of a run by a plain loop over steps and worlds.

    Args:
        ended: whether an episode ended, `(steps, worlds)`.
    """
    rewards, found = by_world(run["train_rewards"]), []
    so_far, steps = [0.0] * WORLDS, [0] * WORLDS
    for step in range(len(rewards)):
        for world in range(WORLDS):
            so_far[world] += float(rewards[step, world])
            steps[world] += 1
            if ended[step, world]:
                found.append((step * WORLDS + world + 1, so_far[world], steps[world]))
                so_far[world], steps[world] = 0.0, 0
    total = sum(steps)
    mean = sum(r * s for r, s in zip(so_far, steps, strict=True)) / total
    assert run["unfinished_episode_steps"] == total
    assert run["unfinished_episode_reward"] == pytest.approx(mean)
    return found


@everywhere
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_index_has_the_same_bits_alone_and_in_a_pack(
    backend: str, environment: dict[str, Any]
) -> None:
    """Whatever lanes it has beside it, a run of several worlds has every bit that it has alone."""
    spec = several_spec([WORLDS], environment)
    run_of_same_bits(spec, 7, beside_neighbours(7, (2, 5)), backend)


@everywhere
def test_a_record_is_by_step_then_world(environment: dict[str, Any]) -> None:
    """Series, episodes and evaluations of a record count environment steps: those of all worlds at
    a step, one world after the other; a plain loop over them finds the same episodes."""
    run = train(several_spec([WORLDS], environment), [1])[1]
    total = ENVIRONMENT["total_timesteps"]
    assert run["total_timesteps"] == total
    assert run["timesteps_at_eval"].tolist() == [0, 320, 640, 960]
    assert run["train_states"].shape == (total, 4)
    states, following = (by_world(run[f"train_{n}states"]) for n in ("", "next_"))
    ended = (following[:-1] != states[1:]).any(-1)
    last = np.zeros((1, WORLDS), bool)
    ends = set(run["train_episode_ends"].tolist())
    last[0] = [total - WORLDS + world + 1 in ends for world in range(WORLDS)]
    found = episodes_of(run, np.concatenate([ended, last]))
    assert len(found) == run["total_train_episodes"] > 2 * WORLDS
    recorded = [run[f"train_episode_{name}"].tolist() for name in ("ends", "rewards", "steps")]
    assert [list(column) for column in zip(*found, strict=True)] == recorded
    assert max(run["train_episode_steps"]) == ENVIRONMENT["steps_per_episode"]
    assert len(np.unique(states[0], axis=0)) == WORLDS
    assert {values.shape for values in run["metrics"].values()} == {(total // WORLDS // 3,)}


def test_worlds_draw_one_after_the_other() -> None:
    """A step's numbers of a stream are those of its first world, then those of the next."""
    training = Training(pack_of(several_spec([5]), [0, 1]), make_context(several_spec([5])))
    noise = training.program.noise(training.streams.draw(5), 0, "cpu")
    interface = training.program.interface
    resets, steps = interface.num_reset_draws, interface.num_step_draws
    for lane, seed in enumerate(training.seeds):
        stream = generator(seed, Purpose.ENVIRONMENT)
        drawn = stream.random((5, 5, resets + steps), dtype=np.float32)
        np.testing.assert_array_equal(noise.environment[lane].numpy(), drawn[..., resets:])
        start = noise.start_state[lane].numpy()
        np.testing.assert_allclose(start, 0.1 * drawn[..., :resets] - 0.05, atol=1e-7)


@everywhere
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_continues_between_any_two_blocks(
    tmp_path: Path, backend: str, environment: dict[str, Any]
) -> None:
    """Interrupted after every block, in whatever pack, a run of several worlds has every bit of an
    undisturbed one, and its attempts begin at environment steps."""
    spec = several_spec([WORLDS], environment | {"checkpoint_interval_seconds": 1e-9})
    experiment = experiment_in(tmp_path, spec)
    for number in range(2):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, [1] if number % 2 else [1, 2], 1, backend)
    (run,) = attempt(spec, experiment, [1], None, backend)
    assert [begun["step"] for begun in run["provenance"]["attempts"]] == [0, 320, 640]
    context = make_context(spec, backend)
    assert first_difference(train(spec, [1], context=context)[1], run) is None


@pytest.mark.slow
@everywhere
def test_rollouts_continue_within_and_are_gone_through(
    tmp_path: Path, environment: dict[str, Any]
) -> None:
    """PPO in eight worlds, interrupted within rollouts and between them and packed otherwise, has
    every bit of an undisturbed run; each epoch names every environment step of its rollout once."""
    steps = {"total_timesteps": 480, "eval_interval_timesteps": 80}
    record = {"record": ["update_states", "metrics"], "checkpoint_interval_seconds": 1e-9}
    sizes = {"n_steps": [20], "batch_size": [32], "n_epochs": [2], "hidden_dim": [8]}
    parameters = sizes | {"num_worlds": [WORLDS], "lr": [0.01, 0.02]}
    agent = {"agent_name": "PPO", "parameters": parameters | {"policy_type": ["Softmax"]}}
    world = ENVIRONMENT | {"continuous": False} | environment | steps | record
    spec = experiment_spec_of(world, agent, "test")
    experiment = experiment_in(tmp_path, spec)
    for number in range(3):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, [1] if number % 2 else [1, 2], 1, "compile")
    (run,) = attempt(spec, experiment, [1], None, "compile")
    assert [begun["step"] for begun in run["provenance"]["attempts"]] == [0, 80, 160, 240]
    undisturbed = train(spec, [0, 1], context=make_context(spec, "compile"))[1]
    assert first_difference(undisturbed, run) is None
    epochs = np.sort(run["update_indices"].reshape(3, 2, 160), -1)
    rollouts = np.arange(480).reshape(3, 1, 160)
    np.testing.assert_array_equal(epochs, np.broadcast_to(rollouts, epochs.shape))


REPLAYING = [
    ("SAC", {}, "compile", {}),
    ("SAC", {"updates_per_step": [3]}, "eager", HOSTED | {"continuous": True}),
    ("GreedyAC", {}, "eager", {}),
    ("epsgreedy_SGD", {}, "eager", {}),
]


@pytest.mark.parametrize(("agent", "parameters", "backend", "world"), REPLAYING)
def test_agents_with_a_replay_act_in_several_worlds(
    agent: str, parameters: dict[str, Any], backend: str, world: dict[str, Any]
) -> None:
    """An agent that learns from replay has the same bits in every pack; what comes first counts
    environment steps, and each update draws newest ones, those of all worlds included."""
    first = {"steps_before_learning": [100], "uniform_exploration_steps": [60]}
    sizes = {"num_worlds": [5], "replay_capacity": [52]}
    series = {"record": ["update_states", "metrics"], "total_timesteps": 250}
    protocol = series | {"eval_interval_timesteps": 125}
    spec = deep_spec(agent, sizes | first | parameters, protocol | world)
    run = run_of_same_bits(spec, 1, beside_neighbours(1, (2,)), backend)
    updates = parameters.get("updates_per_step", [1])[0]
    used = run["update_indices"]
    assert len(used) == len(run["metrics"]["critic_loss"]) == updates * (250 - 100) // 5
    ends = np.repeat(np.arange(105, 251, 5), updates)[:, None]
    assert (used < ends).all()
    assert (used >= ends - 52).all()
    assert {int(index) % 5 for index in used.ravel()} == set(range(5))
    assert (used == ends - 1).any()


def test_a_replay_holds_the_steps_of_all_worlds() -> None:
    """Slot n mod capacity has environment step n: step by step, and within a step world by
    world."""
    series = {"record": ["train_states", "train_rewards"], "total_timesteps": 120}
    spec = deep_spec("SAC", {"num_worlds": [8]}, series | {"eval_interval_timesteps": 120})
    training = Training(pack_of(spec, [0, 1]), make_context(spec))
    _, run = training.run()
    replay = training.state["replay"][1].numpy()
    steps = np.arange(20, 120)
    np.testing.assert_array_equal(replay[steps % 100, :3], run["train_states"][steps])
    np.testing.assert_array_equal(replay[steps % 100, 4], run["train_rewards"][steps])


def test_exploration_falls_with_environment_steps() -> None:
    """ε has decayed as often as steps were taken in all worlds, and the first steps are uniform in
    all of them."""
    numbers = {"epsilon_decay": [0.99], "epsilon": [0.5], "uniform_exploration_steps": [40]}
    series = {"record": ["train_actions"], "total_timesteps": 160, "eval_interval_timesteps": 80}
    for worlds in (1, 8):
        sizes = {"num_worlds": [worlds], "num_search_steps": [1], "num_candidates": [4]}
        spec = deep_spec("epsgreedy_optimizer", sizes | numbers, series)
        run = train(spec, [0])[0]
        assert run["learned_params"]["epsilon"] == pytest.approx(0.5 * 0.99**160, rel=1e-4)
        assert len(np.unique(run["train_actions"][:40])) == 40


@everywhere
def test_compiled_training_follows_eager_training(environment: dict[str, Any]) -> None:
    """Both backends take the same steps in all worlds; they differ by rounding alone."""
    spec = several_spec([WORLDS], environment | {"total_timesteps": 320})
    eager, compiled = (train(spec, [0], context=make_context(spec, b))[0] for b in BACKENDS)
    for name in ("train_states", "train_actions", "train_rewards"):
        np.testing.assert_allclose(compiled[name], eager[name], rtol=1e-3, atol=1e-4)


def test_one_world_is_as_no_word_of_worlds() -> None:
    """A run of one world records nothing of worlds, and ends where its episodes add up to."""
    run = train(several_spec([1, WORLDS]), [0])[0]
    assert "train_episode_ends" not in run
    steps = run["train_episode_steps"].sum() + run["unfinished_episode_steps"]
    assert steps == run["total_timesteps"]


def test_a_recorder_ends_with_the_step_of_a_divergence() -> None:
    """Where one world's reward is no number, the steps of all worlds at that step are the last."""
    recorder = LaneRecorder(num_worlds=2)
    rewards = np.array([[1, 2, 3, np.nan, 5, 6]], np.float32)
    event = {
        "reward": rewards,
        "ended": np.array([[False, True, False, False, False, False]]),
        "learned": np.zeros((1, 3), np.uint8),
        "health": np.array([[0, np.nan, 0]], np.float32),
    }
    recorder.add(lane_event(event, 0))
    assert (recorder.diverged, recorder.num_steps) == (True, 4)
    assert recorder.episodes_from(0) == [(2.0, 1, 2)]


@everywhere
def test_memory_is_counted_for_every_world(environment: dict[str, Any]) -> None:
    """The state of a lane and the worlds on the host are counted as they are, the record and the
    series as bounds."""
    spec = several_spec([WORLDS, 1], environment)
    lanes = [lane_memory(spec, spec.sweep.setting(number)) for number in (0, 1)]
    training = Training(pack_of(spec, [0]), make_context(spec))
    assert sum(tensor.nbytes for tensor in training.state.values()) == lanes[0].state
    assert lanes[0].worlds == WORLDS * lanes[1].worlds
    (run,) = training.run()
    arrays = sum(array.nbytes for _, array in flat_arrays(run))
    assert arrays <= lanes[0].record < 4 * arrays + 20_000
    assert lanes[0].steps > lanes[1].steps


@pytest.mark.slow
def test_replayed_steps_follow_eager_steps() -> None:
    """What a GPU replays of several worlds follows steps taken operation by operation."""
    spec = several_spec([WORLDS], {"total_timesteps": 320})
    training = Training(pack_of(spec, [0, 1]), make_context(spec))
    training.stepper = GraphedStepper(training.program, 128, lambda rehearse, launch: launch)
    for run, eager in zip(training.run(), train(spec, [0, 1]).values(), strict=True):
        for name in ("train_states", "train_actions", "train_rewards"):
            np.testing.assert_allclose(run[name], eager[name], rtol=1e-3, atol=1e-4)


class Moved(Several):
    """Its number of worlds is no static hyperparameter."""

    hyperparameters = (Field("num_worlds", "int", 1, "worlds", minimum=1),)


def test_a_number_of_worlds_that_cannot_be_is_told_in_one_line() -> None:
    """A range of numbers of worlds, a number that is not static, and any number of worlds of an
    agent that acts in one, are refused before anything trains."""
    for agent, values, problem in (
        ("several:Several", {"int": [1, 8]}, "got a range, allowed: listed values"),
        (f"{__name__}:Moved", [1], "num_worlds is not a static int from 1"),
        ("linearAC", [8], "unknown key"),
        ("SAC", [128], "num_worlds 128 with replay_capacity 100, allowed: num_worlds <= "),
    ):
        document = {"agent_name": agent, "parameters": {"num_worlds": values}}
        if agent == "SAC":
            document["parameters"] |= {"replay_capacity": 100, "batch_size": 8}
        if isinstance(values, dict):
            document["search"] = {"method": "random", "capacity": 4}
        with pytest.raises(SpecError, match=problem):
            experiment_spec_of(ENVIRONMENT, document, "test")


@pytest.mark.parametrize(
    ("num_worlds", "key", "steps"),
    [
        ([1, 7], "total_timesteps", 960),
        ([3], "eval_interval_timesteps", 320),
        ([64], "snapshot_interval_timesteps", 96),
    ],
)
def test_steps_are_multiples_of_every_number_of_worlds(
    num_worlds: list[int], key: str, steps: int
) -> None:
    """A spec whose steps cannot be taken by all worlds at once is refused in one line."""
    with pytest.raises(SpecError, match=f"got {num_worlds[-1]}, of which {key}, {steps}, is no"):
        several_spec(num_worlds, {key: steps})


def test_there_are_no_more_worlds_than_records_may_have() -> None:
    """Of an agent of one's own either, however its steps divide."""
    with pytest.raises(SpecError, match="got 8192, allowed: 1 to 4096"):
        several_spec([8192], {"total_timesteps": 8192})


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_search_draws_numbers_of_worlds_that_divide_all_steps(
    method: str, tmp_path: Path
) -> None:
    """A search that may draw a number of worlds which cannot take the steps is refused as a grid
    is; of the others it draws each, and every setting trains for all its steps."""

    def searched(num_worlds: dict[str, list[int]]) -> ExperimentSpec:
        parameters = {"num_worlds": num_worlds, "lr": {"loguniform": [0.01, 0.1]}}
        search = {"method": method, "capacity": 20}
        agent = {"agent_name": "several:Several", "parameters": parameters, "search": search}
        return experiment_spec_of(ENVIRONMENT, agent, "test")

    with pytest.raises(SpecError, match="got 7, of which total_timesteps, 960, is no multiple"):
        searched({"choice": [1, 7]})
    spec = searched({"choice": [2, 5]})
    if method == "bayes":
        spec = with_suggested_settings(spec, experiment_in(tmp_path, spec), range(20), 0)
    drawn = {spec.sweep.setting(number)["num_worlds"]: number for number in range(20)}
    assert set(drawn) == {2, 5}
    for number in drawn.values():
        run = train(spec, [number])[number]
        assert run["total_timesteps"] == ENVIRONMENT["total_timesteps"]
        assert run["timesteps_at_eval"].tolist() == [0, 320, 640, 960]
