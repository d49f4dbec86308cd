"""The snapshot of the code: what a submission runs from, whatever is edited later.

code/<hash>/              the files of the checkout or of the user's project, as git lists them
code/<hash>/SNAPSHOT.json the git state it was taken from, and which files these are
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from nthrun.errors import DataFileError, StorageError
from nthrun.files.document import read_document
from nthrun.files.forms import Fields, Items, Text, Unchecked
from nthrun.files.regular_file import ABSENT, cannot_read, read_regular
from nthrun.records.durable_file import ensure_directory, storage_error
from nthrun.records.listing import is_file, is_there
from nthrun.specs.shipped import PACKAGE
from nthrun.training.source import SNAPSHOT_FILE, checkout_state, project_state

CODE = "code"
NEW = ".new-"
ENTRY = "main.py"
MAX_BYTES, MAX_FILES = 200_000_000, 20_000
LISTED = "files"
ABOUT = Fields({}, {LISTED: Items(Text())}, others=Unchecked())
"""Of SNAPSHOT.json."""
CACHES = "__pycache__"
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
CODE_SUFFIXES = (".py", ".so", ".pyc", ".pth")
MANIFEST, RUNS, PLANS = "manifest.json", "runs", "plans"
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


def own_checkout() -> Path | None:
    """The checkout that nthrun runs from; None where it is installed."""
    return PACKAGE.parent if (PACKAGE.parent / ENTRY).is_file() else None


def take_snapshot(source: Path, root: Path) -> str:
    """Copy the code into an experiment, unless the same is there already.

    Args:
        source: root of the checkout, or of the user's project.
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
        about = {**_state(source), LISTED: list(map(str, files))}
        (new / SNAPSHOT_FILE).write_text(json.dumps(about, indent=1))
        _keep_from_others(new)
        new.rename(root / name)
    except OSError as error:
        if not (root / name).is_dir():
            raise storage_error(root / name, error) from error
        _require_copied(root, name, files)  # another submission was first
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return name


def _state(source: Path) -> dict[str, str]:
    """The git state of a checkout, or of the repository that a project lies in."""
    is_checkout = (source / ENTRY).is_file() and (source / PACKAGE.name).is_dir()
    return checkout_state(source) if is_checkout else project_state(source)


def _keep_from_others(copy: Path) -> None:
    """Let nobody else write to a copy, whatever the umask is: the user's tasks run what it holds.

    Raises:
        OSError: the modes cannot be changed.
    """
    for folder, _, names in os.walk(copy):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            os.chmod(path, os.stat(path).st_mode & ~OTHERS_WRITE)


def _require_copied(root: Path, name: str, files: list[Path]) -> None:
    """Check that what lies in the place of a copy is that copy, before a task runs it. What Python
    keeps of code is deleted: it would be run in the place of the code.

    Raises:
        DataFileError: it is not.
        StorageError: it cannot be read, or what Python keeps there not be deleted.
    """
    copy = root / name
    require_intact(copy, files)
    try:
        for folder, folders, _ in os.walk(copy):
            if CACHES in folders:
                shutil.rmtree(Path(folder, CACHES))
    except OSError as error:
        raise storage_error(copy, error) from error


def require_intact(copy: Path, files: Sequence[Path] = ()) -> None:
    """Check that a copy of the code holds what its name stands for, and no other code. Files that
    are no code, such as tasks leave there, do no harm.

    Args:
        copy: its directory.
        files: that it is of; none are those that it lists.

    Raises:
        DataFileError: it does not.
        StorageError: it cannot be read.
    """
    try:
        same = not _has_links(copy) and _is_of(copy, files or _listed_files(copy))
    except StorageError:
        raise
    except DataFileError:
        same = False
    except OSError as error:
        if error.errno not in ABSENT:
            raise cannot_read(copy, error) from error
        same = False
    if not same:
        raise DataFileError(
            f"{copy}: not the code that its name stands for", "delete it, and it is copied again"
        )


def _is_of(copy: Path, files: Sequence[Path]) -> bool:
    """Whether a copy is of some files, and of no other code."""
    code = {file for file in _files_below(copy) if file.suffix in CODE_SUFFIXES}
    return code <= set(files) and _name(copy, files) == f"{CODE}/{copy.name}"


def _listed_files(copy: Path) -> list[Path]:
    """The files that a copy says it is of; all that it holds where it was made before it did.

    Raises:
        DataFileError: what it says is damaged.
        StorageError: it cannot be read.
    """
    about = copy / SNAPSHOT_FILE
    listed = read_document(about, ABOUT, "a note of a copy of the code") if is_file(about) else {}
    if LISTED in listed:
        return [Path(name) for name in listed[LISTED]]
    return sorted(set(_files_below(copy)) - {Path(SNAPSHOT_FILE)})


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
        place = Path(folder).relative_to(copy)
        if CACHES not in place.parts:
            yield from (place / name for name in names)


def snapshot_name(source: Path) -> str:
    """What `take_snapshot` would return; nothing is touched.

    Raises:
        DataFileError: there is more in the checkout than code can be.
    """
    return _files_and_name(source)[1]


def _files_and_name(source: Path) -> tuple[list[Path], str]:
    files = sorted(islice(_files(source), MAX_FILES + 1))
    _require_small(source, files)
    return files, _name(source, files)


def _files(source: Path) -> Iterator[Path]:
    """Files of a checkout or a project relative to it: tracked or new, and not ignored by git.

    New files in `results`, or in an experiment that git knows nothing of, are no code.
    """
    command = ["git", "-C", str(source), "ls-files", "-z", "--exclude-standard"]
    try:
        tracked, new = (
            [Path(os.fsdecode(name)) for name in said.split(b"\0") if name]
            for said in (_said([*command, option]) for option in ("--cached", "--others"))
        )
    except (OSError, subprocess.SubprocessError):
        yield from _walk(source)
        return
    if not (tracked or new):  # a folder within a repository that ignores it
        yield from _walk(source)
        return
    data = {file.parent for file in new if _is_experiment(source / file.parent)}
    code = [file for file in new if file.parts[0] not in SKIPPED and data.isdisjoint(file.parents)]
    yield from (file for file in (*tracked, *code) if (source / file).is_file())


def _said(command: Sequence[str]) -> bytes:
    """What a command prints.

    Raises:
        OSError, SubprocessError: it is not here, or fails.
    """
    return subprocess.run(command, capture_output=True, check=True, timeout=120).stdout


def _is_experiment(folder: Path) -> bool:
    """Whether a folder is an experiment's directory, which holds data and no code."""
    pairs = (folder / MANIFEST, folder / RUNS), (folder / PLANS, folder / CODE)
    return any(first.exists() and second.is_dir() for first, second in pairs)


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
            and not _is_experiment(directory / name)
        ]
        for name in names:
            if not name.startswith(".") and (directory / name).is_file():
                yield (directory / name).relative_to(source)


def _require_small(source: Path, files: list[Path]) -> None:
    hint = "move data out of it, name it in .gitignore, or name a smaller folder with --project"
    if len(files) > MAX_FILES:
        raise DataFileError(
            f"{source}: a snapshot of the code would take more than {MAX_FILES:,} files", hint
        )
    sizes = {file: (source / file).stat().st_size for file in files}
    if sum(sizes.values()) > MAX_BYTES:
        largest = max(sizes, key=lambda file: sizes[file])
        raise DataFileError(
            f"{source}: a snapshot of the code would take {sum(sizes.values()) / 1e6:.0f} MB, "
            f"allowed: {MAX_BYTES / 1e6:.0f} MB; the largest file is {largest}",
            hint,
        )


def _name(source: Path, files: Iterable[Path]) -> str:
    """Where a copy of these files goes, by their content.

    Raises:
        DataFileError: one is no regular file.
        OSError: one cannot be read.
    """
    digest = hashlib.sha256()
    for file in files:
        content = read_regular(source / file, MAX_BYTES)
        digest.update(f"{file}\0{len(content)}\0".encode(errors="surrogateescape"))
        digest.update(content)
    return f"{CODE}/{digest.hexdigest()[:12]}"
