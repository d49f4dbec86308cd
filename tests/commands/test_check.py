"""`python -m nthrun check`: all of an experiment is read, and what is not sound is told."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from documents import write_checkpoint
from in_process import ended
from plans import LOCAL, lease_task, own_experiment, record, written_plan

from nthrun.__main__ import commands
from nthrun.commands import soundness
from nthrun.commands.combine import combine as combine_command
from nthrun.records.combine import combine
from nthrun.records.experiment import Experiment, open_experiment
from nthrun.records.inventory import Inventory
from nthrun.records.snapshots import write_snapshot
from nthrun.records.writer import STALE_SECONDS
from nthrun.scheduling.lease import FAILED
from nthrun.scheduling.plan import plan_paths
from nthrun.scheduling.submission import scheduling_lock
from nthrun.studies.journal import Journal
from nthrun.training.checkpoint_index import state_files

assert combine_command


def check(*arguments: str | Path) -> tuple[object, list[str], list[str]]:
    """Exit code of the command, and the lines of stdout and stderr."""
    outcome = ended(commands, "check", *arguments)
    return outcome.code, outcome.out.splitlines(), outcome.errors


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An experiment with one of each of its files, all sound."""
    experiment = own_experiment(tmp_path / "e")
    record(experiment, 0, 1)
    record(experiment, 2)
    about = {"index": 0, "stage": 0, "step": 5, "agent_params": {}, "fingerprint": ""}
    write_snapshot(experiment.snapshots, "final", about, {})
    checkpoint(experiment, [7, 8])
    plan = written_plan(experiment.root, [[[0]], [[7]]], LOCAL)
    lease_task(plan, 1).end(FAILED, "x")
    with Journal(experiment.root).writing() as writer:
        writer.add([{"ask": 0, "setting": {}, "attributes": {}}])
    for name in ("data.json", "data.h5"):
        combine(experiment, experiment.root / name)
    return experiment.root


def checkpoint(experiment: Experiment, indices: list[int]) -> Path:
    """A checkpoint of some indices."""
    name = f"stage0-{min(indices)}-{max(indices)}-0123abcd"
    return write_checkpoint(experiment.checkpoints / name, indices)


def flipped(path: Path, place: int = -20) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def shard(root: Path) -> Path:
    return sorted((root / "runs").glob("*.h5"))[0]


def of_another_experiment(root: Path) -> Path:
    other = own_experiment(root.parent / "other")
    fingerprint = "0" * len(other.manifest.fingerprint)
    record(Experiment(other.root, replace(other.manifest, fingerprint=fingerprint)), 0)
    return Path(shutil.copy(shard(other.root), root / "runs"))


def damaged(find: Callable[[Path], Path], place: int = -20) -> Callable[[Path], Path]:
    def damage(root: Path) -> Path:
        path = find(root)
        flipped(path, place)
        return path

    return damage


def stray(name: str) -> Callable[[Path], Path]:
    def leave(root: Path) -> Path:
        (root / name).write_text("notes")
        return root / name

    return leave


def pipe(name: str) -> Callable[[Path], Path]:
    """A named pipe in the place of a file, which hangs whoever opens it."""

    def put(root: Path) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        return path

    return put


def pipe_in_code(root: Path) -> Path:
    return pipe("code/0123456789ab/main.py")(root).parent


def without_manifest(root: Path) -> Path:
    path = root / "manifest.json"
    path.unlink()
    return path


def outdated(root: Path) -> Path:
    record(open_experiment(root), 9)
    (root / "data.h5").unlink()
    return root / "data.json"


def recorded_since(root: Path) -> Path:
    record(open_experiment(root), 7, 8)
    for name in ("data.json", "data.h5"):
        combine(open_experiment(root), root / name)
    return next((root / "checkpoints").iterdir())


FAULTS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "manifest": (damaged(lambda root: root / "manifest.json"), "damaged"),
    "pipe as manifest": (pipe("manifest.json"), "damaged"),
    "no manifest": (without_manifest, "damaged"),
    "shard": (damaged(shard), "damaged"),
    "another's shard": (of_another_experiment, "foreign"),
    "stray in runs": (stray("runs/notes.txt"), "foreign"),
    "checkpoint": (damaged(lambda root: next(root.glob("checkpoints/*/*.ckpt"))), "damaged"),
    "stray in checkpoints": (stray("checkpoints/stage0-x-y-zz"), "foreign"),
    "checkpoint of recorded runs": (recorded_since, "stale"),
    "snapshot": (damaged(lambda root: next(root.glob("snapshots/*.h5"))), "damaged"),
    "plan": (damaged(lambda root: plan_paths(root)[0]), "damaged"),
    "stray in plans": (stray("plans/x.json"), "foreign"),
    "claim": (damaged(lambda root: next(root.glob("plans/*/*.json"))), "damaged"),
    "journal": (damaged(lambda root: root / "search" / "journal"), "damaged"),
    "pipe as journal": (pipe("search/journal"), "damaged"),
    "pipe in code": (pipe_in_code, "damaged"),
    "data.json": (damaged(lambda root: root / "data.json", 0), "damaged"),
    "outdated": (outdated, "stale"),
}


def test_a_sound_experiment(root: Path) -> None:
    """Every kind of file is a row of the table, all of them sound; then it ends with 0, and has
    changed nothing."""
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    code, output, errors = check(root)
    assert (code, errors) == (0, []), output
    header, *rows = (line.split() for line in output)
    assert header == ["experiment", "what", "sound", "damaged", "foreign", "stale"]
    counts = {" ".join(row[1:-4]): row[-4:] for row in rows}
    none = ["0", "0", "0"]
    assert counts == {
        "manifest.json": ["1", *none],
        "records": [counts["records"][0], *none],
        "checkpoints": ["1", *none],
        "snapshots": ["1", *none],
        "plans": ["2", *none],
        "search": ["1", *none],
        "data files": ["2", *none],
    }
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_sound_is_named(root: Path, fault: str) -> None:
    """Each file that is damaged, foreign or stale has a line that says so, why, and what to do; the
    others are still read, and the command ends with 1."""
    spoil, state = FAULTS[fault]
    path = spoil(root)
    code, output, _ = check(root)
    assert code == 1
    lines = [line for line in output if f"{path.name}: {state}: " in line]
    assert len(lines) == 1, output
    assert "; hint: " in lines[0]
    assert lines[0].count(path.name) == 1
    assert "unexpected" not in "".join(output)


def test_several_directories(root: Path) -> None:
    """A save dir stands for its experiments, and one that is named twice is checked once."""
    other = own_experiment(root.parent / "f")
    record(other, 0)
    code, output, _ = check(root.parent, root)
    assert code == 0
    assert len({line.split()[0] for line in output[1:]}) == 2
    assert sum(" manifest.json " in line for line in output) == 2
    code, _, errors = check(root / "runs")
    assert (code, len(errors)) == (2, 1)


def test_what_is_recorded_meanwhile(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard that is written while the others are read is not taken for a foreign file, and what
    is gone by then is no damage."""
    take, before = Experiment.inventory, state_files

    def take_and_record(experiment: Experiment, *arguments: Any, **options: Any) -> Inventory:
        monkeypatch.setattr(Experiment, "inventory", take)
        found = take(experiment, *arguments, **options)
        record(open_experiment(root), 11)
        return found

    def list_and_end(pack: Path) -> list[Path]:
        paths = before(pack)
        shutil.rmtree(pack)
        return paths

    monkeypatch.setattr(Experiment, "inventory", take_and_record)
    monkeypatch.setattr(soundness, "state_files", list_and_end)
    for name in ("data.json", "data.h5"):
        (root / name).unlink()
    code, output, _ = check(root)
    assert code == 0, output


def left_behind(root: Path) -> list[Path]:
    """Temporary files that nobody writes any more, in every directory that has them."""
    folders = ("", "runs", "checkpoints/stage0-7-8-0123abcd", "snapshots", "plans", "search")
    paths = [root / folder / ".writing-0123abcd-x" for folder in folders]
    for path in paths:
        path.write_text("")
        os.utime(path, (0, path.stat().st_mtime - 2 * STALE_SECONDS))
    return paths


def test_mending_deletes_what_was_left_behind(root: Path) -> None:
    """A dry run names the stale temporary files, --mend deletes them and nothing else."""
    before = {path for path in root.rglob("*") if path.is_file()}
    paths = left_behind(root)
    (root / "runs" / ".writing-0123abcd-young").write_text("")
    code, output, _ = check(root, "--dry-run")
    assert code == 1
    assert sum("would be deleted" in line for line in output) == len(paths)
    assert all(path.exists() for path in paths)
    code, output, _ = check(root, "--mend")
    assert code == 0
    assert sum(line.endswith(": deleted") for line in output) == len(paths)
    left = {path for path in root.rglob("*") if path.is_file()}
    assert left == before | {root / "runs" / ".writing-0123abcd-young"}


@pytest.mark.parametrize("fault", ["data.json", "outdated"])
def test_mending_makes_data_files_anew(root: Path, fault: str) -> None:
    """A damaged or outdated data file holds all that is recorded afterwards."""
    path = FAULTS[fault][0](root)
    records = {shard.name: shard.read_bytes() for shard in root.glob("runs/*.h5")}
    check(root, "--mend")
    number = len(json.loads(path.read_bytes())["experiment_data"])
    assert number == {"data.json": 3, "outdated": 4}[fault]
    assert {shard.name: shard.read_bytes() for shard in root.glob("runs/*.h5")} == records
    code, output, _ = check(root)
    assert code == (fault == "data.json"), output  # the damaged file is kept aside
    assert not [line for line in output if f"{path.name}: " in line]


def test_a_running_experiment_is_left_alone(root: Path) -> None:
    """While an attempt is alive, or the lock is held, nothing is deleted or made anew."""
    paths = left_behind(root)
    with scheduling_lock(root):
        code, _, errors = check(root, "--mend")
    assert (code, all(path.exists() for path in paths)) == (1, True)
    assert "is running, and left alone" in errors[0]
    lease = lease_task(written_plan(root, [[[3]]], LOCAL), 0)
    assert "left alone" in check(root, "--mend")[2][0]
    assert all(path.exists() for path in paths)
    lease.end(FAILED, "x")
    check(root, "--mend")
    assert not any(path.exists() for path in paths)


def test_what_cannot_be_mended_is_told(root: Path) -> None:
    """Of a data file that cannot be made anew a note says why, and nothing that it was."""
    shutil.copy(shard(root), root / "data.json")
    before = (root / "data.json").read_bytes()
    code, output, errors = check(root, "--mend")
    assert code == 1
    assert not any("made anew" in line for line in output if "hint" not in line)
    assert "data.json: not made anew: no combined file, so not replaced" in "".join(errors)
    assert (root / "data.json").read_bytes() == before


@pytest.mark.parametrize("name", ["checkpoints", "plans"])
def test_mending_stays_out_of_linked_folders(root: Path, tmp_path: Path, name: str) -> None:
    """Nothing is deleted behind a folder that is a link, in folders within it neither."""
    outside = tmp_path / "outside"
    (root / name).rename(outside)
    (root / name).symlink_to(outside)
    folder = next(path for path in outside.iterdir() if path.is_dir())
    old = folder / ".writing-0123abcd-x"
    old.write_text("")
    os.utime(old, (0, 0))
    check(root, "--mend")
    assert old.exists()


def test_mending_does_not_follow_links(root: Path, tmp_path: Path) -> None:
    """What lies outside the experiment stays, whatever in it leads there."""
    outside = tmp_path / "outside"
    outside.mkdir()
    old = outside / ".writing-0123abcd-x"
    old.write_text("")
    os.utime(old, (0, 0))
    shutil.rmtree(root / "snapshots")
    (root / "snapshots").symlink_to(outside)
    (root / "plans" / "20200101-000000-abcdef").symlink_to(outside)
    (root / ".writing-0123abcd-link").symlink_to(old)
    check(root, "--mend")
    assert old.exists()
