"""Interruption inside one process: checkpoints continue a run bit for bit."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import checkpoints
import packs
import pytest
import torch
from checkpoints import experiment_in, stopped_at
from packs import pack_of, small_spec

from nthrun.errors import InterruptedRunError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import Pack, packs_of_runs, plan_run
from nthrun.records.durable_file import block_size, read_checksummed, write_checksummed
from nthrun.records.experiment import Experiment
from nthrun.records.schema import Run, first_difference
from nthrun.specs.environment_spec import SERIES
from nthrun.training.checkpoint_index import CheckpointFile, drop_checkpoints, find_checkpoints
from nthrun.training.checkpoints import load_lanes
from nthrun.training.context import TrainingContext, make_context
from nthrun.training.loop import Training
from nthrun.training.pack_training import trained

PROTOCOL = {
    "total_timesteps": 1000,
    "record": list(SERIES),
    "checkpoint_interval_seconds": 1e-9,
}
attempt = partial(checkpoints.attempt, backend="compile")


def native(spec: ExperimentSpec) -> TrainingContext:
    """The context of native code, which is quicker than torch's operations one by one."""
    return make_context(spec, "compile")


def train(spec: ExperimentSpec, indices: list[int]) -> dict[int, Run]:
    """Index -> record of one pack that nothing disturbs."""
    return packs.train(spec, indices, context=native(spec))


@pytest.mark.parametrize(
    ("replay_capacity", "backend"),
    [
        (40, "compile"),
        pytest.param(150, "compile", marks=pytest.mark.slow),
        (5000, "compile"),
        pytest.param(40, "eager", marks=pytest.mark.slow),
        pytest.param(5000, "eager", marks=pytest.mark.slow),
    ],
)
def test_interrupted_and_repacked_runs_have_the_same_bits(
    tmp_path: Path, replay_capacity: int, backend: str
) -> None:
    """Runs interrupted several times, each time packed otherwise, end as undisturbed ones:
    every array equal, every attempt begun where the last checkpoint stood."""
    protocol = PROTOCOL | {"total_timesteps": 500, "eval_interval_timesteps": 50}
    spec = small_spec(protocol, {"replay_capacity": [replay_capacity]})
    experiment = experiment_in(tmp_path, spec)
    for indices, steps in (([0, 1, 2], 150), ([1, 8], 50), ([0, 1, 2, 8], 100), ([1], 70)):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, indices, steps, backend=backend)
    final = attempt(spec, experiment, [0, 1, 2, 8], None, backend=backend)
    runs = {run["index"]: run for run in final}
    undisturbed = packs.train(spec, [0, 1, 2, 8], context=make_context(spec, backend))
    for index, run in runs.items():
        assert first_difference(run, undisturbed[index]) is None, index
        assert run.keys() == undisturbed[index].keys()
    began = [a["step"] for a in runs[1]["provenance"]["attempts"]]
    assert began == [0, 150, 200, 300]


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(0, marks=pytest.mark.slow),
        70,
        pytest.param(5000, marks=pytest.mark.slow),
    ],
)
def test_an_unfinished_episode_goes_on(tmp_path: Path, limit: int) -> None:
    """Of a run that was interrupted within episodes, and packed otherwise each time, the episode
    that its end cuts off has the steps and the reward of an undisturbed run, to the bit."""
    protocol = PROTOCOL | {"total_timesteps": 600, "steps_per_episode": limit, "record": []}
    spec = small_spec(protocol | {"eval_episodes": 0})
    experiment = experiment_in(tmp_path, spec)
    for indices, steps in (([0, 1], 200), ([1, 8], 100), ([0, 1, 8], 150)):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, indices, steps)
    undisturbed = train(spec, [0, 1, 8])
    left = 600 % limit if limit else 600
    for run in attempt(spec, experiment, [0, 1, 8], None):
        assert run["unfinished_episode_steps"] == left
        expected = undisturbed[run["index"]]["unfinished_episode_reward"]
        assert run["unfinished_episode_reward"].hex() == expected.hex()


def interrupted(tmp_path: Path, spec: ExperimentSpec) -> tuple[Experiment, list[Path]]:
    """An experiment with index 0 interrupted after at least two checkpoints, and their files."""
    experiment = experiment_in(tmp_path, spec)
    with pytest.raises(InterruptedRunError):
        attempt(spec, experiment, [0], 400)
    return experiment, sorted(experiment.checkpoints.glob("*/*.ckpt"))


def found_step(spec: ExperimentSpec, experiment: Experiment) -> tuple[int, list[str]]:
    """Where index 0 would continue, and what is said of checkpoints that cannot be used."""
    context = replace(native(spec), experiment=experiment)
    found, refused = find_checkpoints(experiment.checkpoints, 0, [0], context.facts())
    return (found[0].step if 0 in found else 0), refused


def test_two_generations_are_kept_and_the_older_one_serves(tmp_path: Path) -> None:
    """A damaged newest checkpoint is named, and the run continues from the one before."""
    spec = small_spec(PROTOCOL)
    experiment, files = interrupted(tmp_path, spec)
    assert len(files) == 2
    content = bytearray(files[1].read_bytes())
    content[-100] ^= 4
    files[1].write_bytes(content)
    step, refused = found_step(spec, experiment)
    assert step == int(files[0].stem.removeprefix("state-"))
    assert len(refused) == 1
    assert files[1].name in refused[0]
    (run,) = attempt(spec, experiment, [0], None) if not refused else _train_from(spec, experiment)
    assert first_difference(run, train(spec, [0])[0]) is None


def _train_from(spec: ExperimentSpec, experiment: Experiment) -> list[Run]:
    context = replace(native(spec), experiment=experiment)
    found, _ = find_checkpoints(experiment.checkpoints, 0, [0], context.facts())
    (pack,) = packs_of_runs([plan_run(spec, 0, 0, found[0].step)], [], 1)
    pack = Pack(pack.runs, pack_of(spec, [0]).statics)
    return Training(pack, context, found).run()


@pytest.mark.parametrize("damage", ["tensors", "streams"])
def test_nonsense_behind_a_checksum_starts_anew(tmp_path: Path, damage: str) -> None:
    """A checkpoint whose checksum is right and whose content is no state of a run is named, and the
    run is trained from step 0."""
    spec = small_spec(PROTOCOL)
    experiment, files = interrupted(tmp_path, spec)
    for path in files:
        header, content = read_checksummed(path)
        if damage == "tensors":
            content = b"nonsense"
        else:
            content = content[block_size(content) :]
            header["lanes"][0]["streams"] = {"agent": {}}
        write_checksummed(path, header, partial(_same, content))
    notes: list[str] = []
    told = replace(native(spec), report=lambda news: notes.append(str(news)))
    context = replace(told, experiment=experiment)
    found, refused = find_checkpoints(experiment.checkpoints, 0, [0], context.facts())
    assert (0 in found) == (damage == "tensors")
    if found:
        (pack,) = packs_of_runs([plan_run(spec, 0, 0, found[0].step)], [], 1)
        (run,) = trained(Pack(pack.runs, pack_of(spec, [0]).statics), context, found)
        assert first_difference(run, train(spec, [0])[0]) is None
        refused = [note for note in notes if "its runs start from step 0" in note]
    assert any(str(files[-1]) in line for line in refused)


def _same(content: bytes, _: object) -> bytes:
    return content


@pytest.mark.parametrize("name", ["series.log", "replay-0.log"])
def test_a_damaged_log_is_found(tmp_path: Path, name: str) -> None:
    """A flipped bit in a log makes the checkpoints that refer to it unusable, and says so."""
    spec = small_spec(PROTOCOL, {"replay_capacity": [5000]})
    experiment, files = interrupted(tmp_path, spec)
    log = files[0].parent / name
    content = bytearray(log.read_bytes())
    content[20] ^= 1
    log.write_bytes(content)
    step, refused = found_step(spec, experiment)
    assert step == 0
    assert refused
    assert all(name in line for line in refused)


def test_what_an_interruption_left_behind_a_log_is_ignored(tmp_path: Path) -> None:
    """Bytes behind the position a checkpoint refers to do not matter."""
    spec = small_spec(PROTOCOL)
    experiment, files = interrupted(tmp_path, spec)
    for log in files[0].parent.glob("*.log"):
        log.write_bytes(log.read_bytes() + b"half a frame")
    step, refused = found_step(spec, experiment)
    assert step == int(files[1].stem.removeprefix("state-"))
    assert not refused


def test_a_checkpoint_of_other_code_is_refused(tmp_path: Path) -> None:
    """A checkpoint made by other code, versions or processor starts its run anew, saying so."""
    spec = small_spec(PROTOCOL)
    experiment, _ = interrupted(tmp_path, spec)
    context = replace(native(spec), experiment=experiment)
    facts = context.facts() | {"code": "another"}
    found, refused = find_checkpoints(experiment.checkpoints, 0, [0], facts)
    assert not found
    assert all("made with other code; its runs start from step 0" in line for line in refused)


def test_any_lane_can_be_read_alone(tmp_path: Path) -> None:
    """One lane of a pack's checkpoint is read without its neighbours."""
    spec = small_spec(PROTOCOL)
    experiment = experiment_in(tmp_path, spec)
    with pytest.raises(InterruptedRunError):
        attempt(spec, experiment, [0, 1, 2], 200)
    path = sorted(experiment.checkpoints.glob("*/*.ckpt"))[-1]
    file = CheckpointFile(path, int(path.stem.removeprefix("state-")), (0, 1, 2))
    (lane,) = load_lanes(file, [1], 100).values()
    assert lane.progress.index == 1
    assert lane.tensors["replay"].shape == (100, 9)
    assert lane.tensors["log_alpha"].shape == (1,)


def test_checkpoints_go_when_their_runs_are_recorded(tmp_path: Path) -> None:
    """A checkpoint is deleted once all its indices have later records, not before."""
    later = time.time() + 1000
    spec = small_spec(PROTOCOL)
    experiment = experiment_in(tmp_path, spec)
    with pytest.raises(InterruptedRunError):
        attempt(spec, experiment, [0, 1], 200)
    drop_checkpoints(experiment.checkpoints, 0, {0: later, 1: -1.0}.__getitem__)
    assert list(experiment.checkpoints.iterdir())
    drop_checkpoints(experiment.checkpoints, 0, {0: later, 1: later - 1e6}.__getitem__)
    assert list(experiment.checkpoints.iterdir())
    drop_checkpoints(experiment.checkpoints, 0, {0: later, 1: later}.__getitem__)
    assert not list(experiment.checkpoints.iterdir())


def test_the_cost_of_a_checkpoint_does_not_grow_with_the_replay(tmp_path: Path) -> None:
    """Each checkpoint writes only the replay rows that are new, and old ones are dropped."""
    spec = small_spec(
        {"total_timesteps": 1200, "checkpoint_interval_seconds": 1e-9}, {"replay_capacity": [100]}
    )
    experiment = experiment_in(tmp_path, spec)
    with pytest.raises(InterruptedRunError):
        attempt(spec, experiment, [0], 1100)
    logs = list(experiment.checkpoints.glob("*/replay-*.log"))
    rows = sum(log.stat().st_size for log in logs) / (9 * 4)
    assert len(logs) <= 4
    assert rows < 8 * 100


@pytest.mark.slow
def test_parameters_found_non_finite_survive_interruption(tmp_path: Path) -> None:
    """A run that is found diverged at an evaluation, before any number it showed was non-finite,
    ends with the same record when it is interrupted after that."""

    def spoil(state: dict[str, torch.Tensor], step: int) -> None:
        if step == 300:
            state["log_alpha"][1] = float("inf")

    spec = small_spec(PROTOCOL | {"record": ["train_rewards"]})
    experiment = experiment_in(tmp_path, spec)
    context = replace(native(spec), on_step=spoil)
    undisturbed = Training(pack_of(spec, [0, 1]), context).run()
    context = stopped_at(replace(context, experiment=experiment), 2 * 500)
    with pytest.raises(InterruptedRunError):
        Training(pack_of(spec, [0, 1]), context).run()
    runs = attempt(spec, experiment, [0, 1], None)
    assert [run["status"] for run in runs] == ["completed", "diverged"]
    assert runs[1]["total_timesteps"] == 300
    assert runs[1]["timesteps_at_eval"].tolist() == [0, 100, 200]
    for run, expected in zip(runs, undisturbed, strict=True):
        assert first_difference(run, expected) is None


def test_a_diverged_lane_survives_interruption(tmp_path: Path) -> None:
    """A run that diverged before an interruption ends with the record it would have had."""
    parameters = {"critic_lr": [0.001, 1e38], "alpha": [0.1]}
    spec = small_spec(PROTOCOL | {"record": ["train_rewards"]}, parameters)
    experiment = experiment_in(tmp_path, spec)
    with pytest.raises(InterruptedRunError):
        attempt(spec, experiment, [0, 1], 500)
    runs = attempt(spec, experiment, [0, 1], None)
    undisturbed = train(spec, [0, 1])
    assert [run["status"] for run in runs] == ["completed", "diverged"]
    for run in runs:
        assert first_difference(run, undisturbed[run["index"]]) is None
