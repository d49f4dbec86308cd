"""Several updates after a step: their noise, their blocks, their records, and the same bits."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agents.deep_runs import deep_spec
from checkpoints import attempt, experiment_in
from packs import BACKENDS, beside_neighbours, pack_of, run_of_same_bits, small_spec, train

from nthrun.agents.base import Experience, Noise
from nthrun.agents.random_agent.program import RandomAgent
from nthrun.agents.sac.program import SoftActorCritic
from nthrun.agents.updates import updates_of
from nthrun.errors import ContractError, InterruptedRunError
from nthrun.index import Purpose
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.planning.memory_estimate import lane_memory
from nthrun.records.schema import Run, first_difference
from nthrun.training.block_updates import BlockUpdates, permuted_steps
from nthrun.training.context import make_context
from nthrun.training.loop import Training
from nthrun.training.noise import STEP_PURPOSES, Streams
from nthrun.training.recording import LaneRecorder, block_event, lane_event
from nthrun.training.steppers.graphed import GraphedStepper, Replay

ALL_SERIES = ["update_states", "update_next_states", "train_rewards", "metrics", "eval_states"]
PENDULUM = {"env_name": "Pendulum-v1", "steps_per_episode": 50, "eval_episodes": 1}
HOSTED = {"platform": "gymnasium"}
FAMILIES = ("SAC", "GreedyAC", "GreedyACNoEntReg", "VAC", "FKL", "epsgreedy", "epsgreedy_SGD")
SIZES = {Purpose.ENVIRONMENT: 2, Purpose.AGENT: 3, Purpose.REPLAY: 0}
UPDATE_SIZES = {Purpose.ENVIRONMENT: 0, Purpose.AGENT: 5, Purpose.REPLAY: 4}


def called(rehearse: Replay, launch: Replay) -> Replay:
    """The launches themselves, where there is no graph."""
    return launch


def repeated(updates: int, environment: dict[str, Any], **parameters: Any) -> ExperimentSpec:
    """Small SAC with so many updates a step."""
    return small_spec(
        {"record": ALL_SERIES} | environment,
        {"updates_per_step": [updates]} | {name: [value] for name, value in parameters.items()},
    )


OTHERS = [(4, "compile"), (32, "eager")]


@pytest.mark.parametrize(
    ("updates", "backend"),
    [(4, "eager"), (32, "compile"), *(pytest.param(*c, marks=pytest.mark.slow) for c in OTHERS)],
)
def test_an_index_has_the_same_bits_alone_and_in_a_pack(updates: int, backend: str) -> None:
    """However many updates follow a step, every bit of a record is the same in every pack."""
    spec = repeated(updates, {"total_timesteps": 24, "eval_interval_timesteps": 12})
    run_of_same_bits(spec, 7, beside_neighbours(7, (2, 9)), backend)


@pytest.mark.parametrize("agent", FAMILIES)
def test_every_family_updates_several_times(agent: str) -> None:
    """Each agent that learns from replay records a row of metrics for each of its updates, and has
    the same bits in a pack."""
    spec = deep_spec(
        agent,
        {"updates_per_step": [3], "steps_before_learning": [5]},
        {"total_timesteps": 12, "eval_interval_timesteps": 12, "record": ["metrics"]},
    )
    runs = train(spec, [0, 1])
    assert {values.shape for values in runs[1]["metrics"].values()} == {(21,)}
    assert first_difference(train(spec, [1])[1], runs[1]) is None
    said = updates_of(Training(pack_of(spec, [0]), make_context(spec)).program.agent)
    layout = spec.agent.declaration.layout(spec.sweep.setting(0), spec.environment.interface)
    assert (layout.max_updates, layout.num_update_draws) == (3, said.num_draws)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_continues_between_any_two_blocks(tmp_path: Path, backend: str) -> None:
    """Interrupted after every block, packed otherwise each time, a run has every bit of an
    undisturbed one."""
    spec = repeated(
        32,
        {
            "total_timesteps": 21,
            "eval_interval_timesteps": 10,
            "checkpoint_interval_seconds": 1e-9,
        },
        steps_before_learning=3,
    )
    experiment = experiment_in(tmp_path, spec)
    for number in range(6):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, [0, 1] if number % 2 else [1, 2], 1, backend)
            attempt(spec, experiment, [1], 1, backend)
    (run,) = attempt(spec, experiment, [1], None, backend)
    context = make_context(spec, backend)
    assert len(run["provenance"]["attempts"]) > 3
    assert first_difference(train(spec, [1], context=context)[1], run) is None


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{}, HOSTED], ids=["tensors", "hosted"])
def test_compiled_training_follows_eager_training(environment: dict[str, Any]) -> None:
    """Both backends compute the same updates, in an environment of tensors and in one on the host;
    they differ by rounding alone."""
    parameters = {"hidden_dim": [16], "batch_size": [8], "replay_capacity": [50]}
    protocol = {"total_timesteps": 20, "eval_interval_timesteps": 20, "record": ALL_SERIES}
    parameters |= {"updates_per_step": [3], "steps_before_learning": [2]}
    spec = experiment_spec_of(
        PENDULUM | protocol | environment, {"agent_name": "SAC", "parameters": parameters}, "test"
    )
    eager = train(spec, [0, 1])[1]
    compiled = train(spec, [0, 1], context=make_context(spec, "compile"))[1]
    assert compiled["update_indices"].shape == (54, 8)
    np.testing.assert_array_equal(compiled["update_indices"], eager["update_indices"])
    for name, series in eager["metrics"].items():
        assert series.shape == (54,)
        np.testing.assert_allclose(compiled["metrics"][name], series, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_index_on_the_host_has_the_same_bits_in_every_pack(backend: str) -> None:
    """The same of worlds on the host."""
    protocol = {"total_timesteps": 16, "eval_interval_timesteps": 8, "record": ALL_SERIES}
    parameters = {"updates_per_step": [5], "hidden_dim": [16], "critic_lr": [0.01, 0.001]}
    agent = {"agent_name": "SAC", "parameters": parameters}
    spec = experiment_spec_of(PENDULUM | protocol | HOSTED, agent, "test")
    assert spec.environment.declaration.on_host
    run_of_same_bits(spec, 7, beside_neighbours(7, (3,)), backend)


def steps_of(record: ExperimentSpec, stepper: str) -> tuple[Run, Run]:
    """The first two runs of a spec, by a stepper."""
    backend = "compile" if stepper == "compile" else "eager"
    training = Training(pack_of(record, [0, 1]), make_context(record, backend))
    if stepper == "graphed":
        training.stepper = GraphedStepper(training.program, 128, called)
    one, two = training.run()
    return one, two


@pytest.mark.parametrize(
    ("world", "stepper"),
    [
        ({}, "eager"),
        ({}, "compile"),
        pytest.param({}, "graphed", marks=pytest.mark.slow),
        (HOSTED, "eager"),
        (HOSTED, "compile"),
    ],
)
def test_every_update_is_given_what_is_its_own(world: dict[str, Any], stepper: str) -> None:
    """An agent of a user's own gets its updates in order, by every stepper: each with its number,
    the step that it follows, numbers of its own, and stored steps up to then."""
    protocol = PENDULUM | {"total_timesteps": 150, "steps_per_episode": 20}
    protocol |= {"eval_interval_timesteps": 50, "record": ["metrics", "update_rewards"]}
    agent = {"agent_name": "counting:Counting", "parameters": {}}
    one, two = steps_of(experiment_spec_of(protocol | world, agent, "test"), stepper)
    counts = np.arange(150) % 5
    metrics, steps = two["metrics"], np.repeat(np.arange(150), counts)
    assert len(steps) == 300
    np.testing.assert_array_equal(metrics["count"], np.arange(1, 301))
    np.testing.assert_array_equal(metrics["step"], steps)
    np.testing.assert_array_equal(metrics["number"][:10], [0, 0, 1, 0, 1, 2, 0, 1, 2, 3])
    np.testing.assert_array_equal(metrics["reward"], two["train_rewards"][steps])
    np.testing.assert_array_equal(metrics["ended"], (steps + 1) % 20 == 0)
    np.testing.assert_array_equal(metrics["row"], two["update_indices"][:, 2])
    assert (two["update_indices"] <= steps[:, None]).all()
    assert (two["update_indices"] > steps[:, None] - 10).all()
    assert len(np.unique([metrics["normal"], one["metrics"]["normal"]])) == 600


@pytest.mark.parametrize(
    ("world", "stepper"),
    [
        ({}, "eager"),
        ({}, "compile"),
        pytest.param({}, "graphed", marks=pytest.mark.slow),
        (HOSTED, "eager"),
        (HOSTED, "compile"),
    ],
)
def test_an_agent_gathers_before_whole_epochs(world: dict[str, Any], stepper: str) -> None:
    """An agent that learns from rollouts is told of every end, gathers once after each rollout and
    before its updates, and goes through all of its steps in a new order in every epoch."""
    protocol = PENDULUM | {"total_timesteps": 45, "steps_per_episode": 4}
    protocol |= {"eval_interval_timesteps": 15, "record": ["metrics", "update_rewards"]}
    agent = {"agent_name": "counting:Gathering", "parameters": {}}
    one, two = steps_of(experiment_spec_of(protocol | world, agent, "test"), stepper)
    metrics, steps = two["metrics"], np.repeat([9, 19, 29, 39], 4)
    np.testing.assert_array_equal(metrics["step"], steps)
    np.testing.assert_array_equal(metrics["number"], np.tile(range(4), 4))
    np.testing.assert_array_equal(metrics["gathered"], steps + 1000 * np.repeat([0, 4, 8, 12], 4))
    np.testing.assert_array_equal(metrics["ends"], (steps + 1) // 4)
    epochs = two["update_indices"].reshape(4, 2, 10)
    whole = np.arange(40).reshape(4, 1, 10).repeat(2, 1)
    np.testing.assert_array_equal(np.sort(epochs, -1), whole)
    orders = {
        tuple(order % 10) for run in (one, two) for order in run["update_indices"].reshape(8, 10)
    }
    assert len(orders) == 16


def test_epochs_do_not_depend_on_blocks(tmp_path: Path) -> None:
    """Interrupted within a rollout and right after it, an agent that learns from rollouts has every
    bit of an undisturbed one."""
    protocol = PENDULUM | {"total_timesteps": 45, "eval_interval_timesteps": 9}
    protocol |= {"checkpoint_interval_seconds": 1e-9, "record": ["metrics", "update_rewards"]}
    agent = {"agent_name": "counting:Gathering", "parameters": {}}
    spec = experiment_spec_of(protocol, agent, "test")
    experiment = experiment_in(tmp_path, spec)
    for _ in range(4):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, [0, 1], 1, "eager")
    run, _ = attempt(spec, experiment, [0, 1], None, "eager")
    assert len(run["provenance"]["attempts"]) == 5
    assert first_difference(train(spec, [0])[0], run) is None


def test_an_order_is_that_of_uniform_numbers() -> None:
    """Steps of an epoch come in the order of their uniform numbers, the first of equals first."""
    uniform = np.array([0.5, 0.1, 0.9, 0.1, 0.8, 0.0, 0.7, 0.3]).reshape(1, 4, 2)
    steps = permuted_steps(uniform, np.array([7, 7, 11, 11]), 4)
    assert steps.tolist() == [[[5, 7], [4, 6], [9, 11], [10, 8]]]


@pytest.mark.parametrize("batch", [4, 7])
def test_updates_that_are_no_whole_epochs_are_refused(batch: int) -> None:
    """A class whose updates leave a part of an epoch over is told so before it trains."""
    protocol = PENDULUM | {"total_timesteps": 10, "steps_per_episode": 5}
    agent = {"agent_name": "counting:Gathering", "parameters": {"batch": [batch]}}
    spec = experiment_spec_of(protocol, agent, "test")
    problem = f"4 updates of {batch} permuted steps follow step 9, allowed: whole epochs"
    with pytest.raises(ContractError, match=problem):
        Training(pack_of(spec, [0]), make_context(spec)).run()


@pytest.mark.parametrize("most", [3, 0])
def test_what_an_own_class_says_of_its_updates_is_checked(most: int) -> None:
    """A class that says less of its updates than it takes is told so before it trains."""
    protocol = PENDULUM | {"total_timesteps": 10, "steps_per_episode": 5}
    agent = {"agent_name": "counting:Counting", "parameters": {"most": [most]}}
    spec = experiment_spec_of(protocol, agent, "test")
    with pytest.raises(
        ContractError, match=r"Counting: .*(max_updates|num_updates_after\(\d\)) is"
    ):
        Training(pack_of(spec, [0]), make_context(spec)).run()


def test_two_updates_are_two_updates_on_the_same_rows() -> None:
    """A step with two updates leaves what the step alone and then two updates by hand leave, with
    the numbers that the streams give next: those of the step, then those of each update."""
    training = Training(pack_of(spec := repeated(2, {}), [1, 4]), context=make_context(spec))
    training.train_block(20)
    state, program = copy.deepcopy(training.state), training.program
    draws, later = copy.deepcopy(training.streams).draw_with_updates(np.array([2]))
    training.train_block(21)

    step = torch.tensor(20)
    program.step(state, program.noise(draws, 20, "cpu").step(0), step, 0)
    for number in range(2):
        uniform = later[Purpose.REPLAY][:, number]
        rows = torch.from_numpy(np.minimum((uniform * 21).astype(np.int64), 20))
        normal = torch.from_numpy(later[Purpose.AGENT][:, number])
        batch = state["replay"][torch.arange(2)[:, None], rows % 100]
        s, a, r, s2, d = batch.split(program.agent.widths, -1)  # type: ignore[attr-defined]
        learn = program.agent.learn  # type: ignore[attr-defined]
        with torch.no_grad():
            a = program.agent.actions.to_unit(a)  # type: ignore[attr-defined]
            learn(state, Experience(s, a, r, s2, d), normal, torch.tensor(40 + number))
    for name, tensor in state.items():
        assert torch.equal(tensor, training.state[name]), name


def test_targets_move_at_every_so_many_updates() -> None:
    """The interval of the targets counts updates, also within a step."""
    training = Training(
        pack_of(spec := repeated(4, {}, target_update_interval=3), [0]), make_context(spec)
    )
    seen: list[int] = []
    agent: Any = training.program.agent
    learn = agent.learn

    def watched(state: Any, batch: Any, normal: Any, count: torch.Tensor) -> Any:
        before = state["target_critic"].clone()
        metrics = learn(state, batch, normal, count)
        seen.append(int(not torch.equal(before, state["target_critic"])))
        return metrics

    agent.learn = watched
    training.train_block(6)
    assert seen == [1, 0, 0] * 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("updates", "first", "ends"),
    [
        (1, 0, [100, 128, 200, 256, 300]),
        (32, 0, [4, 8, 12, 16, 20, 24]),
        (5, 10, [36, 62, 88, 100, 126, 128, 154]),
    ],
)
def test_blocks_end_after_128_updates(updates: int, first: int, ends: list[int]) -> None:
    """A block ends with the step by which 128 updates have been taken, where neither an evaluation
    nor 128 steps end it before."""
    training = Training(
        pack_of(spec := repeated(updates, {}, steps_before_learning=first), [0]),
        make_context(spec),
    )
    found = []
    for _ in ends:
        training.train_block(training._block_end())
        found.append(training.step)
    assert found == ends


def test_numbers_drawn_do_not_depend_on_blocks() -> None:
    """Each stream gives the numbers of a step, then those of its updates one after the other,
    however many steps are drawn at a time."""
    counts = np.array([0, 2, 2, 0, 1, 3])
    streams = Streams([3, 4], SIZES, UPDATE_SIZES)
    parts = [streams.draw_with_updates(part) for part in np.split(counts, [1, 2, 5])]
    steps, updates = Streams([3, 4], SIZES, UPDATE_SIZES).draw_with_updates(counts)
    flat = Streams([3, 4], dict.fromkeys(STEP_PURPOSES, 1))
    for purpose in STEP_PURPOSES:
        joined = [np.concatenate([part[which][purpose] for part in parts], 1) for which in (0, 1)]
        assert np.array_equal(joined[0], steps[purpose])
        assert np.array_equal(joined[1], updates[purpose])
        assert updates[purpose].shape == (2, 8, UPDATE_SIZES[purpose])
    series = flat.draw(6 * 3 + 8 * 5)[Purpose.AGENT][..., 0]
    assert np.array_equal(series[:, :6], steps[Purpose.AGENT][:, :2].reshape(2, 6))
    assert np.array_equal(series[:, 6:16], updates[Purpose.AGENT][:, :2].reshape(2, 10))
    assert np.array_equal(series[:, 16:19], steps[Purpose.AGENT][:, 2])


def test_updates_of_a_block_know_their_step_and_number() -> None:
    """Updates are numbered within their step, from 0, and keep the number of the step they follow
    when a block is cut."""
    noise: Any = training_noise(7)
    updates = BlockUpdates(np.array([0, 3, 1, 0, 3]), noise)
    assert updates.steps(10).tolist() == [11, 11, 11, 12, 14, 14, 14]
    assert updates.numbers().tolist() == [0, 1, 2, 0, 0, 1, 2]
    late = updates.of_steps(2, 5)
    assert late.steps(12).tolist() == [12, 14, 14, 14]
    assert torch.equal(late.noise.agent, noise.agent[:, 3:])
    assert [one.numbers().tolist() for one in updates.each_step()][1] == [0, 1, 2]


def training_noise(num_updates: int) -> Any:
    """Noise of updates of one lane, each with its own number."""
    numbers = torch.arange(num_updates).view(1, -1, 1)
    nothing = torch.zeros(1, num_updates, 0)
    return Noise(nothing, nothing, nothing, numbers.float(), numbers)


@pytest.mark.parametrize(
    ("sick", "num_steps", "num_updates"),
    [(None, 5, 6), (0, 2, 2), (1, 2, 2), (2, 4, 5), (4, 4, 5), (5, 5, 6)],
)
def test_a_step_is_sick_if_any_of_its_updates_is(
    sick: int | None, num_steps: int, num_updates: int
) -> None:
    """A run ends with the step one of whose updates had a metric that is not finite, and keeps the
    rows of all updates up to that step's last."""
    counts = np.array([0, 2, 0, 3, 1])
    loss = torch.arange(6.0)
    if sick is not None:
        loss[sick] = torch.inf
    block = {"reward": torch.zeros(1, 5, 1), "ended": torch.zeros(1, 5, 1, dtype=torch.bool)}
    event = block_event({**block, "metrics/loss": loss[None]}, counts, frozenset({"metrics"}))
    recorder = LaneRecorder()
    recorder.add(lane_event(event, 0))
    assert event["learned"].tolist() == [[0, 2, 0, 3, 1]]
    assert recorder.num_steps == num_steps
    assert recorder.diverged is (sick is not None)
    assert len(np.concatenate(recorder._series["metrics/loss"])) == num_updates


class Before(RandomAgent):
    """An agent that says no more than whether it learns."""

    def learns_at(self, step: int) -> bool:
        return step % 3 == 0


class Later(Before):
    """One derived from it that counts."""

    def num_updates_after(self, step: int) -> int:
        return 1


def agent_of(kind: type, **attributes: Any) -> Any:
    """An agent of a class, made without its specs."""
    made = object.__new__(kind)
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def test_learns_at_alone_is_one_update() -> None:
    """Where a class has `learns_at` alone, or beside `num_updates_after` of a class it is derived
    from, one update follows where that says so."""
    assert [updates_of(agent_of(Before)).after(step) for step in range(4)] == [1, 0, 0, 1]
    assert [updates_of(agent_of(Later)).after(step) for step in range(4)] == [1, 1, 1, 1]
    own = agent_of(SoftActorCritic, learns_at=lambda step: step > 1, max_updates=1)
    assert [updates_of(own).after(step) for step in range(4)] == [0, 0, 1, 1]


@pytest.mark.parametrize("said", [-1, 3, 1.0, None, "1"])
def test_a_number_of_updates_is_within_its_bounds(said: Any) -> None:
    """An agent that says another number of updates than it may is told so in one line."""
    agent = agent_of(RandomAgent, num_updates_after=lambda step: said, max_updates=2)
    with pytest.raises(ContractError, match=r"num_updates_after\(7\) is .*, allowed: an int from"):
        updates_of(agent).after(7)
    if said != 3:
        with pytest.raises(ContractError, match=r"RandomAgent: max_updates is .*, allowed: an int"):
            updates_of(agent_of(RandomAgent, max_updates=said))


def test_memory_counts_updates() -> None:
    """What a lane is taken to hold of a run grows with its updates: series by all of them, the
    noise of a block by no more than a block of them."""
    specs = [repeated(updates, {"record": ["metrics"]}) for updates in (1, 2, 32)]
    one, two, many = (lane_memory(spec, spec.sweep.setting(0)) for spec in specs)
    assert many.series - one.series > 300 * 31 * 3 * 4
    assert two.steps < many.steps < 3 * one.steps


def test_a_setting_of_before_has_the_default() -> None:
    """A setting that was written before there was a hyperparameter has its default; a record of
    then is no other than one of today."""
    spec = small_spec({"total_timesteps": 20})
    (run,) = train(spec, [3]).values()
    before = {k: value for k, value in run["agent_params"].items() if k != "updates_per_step"}
    assert spec.agent.as_setting(before) == spec.sweep.setting(3)
    old = type(run)({**run, "agent_params": before})
    assert first_difference(old, run) is None
    other = type(run)({**run, "agent_params": {**before, "critic_lr": 0.5}})
    assert first_difference(other, run) == "agent_params"
