"""How an experiment stands, stage by stage, and why what is missing is missing."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from plans import (
    LOCAL,
    NAME,
    Commands,
    lease_task,
    only_commands,
    own_experiment,
    queue_of,
    record,
    write_attempt,
    written_plan,
)

from nthrun.scheduling.failures import NEVER_SEEN, NOT_BEGUN, NOT_KNOWN, age
from nthrun.scheduling.lease import FAILED, REQUEUED, SILENT_SECONDS, STOPPED
from nthrun.scheduling.slurm import Job, Queue
from nthrun.scheduling.status import StageStatus, experiment_status

EMPTY = Queue({}, 0)


@pytest.fixture(autouse=True)
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """A machine without Slurm."""
    return only_commands(tmp_path, monkeypatch)


def numbers(status: StageStatus) -> dict[str, int]:
    """The counts of a stage that are not zero."""
    names = ("expected", "recorded", "diverged", "running", "queued", "failed", "missing")
    counts = {name: getattr(status, f"num_{name}") for name in names}
    return {name: count for name, count in counts.items() if count}


def status_of(root: Path, queue: Queue | None = EMPTY) -> StageStatus:
    """The status of the only stage."""
    (status,) = experiment_status(root, queue).stages
    return status


def test_every_run_is_counted_once(tmp_path: Path) -> None:
    """Runs are recorded (completed, diverged, pruned), failed, running, queued or missing, and
    these add up to what was ever asked for."""
    root = tmp_path / "e"
    experiment = own_experiment(root)
    record(experiment, 0, 1)
    record(experiment, 2, status="diverged")
    record(experiment, 3, status="pruned")
    record(experiment, 4, status="failed", reason="x")
    written_plan(root, [[[0, 5]], [[6, 7]], [[8]]], num_runs=2)
    queue = Queue(queue_of(0, state="RUNNING").ours | queue_of(1).ours, 2)
    status = status_of(root, queue)
    assert numbers(status) == {
        "expected": 12,
        "recorded": 4,
        "diverged": 1,
        "failed": 1,
        "running": 1,
        "queued": 2,
        "missing": 4,
    }
    assert [task.number for task in status.running] == [0]


def test_stages_stand_apart(tmp_path: Path) -> None:
    """Each stage that was planned or recorded has a status of its own."""
    root = tmp_path / "e"
    experiment = own_experiment(root)
    record(experiment, 0, 1)
    record(experiment, 0, stage=2)
    written_plan(root, [[[0]]], stage=1)
    found = {status.stage: numbers(status) for status in experiment_status(root, EMPTY).stages}
    assert found == {
        0: {"expected": 2, "recorded": 2},
        1: {"expected": 6, "missing": 6},
        2: {"expected": 1, "recorded": 1},
    }


def test_before_the_first_task_has_begun(tmp_path: Path) -> None:
    """A plan without a manifest has a status."""
    plan = written_plan(tmp_path / "e", [[[0, 1]], [[2]]])
    status = status_of(plan.root, queue_of(0, 1))
    assert numbers(status) == {"expected": 6, "queued": 3, "missing": 3}


def test_failed_runs_are_told_by_reason(tmp_path: Path) -> None:
    """Runs that failed for one reason are told together; a later success ends the failure."""
    root = tmp_path / "e"
    experiment = own_experiment(root)
    record(experiment, 0, 2, status="failed", reason="ZeroDivisionError: a")
    record(experiment, 1, status="failed", reason="OverflowError: b")
    found = {t.indices: t.reason for t in status_of(root).failures}
    assert found == {
        (0, 2): "the run failed: ZeroDivisionError: a",
        (1,): "the run failed: OverflowError: b",
    }
    record(experiment, 1)
    assert [failure.indices for failure in status_of(root).failures] == [(0, 2)]


def test_the_newest_plan_tells_what_became(tmp_path: Path) -> None:
    """Of several plans for one index the newest says why it is missing; an older one is asked only
    for what it alone planned."""
    root = tmp_path / "e"
    old = written_plan(root, [[[0, 1]]], LOCAL, name="20260101-000000-000000")
    new = written_plan(root, [[[1]]], LOCAL)
    for plan, reason in ((old, "old reason"), (new, "new reason")):
        lease_task(plan, 0).end(FAILED, reason)
    found = {failure.indices: failure.reason for failure in status_of(root).failures}
    assert found == {(0,): "old reason", (1,): "new reason"}


def test_a_dead_process_is_gone(tmp_path: Path) -> None:
    """A task without Slurm whose process died without a word is missing, and that is said, with
    its last sign of life; one never begun is merely that, and no business of Slurm's."""
    plan = written_plan(tmp_path / "e", [[[0]], [[1]]], LOCAL)
    attempt = lease_task(plan, 0).attempt
    assert numbers(status_of(plan.root, None)) == {"expected": 6, "running": 1, "missing": 5}
    write_attempt(plan, 0, replace(attempt, birth="other:1", seen=time.time() - 7200))
    status = status_of(plan.root, None)
    assert numbers(status) == {"expected": 6, "missing": 6}
    gone, waiting = status.failures
    assert gone.reason == f"the process is gone, last seen 2 h ago on {attempt.host}"
    assert (waiting.indices, waiting.reason) == ((1,), NOT_BEGUN)


def test_accounting_explains(tmp_path: Path, commands: Commands) -> None:
    """Slurm's word on how a task ended is told beside the task's own, and alone where it never
    began; accounting is asked from the day before, for the plan is named in UTC."""
    plan = written_plan(tmp_path / "e", [[[0]], [[1]], [[2]], [[3]]])
    lease = lease_task(plan, 0, job="9_0")
    lease_task(plan, 1, job="9_1").end(STOPPED, "ended by SIGTERM")
    job = plan.job_name(0)
    commands.answer(
        "sacct",
        f"9_0|{job}|NODE_FAIL|0:0|n1\n9_1|{job}|PREEMPTED|0:15|n2\n"
        f"9_[2]|{job}|CANCELLED by 0|0:0|\n",
    )
    reasons = {failure.indices[0]: failure.reason for failure in status_of(plan.root).failures}
    host = lease.attempt.host
    silent = f"the process is gone, last seen 0 s ago on {host}"
    assert reasons == {
        0: f"{silent}; Slurm says NODE_FAIL, exit code 0:0, on n1",
        1: "ended by SIGTERM; Slurm says PREEMPTED, exit code 0:15, on n2",
        2: "Slurm says CANCELLED, exit code 0:0, on no node",
        3: NEVER_SEEN,
    }
    (call,) = commands.calls("sacct")
    assert f"--name={job}" in call
    assert "--starttime=2026-01-01" in call


def test_without_accounting_the_task_explains(tmp_path: Path, commands: Commands) -> None:
    """Where sacct fails, what the task said is told."""
    commands.answer("sacct", "", 1, "Slurm accounting storage is disabled")
    plan = written_plan(tmp_path / "e", [[[0]], [[1]]])
    lease_task(plan, 0, job="9_0").end(STOPPED, "more --time is needed")
    assert [t.reason for t in status_of(plan.root).failures] == [
        "more --time is needed",
        NEVER_SEEN,
    ]


def test_nothing_is_asked_where_nothing_is_wrong(tmp_path: Path, commands: Commands) -> None:
    """Accounting is asked only about what is missing."""
    commands.answer("sacct", "")
    plan = written_plan(tmp_path / "e", [[[0]]])
    status_of(plan.root, queue_of(0, state="RUNNING"))
    assert not commands.calls("sacct")


def test_the_log_of_a_failure_is_shown(tmp_path: Path) -> None:
    """The last lines of what the task printed, however long and whatever bytes they are; a log
    that is gone is none."""
    plan = written_plan(tmp_path / "e", [[[0]]], LOCAL)
    log = plan.root / "a.log"
    lease_task(plan, 0, log=str(log)).end(FAILED, "x")
    assert [failure.log for failure in status_of(plan.root).failures] == [""]
    log.write_bytes(b"\xff\n" + b"".join(b"line %d\n" % n for n in range(5000)) + b"\xe9nd\n\n")
    (failure,) = status_of(plan.root).failures
    assert failure.log.splitlines() == [*(f"line {n}" for n in range(4996, 5000)), "\ufffdnd"]


@pytest.mark.parametrize("kind", ["path", "link"])
def test_no_other_file_is_shown_as_a_log(tmp_path: Path, kind: str) -> None:
    """Of a log that is said to lie outside the experiment, or that leads there, only the place is
    shown: it can be any file of who asks for the status."""
    plan = written_plan(tmp_path / "e", [[[0]]], LOCAL)
    secret, link = tmp_path / "id_rsa", plan.root / "a.log"
    secret.write_text("PRIVATE KEY")
    link.symlink_to(secret)
    log = str(link if kind == "link" else secret)
    lease_task(plan, 0, log=log).end(FAILED, "x")
    (failure,) = status_of(plan.root).failures
    assert failure.log == f"what it printed lies outside the experiment: {log}"


def test_the_time_left(tmp_path: Path) -> None:
    """What is left of all tasks, queued ones included, at the pace of those that run; without
    news of any it is unknown."""
    plan = written_plan(tmp_path / "e", [[[0, 1]], [[2, 3]], [[4]]])
    queue = Queue(queue_of(0, 1, state="RUNNING").ours | queue_of(2).ours, 3)
    assert status_of(plan.root, queue).seconds_left is None
    for number, steps in ((0, 100), (1, 50)):
        attempt = lease_task(plan, number, job=f"9_{number}").attempt
        write_attempt(
            plan,
            number,
            replace(
                attempt,
                seen=attempt.started + 10,
                new_run_steps=steps,
                done_run_steps=steps + 200,
            ),
        )
    # 15 run-steps a second; 300, 350 and, of the one queued run, 300 are left
    assert status_of(plan.root, queue).seconds_left == pytest.approx((300 + 350 + 300) / 15)


def test_a_requeued_task_is_queued(tmp_path: Path) -> None:
    """A task that ended to be queued again waits, and is no failure."""
    plan = written_plan(tmp_path / "e", [[[0]]])
    lease_task(plan, 0, job="9_0").end(REQUEUED, "time is up")
    status = status_of(plan.root, queue_of(0))
    assert (status.num_queued, status.num_missing) == (1, 5)
    assert [failure.indices for failure in status.failures] == []


@pytest.mark.parametrize("name", ["9", "00010101-000000-abcdef", "20261301-000000-abcdef"])
def test_a_plan_whose_name_says_no_day(tmp_path: Path, commands: Commands, name: str) -> None:
    """Accounting is asked for the tasks of a plan of any name that a file may have."""
    commands.answer("sacct", "")
    plan = written_plan(tmp_path / "e", [[[0]]], name=name)
    status = status_of(plan.root, Queue({}, 0))
    assert [(failure.indices, failure.reason) for failure in status.failures] == [
        ((0,), NEVER_SEEN)
    ]
    assert "--starttime=2000-01-01" in commands.calls("sacct")[0]


def test_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long ago something was is told in one unit."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    spans = {5: "5 s", 119: "119 s", 140: "2 min", 7200: "2 h", 86400 * 3: "3 d", -10: "0 s"}
    assert {span: age(now - span) for span in spans} == spans


def test_without_slurm_nothing_is_known(tmp_path: Path, commands: Commands) -> None:
    """While Slurm does not answer, a task with a fresh sign of life runs; of the others it is said
    that what became of them is not known, without asking accounting; local ones are known."""
    commands.answer("sacct", "")
    plan = written_plan(tmp_path / "e", [[[0]], [[1]], [[2, 3]]])
    written_plan(tmp_path / "e", [[[4]]], LOCAL, name="20260101-000000-000000")
    alive = replace(lease_task(plan, 0, job="9_0").attempt, host="elsewhere", seen=time.time())
    write_attempt(plan, 0, alive)
    write_attempt(plan, 1, replace(alive, seen=alive.seen - 2 * SILENT_SECONDS, job="9_1"))
    status = status_of(plan.root, None)
    assert numbers(status) == {"expected": 6, "running": 1, "missing": 5}
    assert {failure.indices: failure.reason for failure in status.failures} == {
        (1, 2, 3): NOT_KNOWN,
        (4,): NOT_BEGUN,
    }
    assert not commands.calls("sacct")
    assert numbers(status_of(plan.root, EMPTY)) == {"expected": 6, "missing": 6}


def test_why_tasks_wait(tmp_path: Path) -> None:
    """Waiting tasks are counted by Slurm's reason, running ones have none."""
    plan = written_plan(tmp_path / "e", [[[n]] for n in range(5)])
    states = [("PENDING", "Priority"), ("PENDING", "Priority"), ("REQUEUED", "BeginTime")]
    states += [("RUNNING", "None"), ("COMPLETING", "None")]
    jobs = {(NAME, 0, n): Job(f"9_{n}", *told, "") for n, told in enumerate(states)}
    status = status_of(plan.root, Queue(jobs, len(jobs)))
    assert status.reasons == {"Priority": 2, "BeginTime": 1}
    assert numbers(status) == {"expected": 6, "running": 2, "queued": 3, "missing": 1}


def test_failed_runs_that_are_tried_again(tmp_path: Path) -> None:
    """Failed runs count as queued or running while a task is to run them again, and as failed
    otherwise; nobody is told of their failure meanwhile."""
    root = tmp_path / "e"
    record(own_experiment(root), *range(3), status="failed", reason="x")
    written_plan(root, [[[0]], [[1]]], retry_failed=True)
    queue = Queue(queue_of(0, state="RUNNING").ours | queue_of(1).ours, 2)
    status = status_of(root, queue)
    assert numbers(status) == {"expected": 6, "running": 1, "queued": 1, "failed": 1, "missing": 3}
    assert (2,) in [failure.indices for failure in status.failures]
    assert not {0, 1} & {i for failure in status.failures for i in failure.indices}
    assert numbers(status_of(root)) == {"expected": 6, "failed": 3, "missing": 3}
