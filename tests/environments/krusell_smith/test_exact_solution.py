"""Exact solutions on disk: found once, shared by processes, and not trusted where others wrote."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from environments.krusell_smith.economies import JEDC

from nthrun.environments.krusell_smith.calibration import GivenLabourCalibration
from nthrun.environments.krusell_smith.classical import Grids, Solution
from nthrun.environments.krusell_smith.evaluation import DATES
from nthrun.environments.krusell_smith.exact_solution import (
    _arrays,
    exact_solution,
    solution_key,
)
from nthrun.environments.markov_chains import Array
from nthrun.errors import NoSolutionError
from nthrun.files.cache_folder import NOTED_VARIABLE
from nthrun.records.durable_file import write_checksummed

QUICK = Grids(num_points=80, num_choices=40, capital_step=0.5, tolerance=3e-3)
ECONOMY = GivenLabourCalibration().economy()
OWN = f"nthrun-{os.getuid()}"
SAID = "the exact law of motion was solved"
PROGRAM = """
from nthrun.environments.krusell_smith.calibration import GivenLabourCalibration
from nthrun.environments.krusell_smith.classical import Grids
from nthrun.environments.krusell_smith.exact_solution import exact_solution
grids = Grids(num_points=80, num_choices=40, capital_step=0.5, tolerance=3e-3)
print("begun", flush=True)
exact_solution(GivenLabourCalibration().economy(), False, grids)
"""


@pytest.fixture(autouse=True)
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which solutions are kept."""
    (tmp_path / "cache").mkdir(mode=0o755)
    monkeypatch.setenv("NTHRUN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "temporary").mkdir(mode=0o755)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv(NOTED_VARIABLE, "")
    return tmp_path / "cache" / OWN


def solution() -> Solution:
    """The solution of the economy, quickly."""
    return exact_solution(ECONOMY, False, QUICK)


def assert_same(one: Solution, other: Solution) -> None:
    """Fail unless two solutions are the same bit for bit."""
    np.testing.assert_array_equal(one.law.coefficients, other.law.coefficients)
    np.testing.assert_array_equal(one.choices.consumption, other.choices.consumption)
    np.testing.assert_array_equal(one.exact.masses, other.exact.masses)
    np.testing.assert_array_equal(one.exact.dates, other.exact.dates)
    assert one.exact.capital_mean == other.exact.capital_mean


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def changed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def of_another_key(path: Path) -> None:
    exact_solution(ECONOMY, True, QUICK)
    [other] = [found for found in path.parent.glob("*.exact") if found != path]
    other.replace(path)


def open_to_others(path: Path) -> None:
    path.chmod(0o666)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_link(path: Path) -> None:
    path.rename(path.with_suffix(".else"))
    path.symlink_to(path.with_suffix(".else"))


def forged(path: Path, name: str, array: Array) -> None:
    """Put an array into a file in the place of another, with a checksum that is right."""
    arrays = _arrays(solution()) | {name: array}
    key = path.name.removeprefix("law-").removesuffix(".exact")
    header = {"key": key, "shapes": {each: kept.shape for each, kept in arrays.items()}}
    payload = b"".join(kept.tobytes() for kept in arrays.values())
    path.unlink()
    write_checksummed(path, header, lambda block: payload)
    path.chmod(0o600)


def of_other_shapes(path: Path) -> None:
    forged(path, "coefficients", np.zeros(6))


def without_numbers(path: Path) -> None:
    forged(path, "log_next", np.full(len(DATES), np.nan))


def with_a_list(path: Path) -> None:
    path.unlink()
    key = path.name.removeprefix("law-").removesuffix(".exact")
    write_checksummed(path, {"key": key, "shapes": [1]}, lambda block: b"")
    path.chmod(0o600)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil",
    [
        *(cut_short, changed, of_another_key, open_to_others, a_pipe, a_link),
        *(of_other_shapes, without_numbers, with_a_list),
    ],
)
def test_what_cannot_be_trusted_is_computed_anew(
    chosen: Path, capfd: pytest.CaptureFixture[str], spoil: Callable[[Path], None]
) -> None:
    """A sound file is read; one that is damaged, of other numbers, that others may have written, or
    that holds what is no solution is not, the solution is the same, and it is kept again."""
    first = solution()
    assert_same(first, solution())
    assert capfd.readouterr().err.count(SAID) == 1
    [path] = chosen.glob("*.exact")
    spoil(path)
    capfd.readouterr()
    assert_same(first, solution())
    assert_same(first, solution())
    assert capfd.readouterr().err.count(SAID) == 1


def test_every_number_is_part_of_the_key() -> None:
    """Another economy, law, or grid has another key; an equal economy has the same."""
    grids = Grids()
    given = GivenLabourCalibration()
    keys = {
        solution_key(given.economy(), False, grids),
        solution_key(given.economy(), True, grids),
        solution_key(replace(given, beta=0.985).economy(), False, grids),
        solution_key(replace(given, sigma=2).economy(), False, grids),
        solution_key(replace(given, sigma=3).economy(), False, grids),
        solution_key(replace(given, benefit=0.1).economy(), False, grids),
        solution_key(replace(given, spell_bad=2.6).economy(), False, grids),
        solution_key(JEDC.economy(), False, grids),
        solution_key(given.economy(), False, replace(grids, top=99.0)),
        solution_key(given.economy(), False, replace(grids, num_points=301)),
    }
    assert len(keys) == 10
    assert solution_key(GivenLabourCalibration().economy(), False, Grids()) in keys


def begun(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that solves, or waits for another that does."""
    environment = os.environ | {"TMPDIR": str(tmp_path / "temporary")}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.Popen(command, text=True, env=environment, stdout=-1, stderr=-1)


def test_two_processes_solve_once(tmp_path: Path) -> None:
    """Of processes that need one solution at the same time one solves."""
    said = [process.communicate(timeout=120)[1] for process in [begun(tmp_path), begun(tmp_path)]]
    assert "".join(said).count(SAID) == 1


def test_a_killed_process_leaves_nothing_that_blocks(tmp_path: Path, chosen: Path) -> None:
    """Where a process is killed while it solves, the next one does, and finds a sound folder."""
    process = begun(tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    solution()
    assert len([*chosen.glob("*.exact")]) == 1


@pytest.mark.parametrize("umask", [0, 0o277])
def test_a_file_is_trusted_whatever_the_umask(
    capfd: pytest.CaptureFixture[str], umask: int
) -> None:
    """What was kept under a strange umask is found again."""
    before = os.umask(umask)
    try:
        assert_same(solution(), solution())
    finally:
        os.umask(before)
    assert capfd.readouterr().err.count(SAID) == 1


def test_without_a_folder_the_solution_is_there_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where the folder cannot be used another is, and a note says why."""
    (tmp_path / "blocked").write_text("")
    monkeypatch.setenv("NTHRUN_CACHE", str(tmp_path / "blocked"))
    assert_same(solution(), solution())
    said = capfd.readouterr().err
    assert said.count(SAID) == 1
    assert "not used for exact solutions" in said


def test_where_there_is_no_solution_nothing_is_kept(chosen: Path) -> None:
    """The error is that of the solution, and no file is left."""
    with pytest.raises(NoSolutionError, match="after 1 rounds"):
        exact_solution(ECONOMY, False, replace(QUICK, max_rounds=1, tolerance=1e-9))
    assert not [*chosen.glob("*.exact")]
