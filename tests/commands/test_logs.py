"""`nthrun logs`: what the task of an index has printed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from in_process import ended
from plans import lease_task, own_experiment, record, written_plan

from nthrun.__main__ import commands
from nthrun.scheduling.lease import STOPPED


def logs(root: Path, index: int, *words: str) -> tuple[object, str, str]:
    """Exit code and what was printed."""
    outcome = ended(commands, "logs", str(root), "--index", str(index), *words)
    return outcome.code, outcome.out, outcome.err


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of the second task of a plan, that of index 3, which runs."""
    path = tmp_path / "e/logs/task.log"
    path.parent.mkdir(parents=True)
    path.write_text("begins\r\x1b[31mhalf done\nall done")
    lease_task(written_plan(tmp_path / "e"), 1, log=str(path))
    return path


def test_the_log_of_a_task(log: Path, tmp_path: Path) -> None:
    """All that the task printed is shown line by line, its control characters written out."""
    code, out, err = logs(tmp_path / "e", 3)
    assert (code, out.splitlines(), err) == (0, ["begins", r"\x1b[31mhalf done", "all done"], "")


def test_follow_ends_with_the_task(tmp_path: Path) -> None:
    """With --follow it is shown what comes after, until the attempt has ended."""
    path = tmp_path / "e/logs/task.log"
    path.parent.mkdir(parents=True)
    path.write_text("first\n")
    lease = lease_task(written_plan(tmp_path / "e"), 1, log=str(path))

    def go_on() -> None:
        time.sleep(0.3)
        with path.open("a") as file:
            file.write("second\n")
        lease.end(STOPPED, "time is up")

    task = threading.Thread(target=go_on)
    task.start()
    code, out, _ = logs(tmp_path / "e", 3, "--follow")
    task.join()
    assert (code, out) == (0, "first\nsecond\n")


def test_why_there_is_no_log(tmp_path: Path) -> None:
    """A run that has none says why: not scheduled, not begun, recorded, or a log elsewhere."""
    root = tmp_path / "e"
    record(own_experiment(root), 5)
    plan = written_plan(root)
    (tmp_path / "elsewhere.log").write_text("secret")
    lease_task(plan, 0, log=str(tmp_path / "elsewhere.log"))
    for index, said in (
        (4, "was not scheduled"),
        (3, "its task has not begun"),
        (5, "is recorded"),
        (0, "what it printed lies outside the experiment"),
    ):
        code, out, err = logs(root, index)
        assert (code, out) == (2, "")
        assert said in err
