"""`schedule.py` on this machine's cores: the same plan, status and recovery without Slurm."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from plans import Commands
from processes import EXPERIMENT, ROOT, call, command, recorded, write_specs
from schedule_commands import arguments, listing

from nthrun.records.experiment import open_experiment
from nthrun.records.schema import Run, first_difference
from nthrun.scheduling.lease import RUNNING, STOPPED, read_attempt
from nthrun.scheduling.plan import plan_paths, read_plan

LONG = {
    "total_timesteps": 1000,
    "eval_interval_timesteps": 500,
    "checkpoint_interval_seconds": 0.1,
    "record": ["train_rewards", "metrics"],
}
SHORT = {"total_timesteps": 100}
ONE_SETTING = {"critic_lr": [0.001], "alpha": [0.1]}
TWO_SETTINGS = {"critic_lr": [0.001, 0.0003], "alpha": [0.1]}
TWO_SETTINGS |= {"num_worlds": [2], "updates_per_step": [2]}
PATIENCE_SECONDS = 300
OFTEN = """
from nthrun.commands.entry import execute
from nthrun.commands.schedule import schedule
from nthrun.scheduling import lease
lease.BEAT_SECONDS = 0.2
if __name__ == "__main__":
    execute(schedule)
"""
"""`schedule.py` with signs of life as often as short tests need them."""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH without Slurm."""
    return str(Commands(tmp_path / "commands", ["git"]).folder)


def prepare(
    directory: Path,
    environment: dict[str, object] | None = None,
    parameters: dict[str, object] | None = None,
) -> list[str]:
    """Write specs, and give the arguments of one run of each setting on one core."""
    write_specs(directory, environment, parameters)
    return [*arguments(directory), "--yes", "--cores", "1"]


def start(
    arguments: list[str], path: str, script: str = "schedule.py", **environment: str
) -> subprocess.Popen[str]:
    """Start `schedule.py` in a process group of its own."""
    return subprocess.Popen(
        command(script, *arguments),
        cwd=ROOT,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait for something while a process goes on."""
    for _ in range(PATIENCE_SECONDS * 50):
        if happened():
            return
        assert process.poll() is None, process.communicate()
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("waited too long")


def end(process: subprocess.Popen[str], code: int) -> tuple[str, str]:
    """What a process printed, once it has ended with a code."""
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == code, (output, errors)
    return output, errors


def newest_step(directory: Path) -> int:
    """The step of the newest checkpoint; 0 without one."""
    states = (directory / "out" / EXPERIMENT).glob("checkpoints/*/state-*.ckpt")
    return max((int(path.stem.removeprefix("state-")) for path in states), default=0)


def status(directory: Path, path: str) -> tuple[dict[str, str], list[str]]:
    """The only row of `--status` but its empty cells and counts of zero, and the lines below it."""
    done = call("schedule.py", "--status", str(directory / "out"), PATH=path)
    assert (done.returncode, done.stderr) == (0, ""), done
    headers, row, *details = done.stdout.splitlines()
    cells = dict(zip(headers.split(), row.split(), strict=False))
    del cells["experiment"]
    return {k: v for k, v in cells.items() if v != "0" or k == "left"}, details


def leases(directory: Path) -> list[Path]:
    """The files of attempts."""
    return sorted((directory / "out" / EXPERIMENT / "plans").glob("*/[0-9]*.json"))


def require_equal(runs: dict[tuple[int, int], Run], others: dict[tuple[int, int], Run]) -> None:
    """The same runs, with the same bits."""
    assert runs.keys() == others.keys()
    for identity, record in runs.items():
        assert first_difference(record, others[identity]) is None


def num_records(directory: Path, index: int) -> int:
    """How many records an index has."""
    entries = open_experiment(directory / "out" / EXPERIMENT).inventory().entries
    return len(entries.get((0, index), ()))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], Run]:
    """The records of both settings of the long runs, by `main.py`."""
    directory = tmp_path_factory.mktemp("undisturbed")
    specs = write_specs(directory, LONG, TWO_SETTINGS)
    save = ["--save-dir", str(directory / "out"), "--backend", "eager", "--index", "0-1"]
    done = call("main.py", *specs, *save)
    assert done.returncode == 0, done.stderr
    return recorded(directory / "out")


def test_what_is_missing_is_run_and_only_that(tmp_path: Path, path: str) -> None:
    """A first command runs all, in several tasks; another one meanwhile is refused, for the tasks
    that are not begun are not its own to take; given again it does nothing; after three records
    were deleted it runs those three. No files of attempts are left, and no torch is loaded for
    nothing."""
    given = [*prepare(tmp_path, SHORT), "--packsPerTask", "1", "--pack", "3"]
    assert call("schedule.py", "--help").returncode == 0  # the next such call starts at once
    first = start(given, path)
    wait_until(lambda: (tmp_path / "out" / EXPERIMENT).glob("runs/*.h5"), first)
    wait_until(lambda: leases(tmp_path), first)
    second = call("schedule.py", *given, PATH=path)
    assert second.returncode == 1
    assert "another schedule.py is submitting or running here" in second.stderr
    output, errors = end(first, 0)
    assert errors == ""
    said = [line for line in output.splitlines() if line.startswith("index ")]
    assert [line.partition(",")[0] for line in said] == [f"index {n}: completed" for n in range(6)]
    runs = recorded(tmp_path / "out")
    assert runs.keys() == {(0, n) for n in range(6)}
    assert [num_records(tmp_path, index) for index in range(6)] == [1] * 6
    root = tmp_path / "out" / EXPERIMENT
    (plan_path,) = plan_paths(root)
    plan = read_plan(plan_path)
    assert len(plan.tasks) == 2
    for number, task in enumerate(plan.tasks):
        for index in task.indices:
            (attempt,) = runs[0, index]["provenance"]["attempts"]
            told = attempt["plan"]
            assert (told["NTHRUN_PLAN"], told["NTHRUN_TASK"]) == (plan.name, str(number))
    before = listing(tmp_path)
    again = call("schedule.py", *given, PATH=path)
    assert (again.returncode, again.stderr, listing(tmp_path)) == (0, "", before)
    open_experiment(root).forget(0, [1, 2, 5])
    assert status(tmp_path, path)[0]["missing"] == "3"
    third = call("schedule.py", *given, PATH=path)
    assert (third.returncode, third.stderr) == (0, "")
    assert sorted(re.findall(r"index (\d): completed", third.stdout)) == ["1", "2", "5"]
    require_equal(recorded(tmp_path / "out"), runs)
    assert not leases(tmp_path)
    assert status(tmp_path, path) == ({"expected": "6", "recorded": "6"}, [])


@pytest.mark.slow
def test_a_killed_plan_is_gone_and_continues(
    tmp_path: Path, path: str, undisturbed: dict[tuple[int, int], Run]
) -> None:
    """While a plan runs, `--status` shows its progress and the same command finds nothing to do,
    also when it was given within a job of Slurm, which does not know of it as a task; after
    kill -9 `--status` says that it is gone, and the same command continues from the checkpoint
    and ends with the bits of an undisturbed run."""
    script = tmp_path / "often.py"
    script.write_text(OFTEN)
    given = prepare(tmp_path, LONG, TWO_SETTINGS)
    process = start(given, path, str(script), SLURM_JOB_ID="77")

    def has_progress() -> bool:
        found = [read_attempt(lease) for lease in leases(tmp_path)]
        return any(a is not None and a.new_run_steps for a in found)

    wait_until(lambda: newest_step(tmp_path) and has_progress(), process)
    os.killpg(process.pid, signal.SIGSTOP)
    cells, details = status(tmp_path, path)
    assert (cells["expected"], cells["running"]) == ("2", "2")
    assert "left" in cells
    (line,) = details
    assert re.search(r"task 0, here: [1-9]\d*% done, last sign of life \d+ s ago", line)
    again = call("schedule.py", *given, PATH=path)
    assert again.returncode == 0, again.stderr
    assert len(plan_paths(tmp_path / "out" / EXPERIMENT)) == 1
    process.kill()
    process.wait()
    cells, (line,) = status(tmp_path, path)
    assert (cells["expected"], cells["missing"]) == ("2", "2")
    assert "index 0-1: the process is gone, last seen" in line
    os.killpg(process.pid, signal.SIGCONT)
    process.communicate()
    done = call("schedule.py", *given, PATH=path)
    assert done.returncode == 0, done.stderr
    runs = recorded(tmp_path / "out")
    require_equal(runs, undisturbed)
    steps = [attempt["step"] for attempt in runs[0, 0]["provenance"]["attempts"]]
    assert [step > 0 for step in steps] == [False, True]
    assert status(tmp_path, path)[0]["recorded"] == "2"


@pytest.mark.slow
def test_signals_save_and_the_same_command_continues(
    tmp_path: Path, path: str, undisturbed: dict[tuple[int, int], Run]
) -> None:
    """Ctrl-C, which reaches the workers too, and `--cancel` save at once, in one line and with
    exit code 128 + signal, and `--status` says how it ended; the same command ends with the
    undisturbed bits; then there is nothing to cancel."""
    given = prepare(tmp_path, LONG, TWO_SETTINGS)
    process = start(given, path)
    wait_until(lambda: newest_step(tmp_path), process)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = end(process, 130)
    assert errors == "error: stopped by signal 2; the same command continues\n"
    _, (line,) = status(tmp_path, path)
    assert line.endswith("index 0-1: ended by SIGINT; its checkpoints continue")
    step = newest_step(tmp_path)
    process = start(given, path)
    wait_until(lambda: newest_step(tmp_path) > step, process)
    os.killpg(process.pid, signal.SIGSTOP)
    cancel = ("schedule.py", "--cancel", str(tmp_path / "out"))
    unasked = call(*cancel, PATH=path)
    assert unasked.returncode == 2
    assert "add --yes" in unasked.stderr
    assert process.poll() is None
    cancelled = call(*cancel, "--yes", PATH=path)
    assert (cancelled.returncode, cancelled.stderr) == (0, "")
    assert cancelled.stdout.startswith("cancelled 1 task;")
    os.killpg(process.pid, signal.SIGCONT)
    end(process, 143)
    assert not recorded(tmp_path / "out")
    assert newest_step(tmp_path) > step
    done = call("schedule.py", *given, PATH=path)
    assert done.returncode == 0, done.stderr
    runs = recorded(tmp_path / "out")
    require_equal(runs, undisturbed)
    assert len(runs[0, 0]["provenance"]["attempts"]) == 3
    nothing = call(*cancel, PATH=path)
    assert (nothing.returncode, nothing.stdout) == (0, "nothing is queued or running\n")


@pytest.mark.slow
def test_a_superseded_attempt_writes_nothing(
    tmp_path: Path, path: str, undisturbed: dict[tuple[int, int], Run]
) -> None:
    """An attempt whose lease another has taken trains to the end of its pack, records nothing and
    leaves the lease alone; while the other gives signs of life its runs are under way; when that
    has stopped, the same command continues and ends with the undisturbed bits."""
    given = prepare(tmp_path, LONG, TWO_SETTINGS)
    process = start(given, path)
    wait_until(lambda: newest_step(tmp_path), process)
    (lease,) = leases(tmp_path)
    taken = read_attempt(lease)
    assert taken is not None
    other = replace(taken, token="another", host="elsewhere", state=RUNNING)
    lease.write_text(json.dumps({n: getattr(other, n) for n in other.__slots__}))
    _, errors = end(process, 1)
    assert errors == (f"error: {lease}: another attempt has taken this task over; this one ends\n")
    assert not recorded(tmp_path / "out")
    assert read_attempt(lease) == other
    unneeded = call("schedule.py", *given, PATH=path)
    assert unneeded.returncode == 0
    assert not recorded(tmp_path / "out")
    stopped = replace(other, state=STOPPED)
    lease.write_text(json.dumps({n: getattr(stopped, n) for n in other.__slots__}))
    done = call("schedule.py", *given, PATH=path)
    assert done.returncode == 0, done.stderr
    require_equal(recorded(tmp_path / "out"), undisturbed)


FULL = """
import errno, os, pathlib
from nthrun.commands import task_runner
from nthrun.commands.entry import execute
from nthrun.commands.schedule import schedule
task_runner.STORAGE_SECONDS = 0.2
real = os.fsync
def full(descriptor):
    path = pathlib.Path(os.readlink(f"/proc/self/fd/{descriptor}"))
    there = list(path.parent.glob("state-*.ckpt"))
    if path.parent.name.startswith("stage0-") and there and not os.path.exists(os.environ["FREE"]):
        raise OSError(errno.ENOSPC, "No space left on device")
    real(descriptor)
os.fsync = full
if __name__ == "__main__":
    execute(schedule)
"""
"""A disk with room for one checkpoint, until a file says that there is more."""


@pytest.mark.slow
def test_a_full_disk_is_waited_for(
    tmp_path: Path, path: str, undisturbed: dict[tuple[int, int], Run]
) -> None:
    """While the disk takes nothing a task says so and tries again; when there is room it goes on
    from its checkpoint in the same attempt, and ends with the undisturbed bits."""
    script = tmp_path / "full.py"
    script.write_text(FULL)
    given = prepare(tmp_path, LONG, TWO_SETTINGS)
    process = start(given, path, str(script), FREE=str(tmp_path / "free"))
    assert process.stderr is not None
    said = process.stderr.readline()
    assert "No space left on device" in said
    assert said.endswith("; trying again in 0 s\n")
    step = newest_step(tmp_path)
    assert step
    (tmp_path / "free").touch()
    end(process, 0)
    runs = recorded(tmp_path / "out")
    require_equal(runs, undisturbed)
    attempts = runs[0, 0]["provenance"]["attempts"]
    assert [attempt["step"] for attempt in attempts][:2] == [0, step]
    assert len({attempt["plan"]["NTHRUN_ATTEMPT"] for attempt in attempts}) == 1
    assert not leases(tmp_path)


BROKEN = """
from dataclasses import replace
from nthrun.agents.registry import AGENTS
from nthrun.agents.sac.program import SoftActorCritic
from nthrun.commands.entry import execute
from nthrun.commands.schedule import schedule
def act(self, state, observation, noise, step):
    raise ZeroDivisionError("broken agent")
SoftActorCritic.act = act
AGENTS["Other"] = replace(AGENTS["SAC"], name="Other")
if __name__ == "__main__":
    execute(schedule)
"""


@pytest.mark.slow
def test_failed_runs(tmp_path: Path, path: str) -> None:
    """A run that fails is recorded as failed, `--status` tells why, and the exit code is 1 when all
    experiments of the command were run; it is not run again until `--retry-failed`."""
    script = tmp_path / "broken.py"
    script.write_text(BROKEN)
    given = prepare(tmp_path, SHORT, ONE_SETTING)
    agent = json.loads((tmp_path / "agent.json").read_text())
    (tmp_path / "other.json").write_text(json.dumps(agent | {"agent_name": "Other"}))
    failed = call(
        str(script), *given, str(tmp_path / "other.json"), PATH=path, PYTHONPATH=str(ROOT)
    )
    assert failed.returncode == 1
    assert failed.stdout.count("ZeroDivisionError: broken agent") == 2
    assert failed.stdout.count("total") == 1
    assert failed.stderr.splitlines()[-1].startswith("error: 1 of 1 tasks ended")
    told = call("schedule.py", "--status", str(tmp_path / "out"), PATH=path)
    assert told.stdout.count("index 0: the run failed: ZeroDivisionError: broken agent") == 2
    assert len(told.stdout.splitlines()) == 5
    again = call("schedule.py", *given, PATH=path)
    assert (again.returncode, again.stderr) == (0, "")
    assert "failed: index 0; --retry-failed runs them again" in again.stdout
    retried = call("schedule.py", *given, "--retry-failed", PATH=path)
    assert (retried.returncode, retried.stderr) == (0, "")
    assert "index 0: completed, 100 steps" in retried.stdout


def test_without_a_terminal_nobody_is_asked(tmp_path: Path, path: str) -> None:
    """Without --yes and a terminal nothing is begun; at a terminal, no is an answer."""
    given = [option for option in prepare(tmp_path) if option != "--yes"]
    refused = call("schedule.py", *given, PATH=path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: nobody to ask, as stdin is no terminal")
    assert len(refused.stderr.splitlines()) == 1
    ours, theirs = pty.openpty()
    os.write(ours, b"n\n")
    answered = subprocess.run(
        command("schedule.py", *given),
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert answered.returncode == 130
    assert "run 1 task?" in answered.stderr
    assert not (tmp_path / "out").exists()
