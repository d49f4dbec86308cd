"""An experiment that cannot be listed for want of a permission, as a real user sees it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from another_user import call_as_another_user, give_away, reachable_folder
from checkpoints import attempt
from documents import write_checkpoint
from plans import LOCAL, own_experiment, record, written_plan
from processes import EXPERIMENT, ROOT, recorded, write_specs

from nthrun.__main__ import commands
from nthrun.errors import InterruptedRunError
from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.planning.machine import compiler
from nthrun.records.combine import combine
from nthrun.records.experiment import open_experiment


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with the specs and, under `out`, an experiment of one recorded run and one plan."""
    with reachable_folder() as made:
        write_specs(made)
        files = ([str(made / "environment.json")], [str(made / "agent.json")])
        experiment = own_experiment(made / "out" / EXPERIMENT, read_experiment_spec(*files))
        record(experiment, 0)
        written_plan(experiment.root, [[[1]]], LOCAL)
        give_away(made)
        yield made


def readers(folder: Path) -> dict[str, list[str]]:
    """Commands that ask what is recorded."""
    root = str(folder / "out" / EXPERIMENT)
    specs = [str(folder / "environment.json"), str(folder / "agent.json")]
    train = ["--env-json", specs[0], "--agent-json", specs[1], "--save-dir", str(folder / "out")]
    return {
        "status": ["schedule", "--status", str(folder / "out")],
        "best": ["best", root, "--no-write"],
        "combine": ["combine", root],
        "report": ["report", root, "--out", str(folder / "r.html")],
        "forget": ["forget", root, "--index", "0"],
        "run": ["run", *train, "--index", "0", "--backend", "eager"],
    }


@pytest.mark.parametrize("name", ["status", "best", "combine", "report", "forget", "run"])
def test_records_that_cannot_be_listed_are_not_none(folder: Path, name: str) -> None:
    """Every command says in one line that runs/ cannot be listed, and ends with 1; none takes
    nothing for recorded, and nothing is trained."""
    runs = folder / "out" / EXPERIMENT / "runs"
    runs.chmod(0)
    code, output, errors = call_as_another_user(commands, *readers(folder)[name])
    runs.chmod(0o755)
    assert (code, output) == (1, "")
    assert errors.splitlines()[-1].startswith(f"error: {runs}: cannot be listed: Permission denied")
    assert len(list(runs.glob("stage*.h5"))) == 1


@pytest.mark.parametrize("place", ["plans", "", "checkpoints"])
def test_nor_is_anything_else(folder: Path, place: str) -> None:
    """So it is with the plans, the experiment's own directory, and the checkpoints that a run
    would continue from."""
    closed = folder / "out" / EXPERIMENT / place
    closed.mkdir(exist_ok=True)
    given = readers(folder)["run" if place == "checkpoints" else "status"]
    if place == "checkpoints":
        given = [*given[: given.index("--index")], "--index", "1", "--backend", "eager"]
    give_away(folder)
    closed.chmod(0)
    code, _, errors = call_as_another_user(commands, *given)
    closed.chmod(0o755)
    assert code == 1, errors
    assert "Permission denied" in errors.splitlines()[-1]
    assert "unexpected" not in errors


@pytest.mark.parametrize("name", ["data.json", "data.h5", "runs", "manifest.json", "plans"])
def test_a_file_that_cannot_be_opened_is_not_damaged(folder: Path, name: str) -> None:
    """A sound file that this user may not read is named with the system's reason: nothing is set
    aside as damaged, taken for not recorded, or trained again."""
    root = folder / "out" / EXPERIMENT
    for combined in ("data.json", "data.h5"):
        combine(open_experiment(root), root / combined)
    (root / "runs" / ".inventory").unlink()
    give_away(folder)
    path = root / name
    closed = next(path.glob("2*.json" if name == "plans" else "*.h5")) if path.is_dir() else path
    given = readers(folder)
    asked = {"runs": ("best", "run"), "plans": ("status",)}.get(name, ("combine",))
    before = sorted(root.rglob("*"))
    closed.chmod(0)
    for command in asked:
        code, _, errors = call_as_another_user(commands, *given[command])
        assert code == 1, errors
        assert errors.splitlines()[-1].startswith(f"error: {closed}: cannot be read: Permission")
        assert "damaged" not in errors
    closed.chmod(0o644)
    assert sorted(root.rglob("*")) == before


CLOSED = {
    "manifest.json": "manifest.json",
    "runs/stage*.h5": "records",
    "runs": "records",
    "plans": "plans",
    "plans/2*.json": "plans",
    "data.json": "data files",
    "checkpoints": "checkpoints",
    "checkpoints/*": "checkpoints",
    "snapshots": "snapshots",
}
"""What cannot be read -> the kind of file it is in the table."""


@pytest.mark.parametrize(
    ("name", "permission"), [*((name, 0) for name in CLOSED), ("runs", 0o444), ("plans", 0o444)]
)
def test_what_cannot_be_opened_stops_no_check(folder: Path, name: str, permission: int) -> None:
    """`check` names what this user may not list or open with the system's reason, on a line of its
    own with what to do about it, looks at all else, and ends with 1; so does --mend, which takes
    nothing away from what cannot be looked at."""
    root = folder / "out" / EXPERIMENT
    combine(open_experiment(root), root / "data.json")
    write_checkpoint(root / "checkpoints" / "stage0-7-8-0123abcd", [7, 8])
    (root / "snapshots").mkdir(exist_ok=True)
    give_away(folder)
    [closed, *_] = sorted(root.glob(name))
    mode = closed.stat().st_mode
    before = sorted(path for path in root.rglob("*") if path.name != ".inventory")
    closed.chmod(permission)
    for more in ((), ("--mend",)):
        code, output, errors = call_as_another_user(commands, "check", str(root), *more)
        assert (code, "error" in errors) == (1, False), errors
        rows = {" ".join(line.split()[1:-4]) for line in output.splitlines()[1:]}
        assert rows >= {"manifest.json", "plans", CLOSED[name]}
        said, *_ = [line for line in output.splitlines() if ": damaged: " in line]
        assert f"{closed.name}" in said
        assert "Permission denied" in said
        assert "; hint: " in said
        assert "move it away" not in said
    closed.chmod(mode)
    assert before == sorted(path for path in root.rglob("*") if path.name != ".inventory")


def test_a_closed_experiment_stops_no_check_of_the_others(folder: Path) -> None:
    """Of a save dir `check` names an experiment that this user may not enter, and looks at the
    others."""
    shutil.copytree(folder / "out" / EXPERIMENT, folder / "out" / "closed")
    give_away(folder)
    (folder / "out" / "closed").chmod(0)
    code, output, errors = call_as_another_user(commands, "check", str(folder / "out"))
    (folder / "out" / "closed").chmod(0o755)
    assert (code, errors) == (1, "")
    _, *rows, said = output.splitlines()
    assert [row.split()[1] for row in rows] == ["manifest.json", "records", "plans"]
    assert said.startswith(f"{folder / 'out' / 'closed'}: damaged: {folder / 'out' / 'closed'}")
    assert "Permission denied; hint: " in said


@pytest.mark.parametrize("name", ["state", "series", "replay"])
def test_a_checkpoint_that_cannot_be_opened_is_kept(folder: Path, name: str) -> None:
    """A run whose checkpoint this user may not read is not begun anew beside it: one line names the
    file with the system's reason, nothing is trained, and every file stays as it is; once it can be
    read the run goes on from it."""
    root = folder / "out" / EXPERIMENT
    given = readers(folder)["run"]
    given[given.index("--index") + 1] = "1"
    spec = read_experiment_spec([given[2]], [given[4]])
    with pytest.raises(InterruptedRunError):
        attempt(spec, open_experiment(root), [1], 100)
    give_away(folder)
    [pack] = (root / "checkpoints").iterdir()
    closed = next(iter(sorted(pack.glob(f"{name}*"), reverse=True)))
    before = {path: path.stat().st_mtime_ns for path in pack.iterdir()}
    closed.chmod(0)
    code, output, errors = call_as_another_user(commands, *given)
    closed.chmod(0o644)
    assert (code, output) == (1, ""), errors
    [said] = errors.splitlines()
    assert said.startswith(f"error: {closed}: cannot be read: Permission denied; hint: ")
    assert f"or move {pack} away" in said
    assert {path: path.stat().st_mtime_ns for path in pack.iterdir()} == before
    assert [pack] == list((root / "checkpoints").iterdir())
    code, output, errors = call_as_another_user(commands, *given)
    assert (code, errors) == (0, "")
    attempts = recorded(folder / "out")[0, 1]["provenance"]["attempts"]
    assert [one["step"] for one in attempts][1:] != [0]
    assert len(attempts) == 2


LOCKLESS = "#include <errno.h>\nint flock(int file, int what) { errno = ENOLCK; return -1; }\n"


def test_a_system_without_locks_is_told(folder: Path) -> None:
    """Where HDF5 is told to lock files and the system cannot, that is the reason given, and the
    files are sound."""
    root = folder / "out" / EXPERIMENT
    combine(open_experiment(root), root / "data.h5")
    (folder / "lockless.c").write_text(LOCKLESS)
    library = folder / "lockless.so"
    words = [str(compiler()), "-x", "c", "-shared", "-fPIC", "-o", str(library)]
    subprocess.run([*words, str(folder / "lockless.c")], check=True)
    environment = {"LD_PRELOAD": str(library), "HDF5_USE_FILE_LOCKING": "TRUE"}
    for arguments in (("best", str(root / "data.h5"), "--no-write"), ("combine", str(root))):
        done = subprocess.run(
            [sys.executable, "-m", "nthrun", *arguments],
            cwd=ROOT,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert "cannot be read: No locks available" in done.stderr
        assert "damaged" not in done.stderr
    assert not list(root.glob("*.damaged-*"))


def test_a_save_dir_that_cannot_be_written_is_told_before_training(folder: Path) -> None:
    """Nothing is compiled or trained for a save dir that then takes no record."""
    given = readers(folder)["run"]
    closed = folder / "closed"
    closed.mkdir()
    given[given.index("--save-dir") + 1] = str(closed / "deep" / "er")
    code, output, errors = call_as_another_user(commands, *given)
    assert (code, output) == (1, "")
    assert errors.startswith("error: cannot write ")
    assert "Permission denied" in errors
    assert not list(closed.iterdir())
