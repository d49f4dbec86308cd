"""Interruption of the real command: kill -9, Ctrl-C, SIGTERM, a full disk."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from disks import small_disk
from processes import EXPERIMENT, ROOT, call, command, recorded, write_specs

from nthrun.records.durable_file import read_header
from nthrun.records.experiment import open_experiment
from nthrun.records.schema import Run, first_difference

TOTAL = 15_000
NETWORK = {"hidden_dim": [64], "batch_size": [32]}
LONG = {
    "total_timesteps": TOTAL,
    "eval_interval_timesteps": 3_750,
    "checkpoint_interval_seconds": 0.1,
    "record": ["train_rewards", "metrics"],
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The record of index 1 trained without interruption."""
    directory = tmp_path_factory.mktemp("undisturbed")
    options = [*write_specs(directory, LONG, NETWORK), "--save-dir", str(directory / "out")]
    done = call("main.py", *options, "--index", "1")
    assert done.returncode == 0, done.stderr
    return recorded(directory / "out")[0, 1]


def newest_step(experiment: Path) -> int:
    """The step of the newest checkpoint; 0 without one."""
    states = experiment.glob("checkpoints/*/state-*.ckpt")
    return max((int(path.stem.removeprefix("state-")) for path in states), default=0)


def start(options: list[str]) -> subprocess.Popen[str]:
    """Start training index 1 in the background."""
    return subprocess.Popen(
        command("main.py", *options, "--index", "1"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_step(process: subprocess.Popen[str], experiment: Path, step: int) -> None:
    """Wait until a checkpoint stands at a step or later."""
    deadline = time.monotonic() + 300
    while newest_step(experiment) < step:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_kills_leave_the_undisturbed_record(tmp_path: Path, undisturbed: Run, kills: int) -> None:
    """Killed many times at random moments, a run ends with the bits of an undisturbed one; each
    attempt began at the newest checkpoint the kill before had left, and at no moment did
    anything unfinished count as recorded."""
    options = [*write_specs(tmp_path, LONG, NETWORK), "--save-dir", str(tmp_path / "out")]
    experiment = tmp_path / "out" / EXPERIMENT
    moments = random.Random(0)
    began = []
    for _ in range(kills):
        step = newest_step(experiment)
        process = start(options)
        if moments.random() < 0.7 and step < TOTAL * 0.9:
            wait_for_step(process, experiment, step + moments.randrange(1, TOTAL // kills))
        else:
            time.sleep(moments.uniform(0.2, 2.0))
        process.kill()
        process.communicate()
        if (experiment / "manifest.json").exists():
            inventory = open_experiment(experiment).inventory()
            assert not inventory.unreadable
            assert not inventory.entries
        if newest_step(experiment) > step:
            began.append(step)
    began.append(newest_step(experiment))
    done = call("main.py", *options, "--index", "1")
    assert done.returncode == 0, done.stderr
    run = recorded(tmp_path / "out")[0, 1]
    assert first_difference(run, undisturbed) is None
    assert [attempt["step"] for attempt in run["provenance"]["attempts"]] == began
    assert len(began) > kills // 3
    assert not list(experiment.glob("checkpoints/*"))


@pytest.mark.slow
def test_a_kill_at_four_fifths_starts_again_above_three(tmp_path: Path, undisturbed: Run) -> None:
    """A run killed at 80 % does not begin its next attempt below 60 %."""
    options = [*write_specs(tmp_path, LONG, NETWORK), "--save-dir", str(tmp_path / "out")]
    process = start(options)
    wait_for_step(process, tmp_path / "out" / EXPERIMENT, int(TOTAL * 0.8))
    process.kill()
    process.communicate()
    assert call("main.py", *options, "--index", "1").returncode == 0
    run = recorded(tmp_path / "out")[0, 1]
    assert [attempt["step"] > TOTAL * 0.6 for attempt in run["provenance"]["attempts"]] == [
        False,
        True,
    ]
    assert first_difference(run, undisturbed) is None


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM]
)
def test_a_signal_checkpoints_and_says_how_to_go_on(
    tmp_path: Path, undisturbed: Run, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM save at once, whatever the checkpoint interval, in one line, with exit
    code 128 + signal; the same command ends with the undisturbed record."""
    rare = LONG | {"checkpoint_interval_seconds": 100_000, "snapshot_interval_timesteps": 2500}
    options = [*write_specs(tmp_path, rare, NETWORK), "--save-dir", str(tmp_path / "out")]
    process = start(options)
    experiment = tmp_path / "out" / EXPERIMENT
    deadline = time.monotonic() + 300
    while not list(experiment.glob("snapshots/*step2500*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 128 + number
    assert len(errors.splitlines()) == 1
    assert "the same command continues" in errors
    step = newest_step(experiment)
    assert step >= 2500
    done = call("main.py", *options, "--index", "1")
    assert done.returncode == 0, done.stderr
    run = recorded(tmp_path / "out")[0, 1]
    assert [attempt["step"] for attempt in run["provenance"]["attempts"]] == [0, step]
    assert first_difference(run, undisturbed) is None


KILL_AT_CALL = """
import os, signal, sys
from nthrun.commands.entry import execute
from nthrun.commands.run import run
name, count = sys.argv.pop(1), int(sys.argv.pop(1))
real, calls = getattr(os, name), 0
def dying(*arguments, **options):
    global calls
    calls += 1
    if calls == count:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **options)
setattr(os, name, dying)
execute(run)
"""


@pytest.mark.parametrize(
    ("function", "count"),
    [
        ("fsync", 4),
        ("replace", 1),
        *(pytest.param("fsync", n, marks=pytest.mark.slow) for n in (1, 2, 3, 5, 6, 7)),
    ],
)
def test_a_kill_while_writing_leaves_nothing_half_done(
    tmp_path: Path, function: str, count: int
) -> None:
    """Killed at any system call that makes a file durable, nothing half-written counts, and the
    same command ends well."""
    script = tmp_path / "dying.py"
    script.write_text(KILL_AT_CALL)
    specs = [*write_specs(tmp_path), "--save-dir", str(tmp_path / "out"), "--index", "0"]
    killed = call(str(script), function, str(count), *specs, PYTHONPATH=str(ROOT))
    assert killed.returncode == -signal.SIGKILL
    experiment = tmp_path / "out" / EXPERIMENT
    if (experiment / "manifest.json").exists():
        assert not open_experiment(experiment).inventory().unreadable
    done = call("main.py", *specs)
    assert done.returncode == 0, done.stderr
    assert recorded(tmp_path / "out")[0, 0]["status"] == "completed"
    assert not open_experiment(experiment).inventory().unreadable


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """On a full disk training stops with one clear line; what was recorded stays, and when there
    is room again the same command continues from the last checkpoint."""
    with small_disk("600k") as disk:
        environment = {"checkpoint_interval_seconds": 1e-6, "total_timesteps": 1000}
        parameters = {"hidden_dim": [32], "replay_capacity": [20_000]}
        specs = [*write_specs(tmp_path, environment, parameters), "--save-dir", str(disk / "out")]
        specs += ["--backend", "eager"]  # slow enough for checkpoints to fill the disk
        first = call("main.py", *specs, "--index", "0")
        assert first.returncode == 0, first.stderr
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(1024))
        with ballast.open("rb+") as file:
            file.truncate(max(0, ballast.stat().st_size - 120 * 1024))
        full = call("main.py", *specs, "--index", "1")
        assert full.returncode == 1
        assert len(full.stderr.splitlines()) == 1, full.stderr
        assert "No space left on device" in full.stderr
        assert "the same command again" in full.stderr
        assert recorded(disk / "out").keys() == {(0, 0)}
        step = newest_step(disk / "out" / EXPERIMENT)
        ballast.unlink()
        again = call("main.py", *specs, "--index", "0,1")
        assert again.returncode == 0, again.stderr
        runs = recorded(disk / "out")
        assert runs.keys() == {(0, 0), (0, 1)}
        assert runs[0, 1]["provenance"]["attempts"][-1]["step"] == step > 0


FULL_AT_FSYNC = """
import errno, os
from nthrun.commands.entry import execute
from nthrun.commands.run import run
real = os.fsync
def full(descriptor):
    if "-stage0-0-0-" in os.readlink(f"/proc/self/fd/{descriptor}"):
        raise OSError(errno.ENOSPC, "No space left on device")
    real(descriptor)
os.fsync = full
execute(run)
"""


def test_a_disk_that_fills_while_recording(tmp_path: Path) -> None:
    """When the final write fails the run is not recorded, and that is said in one line."""
    script = tmp_path / "full.py"
    script.write_text(FULL_AT_FSYNC)
    specs = [*write_specs(tmp_path), "--save-dir", str(tmp_path / "out"), "--index", "0"]
    full = call(str(script), *specs, PYTHONPATH=str(ROOT))
    assert full.returncode == 1
    assert full.stderr.startswith("error: cannot write")
    assert len(full.stderr.splitlines()) == 1
    assert not recorded(tmp_path / "out")
    assert not list((tmp_path / "out").rglob(".writing-*"))


def test_checkpoints_say_whose_they_are(tmp_path: Path) -> None:
    """A checkpoint's header tells stage, step, indices and what a continuing process must share."""
    options = [*write_specs(tmp_path, LONG, NETWORK), "--save-dir", str(tmp_path / "out")]
    process = start(options)
    experiment = tmp_path / "out" / EXPERIMENT
    wait_for_step(process, experiment, 1)
    process.kill()
    process.communicate()
    header = read_header(sorted(experiment.glob("checkpoints/*/state-*.ckpt"))[-1])
    assert header["stage"] == 0
    assert [lane["index"] for lane in header["lanes"]] == [1]
    assert {"code", "torch", "numpy", "processor", "backend", "fingerprint"} <= header[
        "facts"
    ].keys()
