"""Snapshots of the code: what is copied, under which name, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from nthrun.errors import DataFileError, StorageError
from nthrun.scheduling import code_snapshot as snapshot_module
from nthrun.scheduling.code_snapshot import (
    require_code_root,
    require_intact,
    snapshot_name,
    take_snapshot,
)
from nthrun.training.source import SNAPSHOT_FILE, UNKNOWN, checkout_state, project_state

FILES = {
    "main.py": "print(1)\n",
    "nthrun/__init__.py": "",
    "nthrun/part/code.py": "a = 1\n",
    "data/table.csv": "1,2\n",
}
IGNORED = {"results/x/record.h5": "x", "nthrun/__pycache__/a.pyc": "y", ".venv/pyvenv.cfg": "z"}


def git(source: Path, *arguments: str) -> str:
    """Call git in a checkout."""
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(
        ["git", "-C", str(source), *who, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def write(source: Path, files: dict[str, str]) -> None:
    """Write files below a directory."""
    for name, text in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A checkout with tracked, new and ignored files."""
    source = tmp_path / "source"
    write(source, FILES | IGNORED | {".gitignore": "results/\n__pycache__/\n.venv/\n"})
    git(source, "init", "--quiet")
    git(source, "add", "main.py", "nthrun", ".gitignore")
    git(source, "commit", "--quiet", "-m", "a")
    return source


def files_of(folder: Path) -> dict[str, str]:
    """Every file below a directory, but for the state of git."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (SNAPSHOT_FILE, ".gitignore")
    }


def test_a_snapshot_holds_the_code(source: Path, tmp_path: Path) -> None:
    """Tracked and new files are copied as they are now, ignored and deleted ones are not; nothing
    temporary is left, and the checkout is untouched."""
    write(source, {"main.py": "print(2)\n", "nthrun/new.py": ""})
    (source / "nthrun/part/code.py").unlink()
    before = git(source, "status", "--porcelain")
    name = take_snapshot(source, tmp_path / "root")
    expected = FILES | {"main.py": "print(2)\n", "nthrun/new.py": ""}
    del expected["nthrun/part/code.py"]
    assert files_of(tmp_path / "root" / name) == expected
    assert [p.name for p in (tmp_path / "root" / "code").iterdir()] == [Path(name).name]
    assert git(source, "status", "--porcelain") == before


def test_later_edits_do_not_reach_it(source: Path, tmp_path: Path) -> None:
    """The copy shares nothing with the checkout."""
    name = take_snapshot(source, tmp_path / "root")
    write(source, {"main.py": "broken"})
    assert files_of(tmp_path / "root" / name) == FILES


def test_same_content_same_name(source: Path, tmp_path: Path) -> None:
    """The name follows from names and contents of the files alone: touching and committing keep
    it, every edit, new, renamed or deleted file gives another; asking for it touches nothing."""
    root = tmp_path / "root"
    name = snapshot_name(source)
    assert not root.exists()
    assert take_snapshot(source, root) == name
    stamp = (root / name / "main.py").stat().st_mtime_ns
    os.utime(source / "main.py", (1, 1))
    git(source, "add", ".")
    git(source, "commit", "--quiet", "-m", "b")
    assert take_snapshot(source, root) == name
    assert (root / name / "main.py").stat().st_mtime_ns == stamp
    names = [name]
    write(source, {"main.py": "print(2)\n"})
    names.append(snapshot_name(source))
    write(source, {"new.py": ""})
    names.append(snapshot_name(source))
    (source / "new.py").rename(source / "newer.py")
    names.append(snapshot_name(source))
    (source / "data/table.csv").unlink()
    names.append(snapshot_name(source))
    assert len(set(names)) == 5
    assert take_snapshot(source, root) == names[-1]
    assert len(list((root / "code").iterdir())) == 2


def test_nobody_else_may_write_to_it(source: Path, tmp_path: Path) -> None:
    """Whatever the umask is, group and others have no right to write to a copy."""
    before = os.umask(0)
    try:
        write(source, {"nthrun/open.py": ""})
        copy = tmp_path / take_snapshot(source, tmp_path)
    finally:
        os.umask(before)
    assert (source / "nthrun/open.py").stat().st_mode & 0o022
    assert not [path for path in (copy, *copy.rglob("*")) if path.stat().st_mode & 0o022]


def test_without_git(source: Path, tmp_path: Path) -> None:
    """A copy that is no checkout is copied too, but for hidden files, results and environments;
    so is one within a repository that ignores it."""
    copy = source / "results" / "copy"
    write(copy, FILES | IGNORED | {".hidden": "", "env/pyvenv.cfg": "", "env/lib/a.py": ""})
    name = take_snapshot(copy, tmp_path / "root")
    assert files_of(tmp_path / "root" / name) == FILES
    elsewhere = tmp_path / "elsewhere"
    copy.rename(elsewhere)
    assert snapshot_name(elsewhere) == name


def test_too_much_is_refused(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than code can be is refused, naming the largest file, before anything is copied;
    ignored files do not count."""
    monkeypatch.setattr(snapshot_module, "MAX_BYTES", 1000)
    write(source, {"results/x/record.h5": "x" * 2000})
    snapshot_name(source)
    write(source, {"data/table.csv": "x" * 2000})
    for call in (lambda: snapshot_name(source), lambda: take_snapshot(source, tmp_path / "root")):
        with pytest.raises(DataFileError, match=r"largest file is data/table\.csv.*gitignore"):
            call()
    assert not (tmp_path / "root").exists()


def test_a_root_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    """A failed copy leaves nothing behind and is an error of storage."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "code").touch()
    with pytest.raises(StorageError):
        take_snapshot(source, tmp_path / "root")
    (tmp_path / "root" / "code").unlink()
    (source / "main.py").chmod(0)
    if os.geteuid():
        with pytest.raises(StorageError):
            take_snapshot(source, tmp_path / "root")
        assert not list((tmp_path / "root").rglob("*.py"))


def test_a_snapshot_knows_where_it_is_from(source: Path, tmp_path: Path) -> None:
    """The git state of a snapshot is that of the checkout it was taken from, also of its own
    snapshots; a directory without any has none."""
    write(source, {"main.py": "print(2)\n"})
    state = checkout_state(source)
    assert state["git_commit"] == git(source, "rev-parse", "HEAD")
    assert "+print(2)" in state["git_diff"]
    assert state["git_untracked"] == "data/table.csv"
    name = take_snapshot(source, tmp_path / "root")
    assert checkout_state(tmp_path / "root" / name) == state
    assert set(checkout_state(tmp_path).values()) == {""}
    (tmp_path / SNAPSHOT_FILE).write_text(json.dumps({"git_commit": "abc"}))
    assert checkout_state(tmp_path) == {
        "git_commit": "abc",
        "git_diff": UNKNOWN,
        "git_untracked": UNKNOWN,
    }


@pytest.mark.parametrize("missing", ["main.py", "nthrun"])
def test_a_root_without_code_is_refused(source: Path, missing: str) -> None:
    """What lacks the entry point or the package is no checkout, and what is missing is named."""
    require_code_root(source)
    (source / missing).rename(source / "other")
    with pytest.raises(DataFileError, match=f"{missing} is not there"):
        require_code_root(source)


def test_an_edit_while_copying(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot is named by what was copied, should a file be edited meanwhile: two of one name
    never differ."""
    root = tmp_path / "root"
    edited = FILES | {"main.py": "print(2)\n"}

    def copy(one: Path, other: Path) -> None:
        write(source, edited)
        shutil.copyfile(one, other)

    monkeypatch.setattr(snapshot_module.shutil, "copy2", copy)
    before = snapshot_name(source)
    name = take_snapshot(source, root)
    assert name == snapshot_name(source) != before
    assert files_of(root / name) == edited
    write(source, FILES)
    assert take_snapshot(source, root) == name  # edited again, and there already
    assert [path.name for path in (root / "code").iterdir()] == [Path(name).name]


@pytest.mark.parametrize(
    "spoil", ["changed", "added", "missing", "pipe", "package", "cache", "module", "whole"]
)
def test_other_code_in_its_place_is_not_run(source: Path, tmp_path: Path, spoil: str) -> None:
    """A directory of a copy's name that holds other code, or more, is refused, not run; files that
    a task has left there do no harm."""
    root = tmp_path / "root"
    copy = root / take_snapshot(source, root)
    write(copy, {"MUJOCO_LOG.TXT": "", "nthrun/__pycache__/code.pyc": ""})
    require_intact(copy)
    assert root / take_snapshot(source, root) == copy
    assert not (copy / "nthrun" / "__pycache__").exists()  # Python would run what lies there
    if spoil == "changed":
        write(copy, {"main.py": "print(3)\n"})
    elif spoil == "added":
        write(copy, {"numpy.py": ""})
    elif spoil == "missing":
        (copy / "main.py").unlink()
    elif spoil == "pipe":
        (copy / "main.py").unlink()
        os.mkfifo(copy / "main.py")
    else:
        _lead_outside(copy, tmp_path / "elsewhere", spoil)
    for look in (partial(take_snapshot, source, root), partial(require_intact, copy)):
        with pytest.raises(DataFileError, match="not the code that its name stands for"):
            look()


def test_a_copy_that_is_a_link_is_left_as_it_is(source: Path, tmp_path: Path) -> None:
    """Nothing is deleted behind a link in the place of a copy."""
    root = tmp_path / "root"
    copy = root / take_snapshot(source, root)
    copy.rename(tmp_path / "outside")
    copy.symlink_to(tmp_path / "outside")
    kept = tmp_path / "outside" / "nthrun" / "__pycache__" / "code.pyc"
    kept.parent.mkdir()
    kept.write_text("")
    with pytest.raises(DataFileError, match="not the code that its name stands for"):
        take_snapshot(source, root)
    assert kept.exists()


def _lead_outside(copy: Path, outside: Path, what: str) -> None:
    """Put a link into a copy: a package beside it, its caches, one of its modules, all of it."""
    write(outside, {"__init__.py": "", "code.pyc": ""})
    links = {
        "package": copy / "numpy",
        "cache": copy / "nthrun" / "__pycache__",
        "module": copy / "main.py",
        "whole": copy,
    }
    place = links[what]
    target = outside / "same" if what in ("module", "whole") else outside
    if target != outside:
        place.rename(target)
    place.symlink_to(target)


PROJECT = {"lab/__init__.py": "", "agent.json": "{}", "results.py": "", "results/kept.py": ""}
EXPERIMENT = {"manifest.json": "{}", "runs/a.h5": "x", "plans/1.json": "{}"}


@pytest.mark.parametrize("with_git", [True, False])
def test_a_project_is_copied_without_experiments(tmp_path: Path, with_git: bool) -> None:
    """Of a user's project all is copied but `results`, unless git knows it, and experiments
    elsewhere in it; a manifest.json alone is no experiment."""
    project = tmp_path / "project"
    write(project, PROJECT | {"lab/manifest.json": "{}"})
    if with_git:
        git(project, "init", "--quiet")
        git(project, "add", ".")
    write(project, {f"out/save/e/{name}": text for name, text in EXPERIMENT.items()})
    write(project, {"results/new/manifest.json": "{}", "results/new/a.txt": ""})
    name = take_snapshot(project, project / "out/save/e")
    expected = PROJECT | {"lab/manifest.json": "{}"}
    if not with_git:
        del expected["results/kept.py"]
    assert files_of(project / "out/save/e" / name) == expected
    assert snapshot_name(project) == name


def test_a_folder_of_a_repository(source: Path, tmp_path: Path) -> None:
    """The state of a folder within a repository is that of the repository, its new files those in
    the folder; a snapshot of it says the same."""
    write(source, {"nthrun/new.py": "", "other.py": "", "main.py": "edited\n"})
    folder = source / "nthrun"
    state = project_state(folder)
    assert state["git_commit"] == git(source, "rev-parse", "HEAD")
    assert "+edited" in state["git_diff"]
    assert state["git_untracked"] == "new.py"
    name = take_snapshot(folder, tmp_path / "root")
    assert project_state(tmp_path / "root" / name) == state
    assert files_of(tmp_path / "root" / name).keys() == {"__init__.py", "part/code.py", "new.py"}


def test_a_folder_of_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of more files than code has, such as a home directory, is refused before all of it
    is looked through."""
    monkeypatch.setattr(snapshot_module, "MAX_FILES", 3)
    write(tmp_path, {f"{number}.txt": "" for number in range(4)})
    with pytest.raises(DataFileError, match=r"more than 3 files; hint: .*--project"):
        snapshot_name(tmp_path)
