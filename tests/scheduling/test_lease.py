"""Leases: the last to take one owns the task, only it writes, and its clock says when to save."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from plans import lease_task, make_plan, write_attempt

from nthrun.errors import StorageError, SupersededError
from nthrun.records.writer import process_birth
from nthrun.scheduling import lease as clock_module
from nthrun.scheduling import lease as lease_module
from nthrun.scheduling.lease import (
    ASK_SECONDS,
    BEAT_SECONDS,
    FAILED,
    REQUEUED,
    RUNNING,
    SILENT_SECONDS,
    STOPPED,
    Clock,
    Fence,
    Lease,
    end_process,
    read_attempt,
)
from nthrun.scheduling.run_time import START_SECONDS

LEAD = 30.0


@pytest.fixture
def lease(tmp_path: Path) -> Lease:
    """A lease of this process."""
    return lease_task(make_plan(tmp_path), 0)


def overdue(lease: Lease) -> None:
    """Let the next beat write."""
    lease._due = 0.0


def test_the_last_attempt_owns_the_task(tmp_path: Path) -> None:
    """From the moment another attempt takes a lease, the one before may write nothing: neither
    record, nor sign of life, nor its end; the file stays the new one's."""
    plan = make_plan(tmp_path)
    old = lease_task(plan, 0, job="7_1")
    old.fence.require()
    new = lease_task(plan, 0, job="7_1", restart=1)
    new.fence.require()
    kept = plan.lease_path(0).read_bytes()
    overdue(old)
    for write in (old.fence.require, old.beat, lambda: old.end(STOPPED, "")):
        with pytest.raises(SupersededError, match=str(plan.lease_path(0))):
            write()
    assert plan.lease_path(0).read_bytes() == kept
    assert read_attempt(plan.lease_path(0)) == new.attempt


def test_a_later_restart_owns_the_task_whoever_wrote_last(tmp_path: Path) -> None:
    """A lease that an earlier attempt, woken from a silent file system, writes over a later one's
    does not end the later one, whose next sign of life ends the earlier one."""
    plan = make_plan(tmp_path)
    early, late = lease_task(plan, 0, restart=1), lease_task(plan, 0, restart=2)
    with pytest.raises(SupersededError):
        early.fence.require()
    early._write()  # it had looked at the lease before it hung
    late.fence.require()
    late.beat()
    assert read_attempt(plan.lease_path(0)) == late.attempt
    with pytest.raises(SupersededError):
        early.fence.require()


def test_a_claim_says_what_the_attempt_does(lease: Lease) -> None:
    """A beat that is due writes the progress and the moment; `end` writes how it ended."""
    began = read_attempt(lease.path)
    assert began is not None
    assert (began.state, began.host, began.pid) == (RUNNING, platform.node(), os.getpid())
    lease.beat(done_run_steps=70, new_run_steps=40)
    beaten = read_attempt(lease.path)
    assert beaten is not None
    assert (beaten.done_run_steps, beaten.new_run_steps, beaten.token) == (70, 40, began.token)
    assert began.started == beaten.started <= began.seen < beaten.seen
    lease.end(REQUEUED, "time is up", done_run_steps=90)
    ended = read_attempt(lease.path)
    assert ended is not None
    assert (ended.state, ended.reason, ended.done_run_steps) == (REQUEUED, "time is up", 90)


def test_signs_of_life_are_rare(lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two beats that write lie BEAT_SECONDS, however often one is asked for; the file
    server is not even read in between."""
    written: list[float] = []
    now = [1000.0]
    monkeypatch.setattr(lease_module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(Lease, "_write", lambda self: written.append(now[0]))
    monkeypatch.setattr(Fence, "require", lambda self: written.append(-now[0]))
    while now[0] < 1000 + 2.5 * BEAT_SECONDS:
        lease.beat()
        now[0] += 0.5
    moments = [1000 + n * BEAT_SECONDS for n in range(3)]
    assert written == [moment for m in moments for moment in (-m, m)]


def test_a_full_disk_only_delays_a_sign_of_life(
    lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither beat nor end fail where nothing can be written."""

    def full(*_: Any) -> None:
        raise StorageError("full")

    before = lease.path.read_bytes()
    monkeypatch.setattr(lease_module, "write_durably", full)
    lease.beat(done_run_steps=1)
    lease.end(STOPPED, "")
    assert lease.path.read_bytes() == before


def test_a_released_claim_is_gone(tmp_path: Path) -> None:
    """Release removes the file, the last one its folder; what is released bars old attempts."""
    plan = make_plan(tmp_path)
    first, second = lease_task(plan, 0), lease_task(plan, 1)
    first.release()
    assert read_attempt(first.path) is None
    assert second.path.exists()
    with pytest.raises(SupersededError):
        first.fence.require()
    second.release()
    assert not second.path.parent.exists()
    second.release()


def test_a_silent_file_system_bars_nobody(tmp_path: Path) -> None:
    """What cannot be read now says nothing about the owner; what is no lease does."""
    (tmp_path / "lease").write_text("[]")
    Fence(tmp_path / "lease/below a file", "a", 0).require()
    with pytest.raises(SupersededError):
        Fence(tmp_path / "lease", "a", 0).require()


@pytest.mark.parametrize("text", ["", "[]", '{"token": "a"}', "\0", "{"])
def test_a_foreign_file_is_no_attempt(tmp_path: Path, text: str) -> None:
    """What cannot be read as an attempt is none."""
    (tmp_path / "0.json").write_text(text)
    assert read_attempt(tmp_path / "0.json") is None
    assert read_attempt(tmp_path / "1.json") is None


def test_who_is_alive(lease: Lease) -> None:
    """Here an attempt lives as long as its own process, silent or not, and another process that
    got the same id since does not count; elsewhere it lives by its signs; an ended one is dead."""
    attempt, now = lease.attempt, time.time()
    assert attempt.is_alive(now)
    assert replace(attempt, seen=now - 10 * SILENT_SECONDS).is_alive(now)
    assert not replace(attempt, birth="another boot:1").is_alive(now)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    other = replace(attempt, pid=process.pid, birth=process_birth(process.pid))
    assert other.is_alive(now)
    process.communicate()
    assert not other.is_alive(now)
    for state in (REQUEUED, STOPPED, FAILED):
        assert not replace(attempt, state=state).is_alive(now)
    elsewhere = replace(attempt, host="elsewhere", pid=process.pid)
    assert elsewhere.is_alive(attempt.seen + SILENT_SECONDS - 1)
    assert not elsewhere.is_alive(attempt.seen + SILENT_SECONDS + 1)
    assert not replace(elsewhere, state=STOPPED).is_alive(attempt.seen)


@pytest.mark.parametrize("ahead", [SILENT_SECONDS + 1, 3600, 1e9, 1e300])
def test_a_sign_of_life_that_is_yet_to_come_is_none(lease: Lease, ahead: float) -> None:
    """An attempt elsewhere whose last sign lies in the future does not count as running until the
    clock gets there; a clock that is a little ahead does no harm."""
    elsewhere, now = replace(lease.attempt, host="elsewhere"), time.time()
    assert not replace(elsewhere, seen=now + ahead).is_alive(now)
    assert replace(elsewhere, seen=now + 5).is_alive(now)


class Victim:
    """A process that leads a group of its own and, if asked, has a file open."""

    def __init__(self, held: Path | None = None) -> None:
        wait = "import sys; file = open(sys.argv[1]) if sys.argv[1:] else None; print(flush=True)"
        words = [sys.executable, "-c", f"{wait}; sys.stdin.read()", *([str(held)] if held else [])]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(words, start_new_session=True, **pipes)  # type: ignore[call-overload]
        assert self.process.stdout is not None
        self.process.stdout.readline()
        self.pid = self.process.pid
        self.birth = process_birth(self.pid)

    def end(self) -> int:
        """Its exit code, once it has ended, by itself if need be."""
        self.process.communicate()
        return int(self.process.returncode)


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """The file that a process has to have open."""
    path = tmp_path / "lock"
    path.touch()
    return path


def test_only_a_process_that_holds_the_file_is_ended(held: Path) -> None:
    """A process of this user's, born when it is said to be, gets SIGTERM if it has the file open;
    any other is left alone."""
    own, stranger = Victim(held), Victim()
    assert not end_process(stranger.pid, stranger.birth, held)
    assert end_process(own.pid, own.birth, held)
    assert (stranger.end(), own.end()) == (0, -signal.SIGTERM)


def test_a_link_in_the_place_of_the_file_ends_nobody(held: Path) -> None:
    """A lock that leads to what other processes have open, by a link of either kind, says nothing
    of them."""
    victim = Victim(held)
    other = held.with_name("other")
    other.symlink_to(held)
    assert not end_process(victim.pid, victim.birth, other)
    other.unlink()
    other.hardlink_to(held)
    assert not end_process(victim.pid, victim.birth, other)
    assert not end_process(victim.pid, victim.birth, Path(os.devnull))
    assert victim.end() == 0


def test_a_claim_that_names_no_process_ends_none(held: Path) -> None:
    """An id that is no integer above 0, that is of a group, of everything, of the system's first
    process or of the caller, and a birth that is unknown or another, reach nobody."""
    victim = Victim(held)
    pid, birth = victim.pid, victim.birth
    claims: list[tuple[Any, str]] = [
        *((wrong, "") for wrong in (pid, -pid, 0, -1)),
        *((wrong, birth) for wrong in (-pid, 0, -1, float(pid), str(pid), None, [pid], True)),
        *((wrong, birth) for wrong in (2**22, 2**31, 2**63, 10**400, float("nan"))),
        (pid, "another boot:1"),
        (pid, birth[:-1]),
        (1, process_birth(1)),
    ]
    for wrong, said in claims:
        assert not end_process(wrong, said, held), (wrong, said)
    with held.open():
        assert not end_process(os.getpid(), process_birth(os.getpid()), held)
    assert victim.end() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of others")
def test_a_process_of_another_user_is_not_ended(held: Path) -> None:
    """Whatever a claim says, and even where the system would allow it."""
    script = "import os, sys; os.setuid(12345); print(flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with held.open() as file:
        process = subprocess.Popen(
            [sys.executable, "-c", script], pass_fds=[file.fileno()], **pipes
        )
    assert process.stdout is not None
    process.stdout.readline()
    assert not end_process(process.pid, process_birth(process.pid), held)
    process.communicate()
    assert process.returncode == 0


def test_an_unknown_birth_is_no_life(lease: Lease) -> None:
    """An attempt here that does not say when its process was born does not count as running, as
    any process could have the id by now."""
    for pid in (os.getpid(), -os.getpgid(0), 0, -1):
        assert not replace(lease.attempt, pid=pid, birth="").is_alive(time.time())


def test_an_attempt_survives_its_file(tmp_path: Path, lease: Lease) -> None:
    """What an attempt says is read back in full."""
    plan = make_plan(tmp_path)
    attempt = replace(lease.attempt, job="1_2", restart=3, log="/a", reason="é\n", pid=1)
    write_attempt(plan, 1, attempt)
    assert read_attempt(plan.lease_path(1)) == attempt


class Slurm:
    """Time, and a Slurm that tells what is left of a limit, or nothing.

    Attributes:
        now: moment.
        end: when the task is ended; None is not told.
        asked: moments of all questions.
    """

    def __init__(self, end: float | None) -> None:
        self.now = 0.0
        self.end = end
        self.asked: list[float] = []

    def left(self) -> float | None:
        """What is left, as Slurm is asked."""
        self.asked.append(self.now)
        return None if self.end is None else self.end - self.now


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """A limit of 1000 seconds."""
    slurm = Slurm(1000.0)
    monkeypatch.setattr(clock_module, "time", SimpleNamespace(monotonic=lambda: slurm.now))
    return slurm


def first_up(clock: Clock, slurm: Slurm, step: float = 1.0) -> float:
    """The moment the clock first says that time is up."""
    while not clock.is_up():
        slurm.now += step
        assert slurm.now < 10_000
    return slurm.now


def test_time_is_up_at_the_lead(slurm: Slurm) -> None:
    """A task begins to save a lead before its end, having asked only at begin and then."""
    clock = Clock(slurm.left, None, LEAD)
    assert clock.seconds_left == 1000
    assert first_up(clock, slurm) == 970
    assert slurm.asked == [0, 970]


def test_without_a_word_the_limit_holds(slurm: Slurm) -> None:
    """Where nobody tells, what the plan says counts, from the beginning of the task."""
    slurm.end = None
    assert first_up(Clock(slurm.left, 500.0, LEAD), slurm) == 470


def test_slurm_beats_the_plan(slurm: Slurm) -> None:
    """What Slurm says of the limit counts more than what was asked for."""
    assert Clock(slurm.left, 5.0, LEAD).seconds_left == 1000


def test_without_a_limit_there_is_no_end(slurm: Slurm) -> None:
    """A task without limit is never interrupted, nor is Slurm asked again."""
    slurm.end = None
    clock = Clock(slurm.left, None, LEAD)
    slurm.now = 1e9
    assert not clock.is_up()
    assert clock.has_time_for_pack()
    assert slurm.asked == [0]


def test_an_extended_limit_is_seen(slurm: Slurm) -> None:
    """A limit that was raised meanwhile is found when the old one comes near."""
    clock = Clock(slurm.left, None, LEAD)
    slurm.end = 2000.0
    assert first_up(clock, slurm) == 1970


def test_an_early_warning_ends_nothing(slurm: Slurm) -> None:
    """Slurm warns up to a minute early: a warning is a question, and its answer decides."""
    clock = Clock(slurm.left, None, LEAD)
    slurm.now = 900.0
    clock.warn()
    assert not clock.is_up()
    assert slurm.asked == [0, 900]
    slurm.end = 925.0
    clock.warn()
    assert clock.is_up()


def test_a_warning_counts_where_nobody_tells(slurm: Slurm) -> None:
    """If Slurm warns and does not answer, time is up."""
    slurm.end = None
    clock = Clock(slurm.left, 1000.0, LEAD)
    assert not clock.is_up()
    clock.warn()
    assert clock.is_up()


def test_slurm_is_not_polled(slurm: Slurm) -> None:
    """Near the end too, questions lie ASK_SECONDS apart."""
    clock = Clock(slurm.left, None, LEAD)
    slurm.now = 970.0
    while slurm.now < 1030:
        assert clock.is_up()
        slurm.now += 0.5
    gaps = [b - a for a, b in zip(slurm.asked, slurm.asked[1:], strict=False)]
    assert min(gaps) > ASK_SECONDS


def test_nothing_left_is_up_at_once(slurm: Slurm) -> None:
    """Zero seconds left is an answer, not silence."""
    slurm.end = 0.0
    assert Clock(slurm.left, 1000.0, LEAD).is_up()


def test_a_pack_needs_time_to_begin(slurm: Slurm) -> None:
    """No pack is begun that would be saved before it did anything."""
    clock = Clock(slurm.left, None, LEAD)
    slurm.now = 1000 - LEAD - START_SECONDS - 1
    assert clock.has_time_for_pack()
    slurm.now += 1
    assert not clock.has_time_for_pack()


def test_a_raised_limit_has_time_for_a_pack(slurm: Slurm) -> None:
    """Before a pack is held back Slurm is asked again, as the limit may have been raised; not more
    often than every ASK_SECONDS."""
    clock = Clock(slurm.left, None, LEAD)
    slurm.now = 1000 - LEAD - START_SECONDS
    assert not clock.has_time_for_pack()
    slurm.end = 5000.0
    slurm.now += ASK_SECONDS
    assert not clock.has_time_for_pack()
    slurm.now += 1
    assert clock.has_time_for_pack()
    assert slurm.asked == [0, 910, 931]
