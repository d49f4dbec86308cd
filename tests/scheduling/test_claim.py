"""Claims: the last to take one owns the task, and only it writes."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from plans import claim_task, make_plan, write_attempt

from nthrun.errors import StorageError, SupersededError
from nthrun.scheduling import claim as claim_module
from nthrun.scheduling.claim import (
    BEAT_SECONDS,
    FAILED,
    REQUEUED,
    RUNNING,
    SILENT_SECONDS,
    STOPPED,
    Claim,
    Fence,
    process_birth,
    read_attempt,
)


@pytest.fixture
def claim(tmp_path: Path) -> Claim:
    """A claim of this process."""
    return claim_task(make_plan(tmp_path), 0)


def overdue(claim: Claim) -> None:
    """Let the next beat write."""
    claim._due = 0.0


def test_the_last_attempt_owns_the_task(tmp_path: Path) -> None:
    """From the moment another attempt takes a claim, the one before may write nothing: neither
    record, nor sign of life, nor its end; the file stays the new one's."""
    plan = make_plan(tmp_path)
    old = claim_task(plan, 0, job="7_1")
    old.fence.require()
    new = claim_task(plan, 0, job="7_1", restart=1)
    new.fence.require()
    kept = plan.claim_path(0).read_bytes()
    overdue(old)
    for write in (old.fence.require, old.beat, lambda: old.end(STOPPED, "")):
        with pytest.raises(SupersededError, match=str(plan.claim_path(0))):
            write()
    assert plan.claim_path(0).read_bytes() == kept
    assert read_attempt(plan.claim_path(0)) == new.attempt


def test_a_later_restart_owns_the_task_whoever_wrote_last(tmp_path: Path) -> None:
    """A claim that an earlier attempt, woken from a silent file system, writes over a later one's
    does not end the later one, whose next sign of life ends the earlier one."""
    plan = make_plan(tmp_path)
    early, late = claim_task(plan, 0, restart=1), claim_task(plan, 0, restart=2)
    with pytest.raises(SupersededError):
        early.fence.require()
    early._write()  # it had looked at the claim before it hung
    late.fence.require()
    late.beat()
    assert read_attempt(plan.claim_path(0)) == late.attempt
    with pytest.raises(SupersededError):
        early.fence.require()


def test_a_claim_says_what_the_attempt_does(claim: Claim) -> None:
    """A beat that is due writes the progress and the moment; `end` writes how it ended."""
    began = read_attempt(claim.path)
    assert began is not None
    assert (began.state, began.host, began.pid) == (RUNNING, platform.node(), os.getpid())
    claim.beat(done_run_steps=70, new_run_steps=40)
    beaten = read_attempt(claim.path)
    assert beaten is not None
    assert (beaten.done_run_steps, beaten.new_run_steps, beaten.token) == (70, 40, began.token)
    assert began.started == beaten.started <= began.seen < beaten.seen
    claim.end(REQUEUED, "time is up", done_run_steps=90)
    ended = read_attempt(claim.path)
    assert ended is not None
    assert (ended.state, ended.reason, ended.done_run_steps) == (REQUEUED, "time is up", 90)


def test_signs_of_life_are_rare(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two beats that write lie BEAT_SECONDS, however often one is asked for; the file
    server is not even read in between."""
    written: list[float] = []
    now = [1000.0]
    monkeypatch.setattr(claim_module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(Claim, "_write", lambda self: written.append(now[0]))
    monkeypatch.setattr(Fence, "require", lambda self: written.append(-now[0]))
    while now[0] < 1000 + 2.5 * BEAT_SECONDS:
        claim.beat()
        now[0] += 0.5
    moments = [1000 + n * BEAT_SECONDS for n in range(3)]
    assert written == [moment for m in moments for moment in (-m, m)]


def test_a_full_disk_only_delays_a_sign_of_life(
    claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither beat nor end fail where nothing can be written."""

    def full(*_: Any) -> None:
        raise StorageError("full")

    before = claim.path.read_bytes()
    monkeypatch.setattr(claim_module, "write_durably", full)
    claim.beat(done_run_steps=1)
    claim.end(STOPPED, "")
    assert claim.path.read_bytes() == before


def test_a_released_claim_is_gone(tmp_path: Path) -> None:
    """Release removes the file, the last one its folder; what is released bars old attempts."""
    plan = make_plan(tmp_path)
    first, second = claim_task(plan, 0), claim_task(plan, 1)
    first.release()
    assert read_attempt(first.path) is None
    assert second.path.exists()
    with pytest.raises(SupersededError):
        first.fence.require()
    second.release()
    assert not second.path.parent.exists()
    second.release()


def test_a_silent_file_system_bars_nobody(tmp_path: Path) -> None:
    """What cannot be read now says nothing about the owner; what is no claim does."""
    Fence(tmp_path, "a", 0).require()
    (tmp_path / "claim").write_text("[]")
    with pytest.raises(SupersededError):
        Fence(tmp_path / "claim", "a", 0).require()


@pytest.mark.parametrize("text", ["", "[]", '{"token": "a"}', "\0", "{"])
def test_a_foreign_file_is_no_attempt(tmp_path: Path, text: str) -> None:
    """What cannot be read as an attempt is none."""
    (tmp_path / "0.json").write_text(text)
    assert read_attempt(tmp_path / "0.json") is None
    assert read_attempt(tmp_path / "1.json") is None


def test_who_is_alive(claim: Claim) -> None:
    """Here an attempt lives as long as its own process, silent or not, and another process that
    got the same id since does not count; elsewhere it lives by its signs; an ended one is dead."""
    attempt, now = claim.attempt, time.time()
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


def test_an_attempt_survives_its_file(tmp_path: Path, claim: Claim) -> None:
    """What an attempt says is read back in full."""
    plan = make_plan(tmp_path)
    attempt = replace(claim.attempt, job="1_2", restart=3, log="/a", reason="é\n", pid=1)
    write_attempt(plan, 1, attempt)
    assert read_attempt(plan.claim_path(1)) == attempt
