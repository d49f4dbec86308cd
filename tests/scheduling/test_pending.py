"""Pending runs: missing = expected - recorded - under way."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packs import small_spec
from plans import (
    LOCAL,
    NAME,
    SPEC,
    lease_task,
    own_experiment,
    queue_of,
    record,
    write_attempt,
    written_plan,
)

from nthrun.errors import DataFileError, FingerprintError
from nthrun.index import format_indices
from nthrun.scheduling.lease import SILENT_SECONDS
from nthrun.scheduling.pending import WantedRuns, active_tasks, experiments_under, pending_runs
from nthrun.scheduling.plan import Array
from nthrun.scheduling.slurm import Job, Queue
from nthrun.specs.selection import Selection

SETTINGS = SPEC.sweep.num_settings
ONE_RUN = WantedRuns(Selection(1), 0, False)


@given(
    st.sets(st.integers(0, 40), max_size=15),
    st.sets(st.integers(0, 40), max_size=10),
    st.lists(st.sets(st.integers(0, 40), min_size=1, max_size=5), min_size=1, max_size=4),
    st.data(),
)
@settings(max_examples=40, deadline=None)
def test_missing_is_a_set_difference(
    tmp_path_factory: pytest.TempPathFactory,
    completed: set[int],
    failed: set[int],
    tasks: list[set[int]],
    data: st.DataObject,
) -> None:
    """However sparse: what is neither recorded nor in a queued task is missing, and only that;
    failed runs count as recorded unless they are to be run again; counts add up."""
    root = tmp_path_factory.mktemp("experiment")
    experiment = own_experiment(root)
    record(experiment, *completed)
    record(experiment, *(failed - completed), status="failed", reason="x")
    record(experiment, 0, 1, stage=1)
    written_plan(root, [[sorted(task)] for task in tasks])
    queued = data.draw(st.sets(st.integers(0, len(tasks) - 1)))
    queue = queue_of(*sorted(queued))
    active = set().union(*(tasks[number] for number in queued))
    for num_runs in (1, 5):
        expected = set(range(num_runs * SETTINGS))
        for retry in (False, True):
            found = pending_runs(SPEC, root, WantedRuns(Selection(num_runs), 0, retry), queue)
            done = completed if retry else completed | failed
            assert set(found.missing) == expected - done - active
            assert list(found.missing) == sorted(found.missing)
            assert found.num_recorded == len(expected & completed)
            assert set(found.failed) == (set() if retry else expected & (failed - completed))
            assert found.num_active == len((expected & active) - done)
            total = found.num_recorded + len(found.failed) + found.num_active + len(found.missing)
            assert total == found.num_expected == len(expected)


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, SETTINGS - 1), min_size=1))
@settings(max_examples=30, deadline=None)
def test_only_what_is_selected_is_missing(
    tmp_path_factory: pytest.TempPathFactory, completed: set[int], chosen: set[int]
) -> None:
    """Of a selection of settings only their runs are expected, recorded and missing."""
    root = tmp_path_factory.mktemp("experiment")
    record(own_experiment(root), *completed)
    wanted = WantedRuns(Selection(3, format_indices(chosen)), 0, False)
    found = pending_runs(SPEC, root, wanted, None)
    expected = {index for index in range(3 * SETTINGS) if index % SETTINGS in chosen}
    assert set(found.missing) == expected - completed
    assert (found.num_expected, found.num_recorded) == (len(expected), len(expected & completed))


def test_before_the_first_task_all_is_missing(tmp_path: Path) -> None:
    """A directory that does not exist yet has nothing; looking makes none."""
    found = pending_runs(SPEC, tmp_path / "new", WantedRuns(Selection(2), 0, False), None)
    assert found.missing == tuple(range(2 * SETTINGS))
    assert found.experiment is None
    assert not list(tmp_path.iterdir())


def test_another_stage_is_not_counted(tmp_path: Path) -> None:
    """Neither records nor queued tasks of one stage have a part in another."""
    record(own_experiment(tmp_path), 0, 1, stage=1)
    written_plan(tmp_path, [[[2, 3]]], stage=1)
    stages = [WantedRuns(Selection(1), stage, False) for stage in (0, 1)]
    sweep, rerun = (pending_runs(SPEC, tmp_path, wanted, queue_of(0)) for wanted in stages)
    assert (sweep.missing, sweep.num_active) == (tuple(range(SETTINGS)), 0)
    assert (rerun.missing, rerun.num_active, rerun.num_recorded) == ((4, 5), 2, 2)


def test_jobs_of_other_plans_are_not_counted(tmp_path: Path) -> None:
    """What is queued of another experiment, or of a plan that is gone, is not under way here."""
    written_plan(tmp_path)
    other = queue_of(0, name="20260102-030405-fedcba")
    assert pending_runs(SPEC, tmp_path, ONE_RUN, other).num_active == 0


def test_another_spec_is_refused(tmp_path: Path) -> None:
    """Before the first task has begun the newest plan tells whose directory it is, after that its
    manifest; the keys that differ are named."""
    other = small_spec(parameters={"alpha": [0.3]})
    written_plan(tmp_path)
    with pytest.raises(FingerprintError, match=r"planned for another spec.*alpha"):
        pending_runs(other, tmp_path, ONE_RUN, None)
    own_experiment(tmp_path)
    with pytest.raises(FingerprintError, match=r"another spec.*alpha"):
        pending_runs(other, tmp_path, ONE_RUN, None)
    assert pending_runs(SPEC, tmp_path, ONE_RUN, None).missing == tuple(range(SETTINGS))


def test_tasks_of_slurm_are_active_while_queued(tmp_path: Path) -> None:
    """Every job in the queue is a task, whatever its state and lease; what is not in the queue is
    not active, even if its lease says that it runs."""
    plan = written_plan(
        tmp_path, [[[0]], [[1]], [[2]], [[3]]], arrays=(Array(0, 3), Array(3, 1)), num_runs=1
    )
    leased = lease_task(plan, 1, job="9_1")
    lease_task(plan, 2, job="9_2")
    states = {(0, 0): "PENDING", (0, 1): "RUNNING", (1, 0): "COMPLETING"}
    queue = Queue({(NAME, *p): Job("9", state, "", "n1") for p, state in states.items()}, 3)
    found = {task.number: task for task in active_tasks(tmp_path, queue)}
    assert found.keys() == {0, 1, 3}
    assert [found[number].is_running for number in (0, 1, 3)] == [False, True, True]
    assert found[0].attempt is None
    assert found[1].attempt == leased.attempt


def test_tasks_without_slurm_are_active_while_alive(tmp_path: Path) -> None:
    """A task that runs here or gives signs of life elsewhere is under way, with or without a
    Slurm beside it; when it has died it is missing again."""
    plan = written_plan(tmp_path, [[[0]], [[1]], [[2]]], LOCAL)
    alive = lease_task(plan, 0).attempt
    gone = replace(alive, birth="another boot:1")
    write_attempt(plan, 1, gone)
    write_attempt(plan, 2, replace(alive, host="elsewhere", seen=time.time() - 5))
    for queue in (None, Queue({}, 0)):
        found = list(active_tasks(tmp_path, queue))
        assert sorted(task.number for task in found) == [0, 2]
        assert all(task.is_running and task.job is None for task in found)
    write_attempt(plan, 2, replace(alive, host="elsewhere", seen=time.time() - SILENT_SECONDS - 1))
    assert pending_runs(SPEC, tmp_path, ONE_RUN, None).missing == (1, 2, 3, 4, 5)


@pytest.mark.parametrize(("array", "element"), [(5, 0), (0, 99)])
def test_a_queued_task_that_no_plan_has(tmp_path: Path, array: int, element: int) -> None:
    """What a queued job would do of which its plan has no task is not known, so nothing is
    submitted; the status passes it over."""
    plan = written_plan(tmp_path)
    queue = queue_of(element, array=array)
    with pytest.raises(DataFileError, match=rf"{plan.path.name}: has no task that job 9_{element}"):
        pending_runs(SPEC, tmp_path, ONE_RUN, queue)
    assert list(active_tasks(tmp_path, queue, [plan])) == []


def test_a_damaged_plan_matters_while_it_is_queued(tmp_path: Path) -> None:
    """What a queued job of an unreadable plan would do is not known, so nothing is submitted; once
    it has left the queue the plan is passed over."""
    plan = written_plan(tmp_path)
    plan.path.write_text("{")
    with pytest.raises(DataFileError, match=plan.path.name):
        pending_runs(SPEC, tmp_path, ONE_RUN, queue_of(0))
    found = pending_runs(SPEC, tmp_path, ONE_RUN, Queue({}, 0))
    assert len(found.missing) == SETTINGS


def test_experiments_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save dir gives the experiments in it, planned ones included; an experiment gives itself; a
    directory without any is refused."""
    own_experiment(tmp_path / "out" / "a")
    written_plan(tmp_path / "out" / "b")
    (tmp_path / "out" / "c").mkdir()
    assert experiments_under(tmp_path / "out") == [tmp_path / "out" / n for n in "ab"]
    assert experiments_under(tmp_path / "out" / "a") == [tmp_path / "out" / "a"]
    monkeypatch.chdir(tmp_path)
    assert experiments_under(Path("out")) == [tmp_path / "out" / n for n in "ab"]
    for empty in ("out/c", "nowhere"):
        with pytest.raises(DataFileError, match="no experiment here"):
            experiments_under(tmp_path / empty)
