"""The snapshot of the code: what a submission runs from, whatever is edited later.

code/<hash>/              the files of the checkout, as git lists them
code/<hash>/SNAPSHOT.json the git state it was taken from
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from nthrun.errors import DataFileError
from nthrun.records.durable_file import ensure_directory, storage_error
from nthrun.records.listing import is_there
from nthrun.training.source import SNAPSHOT_FILE, checkout_state

CODE = "code"
NEW = ".new-"
ENTRY = "main.py"
MAX_BYTES = 200_000_000
CACHES = "__pycache__"
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
CODE_SUFFIXES = (".py", ".so", ".pyc", ".pth")
SKIPPED = {"results", CACHES, "node_modules"}
"""Directories that hold no code, where git does not say what does."""


def require_code_root(source: Path) -> None:
    """Check that a directory is a checkout of nthrun.

    Raises:
        DataFileError: it is not.
    """
    for needed in (ENTRY, "nthrun"):
        if not (source / needed).exists():
            raise DataFileError(
                f"{source}: {needed} is not there; allowed: the root of an nthrun checkout",
                "give ./ where you are in it",
            )


def take_snapshot(source: Path, root: Path) -> str:
    """Copy the code into an experiment, unless the same is there already.

    Args:
        source: root of the checkout.
        root: the experiment's directory.

    Returns:
        the copy's directory, relative to the root.

    Raises:
        DataFileError: there is more in the checkout than code can be, or a copy that is there
            already is of other code.
        StorageError: the copy cannot be written.
    """
    files, name = _files_and_name(source)
    if is_there(root / name):
        _require_copied(root, name, files)
        return name
    new = root / CODE / f"{NEW}{secrets.token_hex(8)}"  # a name that nobody has put a link at
    try:
        ensure_directory(new.parent)
        for file in files:
            (new / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / file, new / file)
        name = _name(new, files)  # of what was copied, should a file have been edited meanwhile
        (new / SNAPSHOT_FILE).write_text(json.dumps(checkout_state(source), indent=1))
        _keep_from_others(new)
        new.rename(root / name)
    except OSError as error:
        if not (root / name).is_dir():
            raise storage_error(root / name, error) from error
        _require_copied(root, name, files)  # another submission was first
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return name


def _keep_from_others(copy: Path) -> None:
    """Let nobody else write to a copy, whatever the umask is: the user's tasks run what it holds.

    Raises:
        OSError: the modes cannot be changed.
    """
    for folder, _, names in os.walk(copy):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            os.chmod(path, os.stat(path).st_mode & ~OTHERS_WRITE)


def _require_copied(root: Path, name: str, files: list[Path]) -> None:
    """Check that what lies in the place of a copy is that copy, before a task runs it; files that
    are no code, such as tasks leave there, do no harm. What Python keeps of code is deleted: it
    would be run in the place of the code.

    Raises:
        DataFileError: it is not.
    """
    copy = root / name
    try:
        more = [file for file in _files_below(copy) if file.suffix in CODE_SUFFIXES]
        same = set(more) <= set(files) and not _has_links(copy) and _name(copy, files) == name
        for folder, folders, _ in os.walk(copy):
            if CACHES in folders:
                shutil.rmtree(Path(folder, CACHES))
    except OSError:
        same = False
    if not same:
        raise DataFileError(
            f"{copy}: not the code that its name stands for", "delete it, and it is copied again"
        )


def is_intact(copy: Path) -> bool:
    """Whether a copy of the code holds what its name stands for.

    Raises:
        StorageError: it cannot be read.
    """
    files = set(_files_below(copy)) - {Path(SNAPSHOT_FILE)}
    try:
        return not _has_links(copy) and _name(copy, sorted(files)) == f"{CODE}/{copy.name}"
    except OSError as error:
        raise storage_error(copy, error) from error


def _has_links(copy: Path) -> bool:
    """Whether there is a link in a copy, or it is one: of a folder, Python would import what that
    holds. No copy is made with links."""
    return copy.is_symlink() or any(
        os.path.islink(os.path.join(folder, name))
        for folder, folders, names in os.walk(copy)
        for name in (*folders, *names)
    )


def _files_below(copy: Path) -> Iterator[Path]:
    """The files of a copy relative to it, but those that Python keeps of code."""
    for folder, _, names in os.walk(copy):
        if CACHES not in Path(folder).parts:
            yield from (Path(folder, name).relative_to(copy) for name in names)


def snapshot_name(source: Path) -> str:
    """What `take_snapshot` would return; nothing is touched.

    Raises:
        DataFileError: there is more in the checkout than code can be.
    """
    return _files_and_name(source)[1]


def _files_and_name(source: Path) -> tuple[list[Path], str]:
    files = sorted(_files(source))
    _require_small(source, files)
    return files, _name(source, files)


def _files(source: Path) -> Iterator[Path]:
    """Files of a checkout relative to it: tracked or new, and not ignored by git."""
    command = ["git", "-C", str(source), "ls-files", "-z", "--cached", "--others"]
    try:
        done = subprocess.run(
            [*command, "--exclude-standard"], capture_output=True, check=True, timeout=120
        )
    except (OSError, subprocess.SubprocessError):
        yield from _walk(source)
        return
    named = [Path(os.fsdecode(name)) for name in done.stdout.split(b"\0") if name]
    if Path(ENTRY) not in named:  # a copy within a repository that ignores it
        yield from _walk(source)
        return
    yield from (path for path in named if (source / path).is_file())


def _walk(source: Path) -> Iterator[Path]:
    """The same where there is no git: all but hidden files, results and virtual environments."""
    for folder, folders, names in os.walk(source):
        directory = Path(folder)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and name not in SKIPPED
            and not (directory / name / "pyvenv.cfg").exists()
        ]
        for name in names:
            if not name.startswith(".") and (directory / name).is_file():
                yield (directory / name).relative_to(source)


def _require_small(source: Path, files: list[Path]) -> None:
    sizes = {file: (source / file).stat().st_size for file in files}
    if sum(sizes.values()) > MAX_BYTES:
        largest = max(sizes, key=lambda file: sizes[file])
        raise DataFileError(
            f"{source}: a snapshot of the code would take {sum(sizes.values()) / 1e6:.0f} MB, "
            f"allowed: {MAX_BYTES / 1e6:.0f} MB; the largest file is {largest}",
            "move data out of the checkout, or name it in .gitignore",
        )


def _name(source: Path, files: list[Path]) -> str:
    """Where a copy of these files goes, by their content."""
    digest = hashlib.sha256()
    for file in files:
        content = (source / file).read_bytes()
        digest.update(f"{file}\0{len(content)}\0".encode(errors="surrogateescape"))
        digest.update(content)
    return f"{CODE}/{digest.hexdigest()[:12]}"
