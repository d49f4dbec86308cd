"""How long runs take: told by records, the cluster spec, or an assumption, in that order."""

from __future__ import annotations

from pathlib import Path

import pytest
from agents.solver_runs import solver_spec
from builders import make_run
from packs import small_spec
from plans import SPEC, make_cluster, own_experiment

from nthrun.agents.registry import agent_footprint
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.experiment import Experiment
from nthrun.scheduling import run_time
from nthrun.scheduling.run_time import (
    MARGIN,
    START_SECONDS,
    estimate_run_times,
    statics_of,
    usable_seconds,
)

WIDTHS = small_spec(parameters={"hidden_dim": [16, 256]})


def record(
    experiment: Experiment, spec: ExperimentSpec, index: int, seconds: float, **changes: object
) -> None:
    """Record a run that took a time, a quarter of it evaluating."""
    setting, run = spec.sweep.locate(index)
    times = {"train_time": 0.75 * seconds, "eval_time": 0.25 * seconds}
    experiment.write(0, [make_run(index, setting, run, **times | changes)])


def seconds_of(spec: ExperimentSpec, number: int, times: run_time.RunTimes) -> float:
    """What a run of a setting is taken to take."""
    return times.seconds(spec.sweep.setting(number))


def test_records_tell(tmp_path: Path) -> None:
    """With records, a run takes their mean with a margin, training and evaluation together."""
    experiment = own_experiment(tmp_path)
    record(experiment, SPEC, 0, 10.0)
    record(experiment, SPEC, 7, 20.0)
    times = estimate_run_times(SPEC, make_cluster(sequential=3), experiment, "eager")
    assert seconds_of(SPEC, 3, times) == pytest.approx(MARGIN * 15.0)
    assert times.source == "2 records"


def test_records_tell_of_their_own_kind(tmp_path: Path) -> None:
    """Runs of other static hyperparameters take as long as their own records say; those without
    any as long as the slowest kind."""
    spec = small_spec(parameters={"hidden_dim": [16, 256, 512]})
    experiment = own_experiment(tmp_path, spec)
    kinds = {spec.sweep.setting(n)["hidden_dim"]: n for n in range(spec.sweep.num_settings)}
    record(experiment, spec, kinds[16], 10.0)
    record(experiment, spec, kinds[256], 40.0)
    times = estimate_run_times(spec, make_cluster(), experiment, "eager")
    expected = {16: 10.0, 256: 40.0, 512: 40.0}
    found = {kind: seconds_of(spec, number, times) for kind, number in kinds.items()}
    assert found == pytest.approx({kind: MARGIN * value for kind, value in expected.items()})


def test_only_completed_runs_tell(tmp_path: Path) -> None:
    """A run that failed or diverged early says nothing of how long one takes."""
    experiment = own_experiment(tmp_path)
    record(experiment, SPEC, 0, 0.1, status="failed")
    record(experiment, SPEC, 1, 0.1, status="diverged")
    times = estimate_run_times(SPEC, make_cluster(), experiment, "eager")
    assert "assumed" in times.source
    record(experiment, SPEC, 2, 10.0)
    times = estimate_run_times(SPEC, make_cluster(), experiment, "eager")
    assert (seconds_of(SPEC, 0, times), times.source) == (MARGIN * 10.0, "1 record")


def test_few_shards_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many shards the newest are looked at, so that planning does not grow with the records; a
    shard that vanishes meanwhile is passed over."""
    experiment = own_experiment(tmp_path)
    for index in range(4):
        record(experiment, SPEC, index, 10.0 + index)
    stamps = {path: int(path.stem.split("-")[1]) for path in experiment.runs.glob("*.h5")}
    (experiment.runs / "stage0-9-9-x.h5").symlink_to("nowhere")
    monkeypatch.setattr(run_time, "modified", lambda path: stamps.get(path, 2.5))
    monkeypatch.setattr(run_time, "SAMPLED_SHARDS", 3)
    times = estimate_run_times(SPEC, make_cluster(), experiment, "eager")
    assert (seconds_of(SPEC, 0, times), times.source) == (pytest.approx(MARGIN * 12.5), "2 records")


def test_sequential_tells() -> None:
    """Without records, as many runs as `sequential` says fit the time limit one after another."""
    cluster = make_cluster(sequential=3, time="2:59:00")
    times = estimate_run_times(SPEC, cluster, None, "eager")
    assert seconds_of(SPEC, 0, times) == usable_seconds(cluster) / 3
    assert times.source == "sequential 3"
    without_slurm = make_cluster(sequential=3, scheduler="local")
    assert "assumed" in estimate_run_times(SPEC, without_slurm, None, "eager").source


def test_the_assumption_grows_with_the_work() -> None:
    """Else runs are taken to take longer with more steps and wider networks, the same for equal
    static hyperparameters, and less where steps are compiled."""
    cluster = make_cluster()
    times = estimate_run_times(WIDTHS, cluster, None, "eager")
    numbers = range(WIDTHS.sweep.num_settings)
    found = [(WIDTHS.sweep.setting(n)["hidden_dim"], seconds_of(WIDTHS, n, times)) for n in numbers]
    assert len(set(found)) == 2
    assert max(found)[1] > min(found)[1] > 0
    longer = small_spec({"total_timesteps": 600})
    short, long = (
        seconds_of(spec, 0, estimate_run_times(spec, cluster, None, "eager"))
        for spec in (SPEC, longer)
    )
    assert long == pytest.approx(2 * short)
    compiled = estimate_run_times(SPEC, cluster, None, "auto")
    assert seconds_of(SPEC, 0, compiled) < short
    assert statics_of(WIDTHS, WIDTHS.sweep.setting(0)) == statics_of(SPEC, SPEC.sweep.setting(0))


def test_a_kernel_works_at_every_place() -> None:
    """What convolutions multiply grows with the places of their kernels, not with parameters: each
    of 3 networks has 24 places of a product of 9 by 16, one of which is counted by parameters."""
    agent = {"agent_name": "SAC", "parameters": {"policy_type": ["Softmax"], "double_q": [False]}}
    agent["parameters"] |= {"convolutions": [[16, 3]], "automatic_entropy_tuning": [False]}
    grid = {"env_name": "IndexGridworld", "rows": 6, "cols": 8, "total_timesteps": 10}
    grid |= {"steps_per_episode": 5, "eval_interval_timesteps": 10}
    spec = experiment_spec_of(grid, agent, "test")
    setting = spec.sweep.setting(0)
    counted = agent_footprint(spec.agent.declaration, setting, spec.environment)
    assert counted.num_repeated_products == 3 * 23 * 9 * 16


def test_solvers_are_not_taken_to_be_compiled() -> None:
    """By itself a solver takes as long as eagerly."""
    spec = solver_spec("mc_pg")
    found = {
        backend: seconds_of(spec, 0, estimate_run_times(spec, make_cluster(), None, backend))
        for backend in ("auto", "eager")
    }
    assert found["auto"] == found["eager"]


def test_a_solver_of_larger_panels_is_taken_to_take_longer() -> None:
    """A solver replays nothing; its time is counted by the numbers that a step of it fills."""
    small, large = (solver_spec("euler_ks", {"num_households": [n]}) for n in (4, 400))
    found = [
        seconds_of(spec, 0, estimate_run_times(spec, make_cluster(), None, "eager"))
        for spec in (small, large)
    ]
    assert found[1] > 2 * found[0]


def test_usable_time() -> None:
    """Of a limit, start and saving are taken off; there is always something left; a task without
    limit gets a day's work; without Slurm there is no end."""
    cluster = make_cluster(time="1:00:00", signalSeconds=120)
    assert usable_seconds(cluster) == 3600 - 120 - START_SECONDS
    assert usable_seconds(make_cluster(time="3", signalSeconds=120)) == 1.0
    day = make_cluster(time="1-00:00:00")
    assert usable_seconds(make_cluster(time="UNLIMITED")) == usable_seconds(day)
    assert usable_seconds(make_cluster(scheduler="local", time="1:00")) == float("inf")


def test_only_own_whole_shards_tell(tmp_path: Path) -> None:
    """Damaged shards, and those of another experiment, are passed over."""
    experiment = own_experiment(tmp_path / "own")
    record(experiment, SPEC, 0, 10.0)
    other_spec = small_spec({"total_timesteps": 600})
    other = own_experiment(tmp_path / "other", other_spec)
    record(other, other_spec, 0, 99.0)
    (foreign,) = other.runs.glob("*.h5")
    content = foreign.read_bytes()
    (experiment.runs / foreign.name).write_bytes(content)
    (own,) = set(experiment.runs.glob("*.h5")) - {experiment.runs / foreign.name}
    content = own.read_bytes()
    damaged = experiment.runs / "stage0-1-1-d.h5"
    for place in range(0, len(content), len(content) // 100):
        flipped = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        for text in (content[:place], flipped):
            damaged.write_bytes(text)
            times = estimate_run_times(SPEC, make_cluster(), experiment, "eager")
            assert times.source == "1 record"
            assert seconds_of(SPEC, 0, times) == MARGIN * 10.0
            damaged.unlink()
