"""`main.py --workers`: the same records by several processes, whatever becomes of them."""

from __future__ import annotations

import math
import os
import pickle
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from processes import EXPERIMENT, ROOT, call, command, recorded, write_specs

from nthrun.commands.run import run
from nthrun.commands.worker_process import Placements, visible_gpus
from nthrun.errors import (
    Fault,
    FingerprintError,
    InterruptedRunError,
    MissingExtraError,
    NthrunError,
    SpecError,
    StorageError,
)
from nthrun.records.schema import Run, first_difference
from nthrun.training.progress import Advanced, Began, Lost, Recorded, TrainingProgress

LONG = {
    "total_timesteps": 700,
    "eval_interval_timesteps": 350,
    "checkpoint_interval_seconds": 0.1,
    "record": ["train_rewards", "metrics"],
}
RARELY = {"checkpoint_interval_seconds": 100_000, "snapshot_interval_timesteps": 200}
TWO = ("--workers", "2", "--index", "0,1")
PATIENCE_SECONDS = 300


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], Run]:
    """The records of indices 0 to 2, trained in one process."""
    directory = tmp_path_factory.mktemp("undisturbed")
    done = call("main.py", *options(directory, LONG), "--index", "0-2")
    assert done.returncode == 0, done.stderr
    return recorded(directory / "out")


def options(directory: Path, environment: dict[str, object] | None = None) -> list[str]:
    """Options of the small experiment, trained as fast or slow everywhere."""
    specs = write_specs(directory, environment)
    return [*specs, "--save-dir", str(directory / "out"), "--backend", "eager"]


def start(arguments: list[str]) -> subprocess.Popen[str]:
    """Start training indices 0 and 1 by two workers, in a process group of their own."""
    return subprocess.Popen(
        command("main.py", *arguments, *TWO),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(
    happened: Callable[[], object], process: subprocess.Popen[str] | None = None
) -> None:
    """Wait for something, while a process goes on."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def workers_of(parent: int) -> list[int]:
    """The living worker processes of a process, in the order in which they started."""
    found = {pid: parent_and_start(int(pid)) for pid in os.listdir("/proc") if pid.isdecimal()}
    ours = {int(pid): start for pid, (its_parent, start) in found.items() if its_parent == parent}
    return sorted(ours, key=lambda pid: (ours[pid], pid))


def parent_and_start(pid: int) -> tuple[int, int]:
    """A worker's parent and the clock tick it started at; zeros where there is no such worker."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        called = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return 0, 0
    return (int(stat[1]), int(stat[19])) if b"spawn_main" in called else (0, 0)


def newest_step(directory: Path, index: int) -> int:
    """The step of an index's newest checkpoint; 0 without one."""
    states = (directory / "out" / EXPERIMENT).glob(f"checkpoints/stage0-{index}-{index}-*/state-*")
    return max((int(path.stem.removeprefix("state-")) for path in states), default=0)


def num_snapshots(directory: Path, step: int) -> int:
    """How many runs have reached a step."""
    return len(list((directory / "out" / EXPERIMENT / "snapshots").glob(f"*-step{step}.h5")))


def first_steps(run: Run) -> list[int]:
    """The step each attempt at a run began at."""
    return [attempt["step"] for attempt in run["provenance"]["attempts"]]


def require_equal(runs: dict[tuple[int, int], Run], others: dict[tuple[int, int], Run]) -> None:
    """Every run has the bits of its counterpart."""
    for identity, record in runs.items():
        assert first_difference(record, others[identity]) is None


def test_bits_do_not_depend_on_workers(
    tmp_path: Path, undisturbed: dict[tuple[int, int], Run]
) -> None:
    """Records made by two workers are those of one process, and said once each on stdout; the
    packs are narrow enough that both have one."""
    done = call("main.py", *options(tmp_path, LONG), "--workers", "2", "--index", "0-2")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if line.startswith("index")]
    said = sorted(line.partition(",")[0] for line in lines)
    assert said == [f"index {index}: completed" for index in range(3)]
    runs = recorded(tmp_path / "out")
    assert runs.keys() == undisturbed.keys()
    require_equal(runs, undisturbed)
    assert len({run["provenance"]["shard"] for run in runs.values()}) == 2
    assert len({run["provenance"]["shard"] for run in undisturbed.values()}) == 1


def test_a_killed_worker_costs_only_its_pack(
    tmp_path: Path, undisturbed: dict[tuple[int, int], Run]
) -> None:
    """After kill -9 of a worker a fresh one continues its pack from the checkpoint; the other
    worker's pack is not touched."""
    process = start(options(tmp_path, LONG))
    wait_until(lambda: newest_step(tmp_path, 0), process)
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, errors
    killed = "index 0: its worker was killed by signal 9 (Killed)"
    assert errors == f"note: {killed}; trying once more\n"
    runs = recorded(tmp_path / "out")
    assert runs.keys() == {(0, 0), (0, 1)}
    require_equal(runs, undisturbed)
    assert [step > 0 for step in first_steps(runs[0, 0])] == [False, True]
    assert first_steps(runs[0, 1]) == [0]
    assert not list((tmp_path / "out" / EXPERIMENT).glob("checkpoints/*"))


@pytest.mark.slow
def test_a_worker_killed_twice_is_reported(
    tmp_path: Path, undisturbed: dict[tuple[int, int], Run]
) -> None:
    """If the fresh worker dies too, its index is named, the other one is recorded, and the exit
    code is 1; the same command continues from the checkpoint."""
    arguments = options(tmp_path, LONG)
    process = start(arguments)
    wait_until(lambda: newest_step(tmp_path, 0), process)
    first = workers_of(process.pid)
    os.kill(first[0], signal.SIGKILL)
    wait_until(lambda: set(workers_of(process.pid)).difference(first), process)
    (fresh,) = set(workers_of(process.pid)).difference(first)
    os.kill(fresh, signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    *notes, error = errors.splitlines()
    killed = "note: index 0: its worker was killed by signal 9 (Killed)"
    assert notes == [f"{killed}; trying once more", f"{killed} again; given up"]
    assert error.startswith("error: not finished: index 0, whose worker died twice; hint: ")
    assert recorded(tmp_path / "out").keys() == {(0, 1)}
    step = newest_step(tmp_path, 0)
    again = call("main.py", *arguments, *TWO)
    assert again.returncode == 0, again.stderr
    runs = recorded(tmp_path / "out")
    require_equal(runs, undisturbed)
    assert first_steps(runs[0, 0]) == [0, step]


@pytest.mark.slow
def test_signals_save_every_pack(tmp_path: Path, undisturbed: dict[tuple[int, int], Run]) -> None:
    """Ctrl-C, which reaches the workers too, and SIGTERM to the command: every pack is saved at
    once, in one line and with exit code 128 + signal; the same command ends with the same bits."""
    arguments = options(tmp_path, LONG | RARELY)
    steps = [[0], [0]]
    for number, send, step in ((signal.SIGINT, os.killpg, 200), (signal.SIGTERM, os.kill, 400)):
        process = start(arguments)
        wait_until(lambda step=step: num_snapshots(tmp_path, step) == 2, process)
        send(process.pid, number)
        output, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, output) == (128 + number, "")
        stopped = f"stopped by signal {number:d} at index 0-1"
        assert errors == f"error: {stopped}; the same command continues from there\n"
        for index in (0, 1):
            steps[index].append(newest_step(tmp_path, index))
            assert steps[index][-1] >= step
    done = call("main.py", *arguments, *TWO)
    assert (done.returncode, done.stderr) == (0, "")
    runs = recorded(tmp_path / "out")
    require_equal(runs, undisturbed)
    assert [first_steps(runs[0, index]) for index in (0, 1)] == steps


@pytest.mark.slow
def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """When the command itself is killed, its workers save their packs and go."""
    process = start(options(tmp_path, LONG | RARELY))
    wait_until(lambda: num_snapshots(tmp_path, 200) == 2, process)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    process.kill()
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    wait_until(lambda: not any(map(sum, map(parent_and_start, workers))))
    assert errors == ""
    assert min(newest_step(tmp_path, index) for index in (0, 1)) >= 200


FULL_FOR_INDEX_0 = """
import errno, os, pathlib, time
from nthrun.commands.entry import execute
from nthrun.commands.run import run
real = os.fsync
def full(descriptor):
    path = pathlib.Path(os.readlink(f"/proc/self/fd/{descriptor}"))
    if path.parent.name.startswith("stage0-0-0-"):
        while not list(path.parent.parent.glob("stage0-1-1-*/state-*")):
            time.sleep(0.01)
        raise OSError(errno.ENOSPC, "No space left on device")
    real(descriptor)
os.fsync = full
if __name__ == "__main__":
    execute(run)
"""


@pytest.mark.slow
def test_a_full_disk_ends_all(tmp_path: Path) -> None:
    """A worker that cannot write ends the command in one line; the other saves its pack."""
    script = tmp_path / "full.py"
    script.write_text(FULL_FOR_INDEX_0)
    full = call(str(script), *options(tmp_path, LONG), *TWO, PYTHONPATH=str(ROOT))
    assert full.returncode == 1
    assert full.stderr.startswith("error: cannot write")
    assert "No space left on device" in full.stderr
    assert len(full.stderr.splitlines()) == 1
    assert not recorded(tmp_path / "out")
    assert newest_step(tmp_path, 0) == 0 < newest_step(tmp_path, 1)


BROKEN = """
from nthrun.agents.sac.program import SoftActorCritic
from nthrun.commands.entry import execute
from nthrun.commands.run import run
from nthrun.records.experiment import Experiment
def act(self, state, observation, noise, step):
    raise ZeroDivisionError("broken agent")
SoftActorCritic.act = act
real = Experiment.write
def write(self, stage, runs, **options):
    if runs[0]["index"] == 1:
        raise RuntimeError("broken writing")
    return real(self, stage, runs, **options)
Experiment.write = write
if __name__ == "__main__":
    execute(run)
"""


@pytest.mark.slow
def test_failing_runs_and_failing_workers(tmp_path: Path) -> None:
    """A run that fails is recorded as failed, whoever trains it; a worker that fails is reported
    with its exception, and both are named in the end."""
    script = tmp_path / "broken.py"
    script.write_text(BROKEN)
    done = call(str(script), *options(tmp_path), *TWO, PYTHONPATH=str(ROOT))
    assert done.returncode == 1
    assert "index 0: failed, 0 steps, ZeroDivisionError: broken agent" in done.stdout
    ended = "note: index 1: its worker ended by RuntimeError: broken writing"
    *notes, error = done.stderr.splitlines()
    assert notes == [f"{ended}; trying once more", f"{ended} again; given up"]
    assert error.startswith(
        "error: not finished: index 1, whose worker died twice; failed: index 0"
    )
    assert recorded(tmp_path / "out").keys() == {(0, 0)}


@pytest.mark.parametrize(
    "arguments", [("2", "--monitor"), ("2", "--verify"), ("0",), ("1025",), ("x",)]
)
def test_workers_that_cannot_be(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """What several processes cannot do is refused, naming --workers."""
    with pytest.raises(click.UsageError) as refused:
        run.main(
            [*options(tmp_path), "--index", "0", "--workers", *arguments], standalone_mode=False
        )
    assert "--workers" in refused.value.format_message()


@pytest.mark.parametrize(
    ("environment", "count", "gpus"),
    [
        ({}, 3, ["0", "1", "2"]),
        ({}, 0, []),
        ({"CUDA_VISIBLE_DEVICES": "2, 5"}, 2, ["2", "5"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-1f,MIG-2e"}, 2, ["GPU-1f", "MIG-2e"]),
        ({"CUDA_VISIBLE_DEVICES": "1,-1,0"}, 1, ["1"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, 0, []),
    ],
)
def test_gpus_go_round(environment: dict[str, str], count: int, gpus: list[str]) -> None:
    """Each worker gets one of the GPUs that the parent sees, in turn, under the parent's name."""
    found = visible_gpus(environment, count)
    assert found == gpus
    given = [Placements(found).of(worker).gpu for worker in range(4)]
    assert given == ([gpus[worker % len(gpus)] for worker in range(4)] if gpus else [None] * 4)


@pytest.mark.parametrize(
    "error",
    [
        StorageError("cannot write", "free space"),
        InterruptedRunError("stopped", 15),
        MissingExtraError("no pygame", "install it"),
        FingerprintError("another spec"),
        SpecError([Fault("agent.json", "tau", "wrong"), Fault("agent.json", "alpha", "too")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_cross_processes(error: NthrunError) -> None:
    """An error arrives from another process as it was raised."""
    other = pickle.loads(pickle.dumps(error))
    assert type(other) is type(error)
    assert (other.lines(), other.exit_code) == (error.lines(), error.exit_code)
    assert (other.message, other.hint, other.args) == (error.message, error.hint, error.args)


def test_progress_counts_a_lost_pack_once() -> None:
    """Steps that a dead worker did are to be done again, but for those its checkpoint holds."""
    progress = TrainingProgress(400)
    (bar,) = progress._bar.tasks
    progress.show(Began((0, 1), 40), 0)
    progress.show(Began((2, 3), 0), 1)
    assert bar.description == "2 workers: index 0-1 | 2-3"
    progress.show(Advanced(100, math.nan), 0)
    progress.show(Advanced(50, math.nan), 1)
    assert (bar.completed, bar.total) == (150, 360)
    progress.show(Lost(), 0)
    assert (bar.completed, bar.total) == (50, 400)
    progress.show(Began((0, 1), 100), 0)
    progress.show(Advanced(100, math.nan), 0)
    progress.show(Recorded(0, False, "index 0: completed"), 0)
    progress.show(Lost(), 0)
    assert (bar.completed, bar.total) == (150, 300)
    assert bar.description == "index 2-3"
