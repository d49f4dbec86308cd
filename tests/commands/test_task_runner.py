"""How an attempt at a task ends, by what it did."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from plans import lease_task, make_plan

from nthrun.commands.task_runner import Ending, TaskAttempt, TaskProgress
from nthrun.errors import InterruptedRunError
from nthrun.scheduling.lease import REQUEUED, STOPPED, Clock, read_attempt
from nthrun.scheduling.plan import Plan
from nthrun.training.progress import Advanced, Began, Lost, News, Noted, TrainingProgress
from nthrun.training.stopping import StopRequest


class Interrupted(TaskAttempt):
    """An attempt whose only worker tells some news and is then interrupted.

    Attributes:
        news: what it tells.
        recorded: runs of the task that are recorded by then.
    """

    news: Sequence[News] = ()
    recorded = 0

    def _train(self, progress: TrainingProgress) -> tuple[str, str, int]:
        self._own()
        self._task_progress.begin(self.recorded)
        for news in self.news:
            self._task_progress.count(news, 0)
        raise InterruptedRunError("time is up", signal.SIGUSR2)


def attempt(plan: Plan, *news: News, recorded: int = 0, stop: int | None = None) -> Ending:
    """Attempt the first task, of three runs of 300 steps, until time is up or a signal comes."""
    request = StopRequest()
    request.signal_number = stop
    made = Interrupted(plan, 0, request, Clock(lambda: None, None, 0.0))
    made.news, made.recorded = news, recorded
    with TrainingProgress(made.total_run_steps) as progress:
        return made.run(progress)


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan of whose first task nothing is done."""
    for name in ("NTHRUN_PLAN", "NTHRUN_TASK", "NTHRUN_ATTEMPT"):
        monkeypatch.setenv(name, "")  # set by an attempt, and put back
    return make_plan(tmp_path)


def test_progress_is_queued_again(plan: Plan) -> None:
    """As long as each attempt gets further than the one before, time that is up means to be queued
    again; one that only did again what was done already stops, saying what is needed."""
    assert attempt(plan, Began((0, 1), 0), Advanced(40, 0.0)).state == REQUEUED
    assert attempt(plan, Began((0, 1), 40), Advanced(2, 0.0)).state == REQUEUED
    ending = attempt(plan, Began((0, 1), 30), Advanced(12, 0.0))
    assert (ending.state, ending.exit_code) == (STOPPED, 1)
    assert "more --time is needed" in ending.reason
    found = read_attempt(plan.lease_path(0))
    assert found is not None
    assert (found.state, found.done_run_steps, found.new_run_steps) == (STOPPED, 42, 12)


def test_no_step_is_no_progress(plan: Plan) -> None:
    """An attempt that never came to train is not queued again, first or not."""
    assert attempt(plan).state == STOPPED
    lease_task(plan, 0).end(REQUEUED, "", done_run_steps=600)
    assert attempt(plan, Began((2,), 0), recorded=2).state == STOPPED


def test_recorded_runs_are_progress(plan: Plan) -> None:
    """A run recorded since counts whole, whatever the others lost."""
    lease_task(plan, 0).end(REQUEUED, "", done_run_steps=500)
    assert attempt(plan, Began((1,), 0), Advanced(201, 0.0), recorded=1).state == REQUEUED


def test_a_signal_is_no_matter_of_progress(plan: Plan) -> None:
    """What ends a task for good is told as such, however far it came."""
    for news in ((), (Began((0,), 0), Advanced(40, 0.0))):
        ending = attempt(plan, *news, stop=signal.SIGTERM)
        assert (ending.state, "SIGTERM" in ending.reason) == (STOPPED, True)


def totals(progress: TaskProgress) -> tuple[int, int]:
    """(done in all attempts, done in this one)."""
    return progress.done_run_steps, progress.new_run_steps


def test_steps_are_counted_over_packs_and_attempts() -> None:
    """Done are the runs recorded before, what checkpoints held, and what was done since; steps of
    a worker that died are lost but for what its successor begins at."""
    progress = TaskProgress(100)
    progress.begin(recorded=2)
    assert totals(progress) == (200, 0)
    progress.count(Began((0, 1), 60), 0)
    progress.count(Began((2,), 0), 1)
    progress.count(Advanced(40, 0.0), 0)
    progress.count(Advanced(10, 0.0), 1)
    assert totals(progress) == (310, 50)
    progress.count(Advanced(100, 0.0), 0)
    progress.count(Began((3,), 0), 0)
    progress.count(Advanced(5, 0.0), 0)
    progress.count(Noted("x"), 0)
    assert totals(progress) == (415, 155)
    progress.count(Lost(), 1)
    assert totals(progress) == (405, 145)
    progress.count(Began((2,), 8), 1)
    assert totals(progress) == (413, 145)


def test_beginning_again_counts_nothing_twice() -> None:
    """After a failure of the file system what is recorded by then, and what checkpoints hold,
    counts once; the attempt keeps what it has done."""
    progress = TaskProgress(100)
    progress.begin(recorded=0)
    progress.count(Began((0,), 0), 0)
    progress.count(Advanced(100, 0.0), 0)
    progress.count(Began((1,), 0), 0)
    progress.count(Advanced(30, 0.0), 0)
    progress.begin(recorded=1)
    assert totals(progress) == (100, 130)
    progress.count(Began((1,), 30), 0)
    progress.count(Advanced(70, 0.0), 0)
    assert totals(progress) == (200, 200)
