"""The folders in which what is computed once is kept: the user's own, which nobody else can change.

Compiled libraries are code that this process runs, and exact solutions are what others are measured
by, so that a folder and a file are looked at before they are used: whose they are, and who may
write. A folder that fails is passed over with a note, and the next is tried; the last is made for
one use and goes after it.
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nthrun.terminal import note

CACHE_VARIABLE = "NTHRUN_CACHE"
NOTED_VARIABLE = "NTHRUN_CACHE_NOTED"
"""Holds the folders that this command has said are not used."""
PRIVATE = 0o700
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
MAX_BYTES = 2**30
TEMPORARY_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
"""Where a folder for one use may be made, where $TMPDIR will not do."""


@contextlib.contextmanager
def cache_folders(purpose: str) -> Iterator[Iterator[Path]]:
    """Folders of the user's own, best first; each is made, and found safe, when it is asked for.

    These are `nthrun-<user id>` in the folder that $NTHRUN_CACHE names, or `nthrun` in the user's
    cache, then `nthrun-<user id>` in the temporary folder, then new ones, deleted in the end.

    Args:
        purpose: what is kept there, such as "compiled code".
    """
    with contextlib.ExitStack() as stack:
        yield _usable_folders(stack, purpose)


def _usable_folders(stack: contextlib.ExitStack, purpose: str) -> Iterator[Path]:
    for folder in _kept_folders():
        problem = own_folder_problem(folder)
        if not problem:
            yield folder
        else:
            note_passed_over(folder, purpose, problem)
    for parent in dict.fromkeys((_temporary_folder(), *TEMPORARY_FOLDERS)):
        if not parents_problem(Path(parent) / "new"):
            with contextlib.suppress(OSError):
                yield Path(stack.enter_context(tempfile.TemporaryDirectory(dir=parent)))


def _kept_folders() -> Iterator[Path]:
    own = f"nthrun-{os.getuid()}"
    if chosen := os.environ.get(CACHE_VARIABLE):
        yield Path(os.path.expanduser(chosen)).absolute() / own
    else:
        home = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
        if not home.startswith("~"):  # a container's user may have no home
            yield Path(home).absolute() / "nthrun"
    yield Path(_temporary_folder()).absolute() / own


def _temporary_folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:  # it looks for one that can be written, and there is none
        return TEMPORARY_FOLDERS[0]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Have other processes wait here that lock the same folder, or the same file, which is made if
    need be. The lock goes with this process; on a file system without locks nobody waits.

    Raises:
        OSError: it cannot be opened.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def note_passed_over(folder: Path, purpose: str, problem: str) -> None:
    """Say why nothing is kept in a folder, once in this process and those that it starts."""
    noted = os.environ.get(NOTED_VARIABLE, "").split(os.pathsep)
    if str(folder) in noted:
        return
    os.environ[NOTED_VARIABLE] = os.pathsep.join([*noted, str(folder)])
    note(
        f"{folder}: not used for {purpose}: {problem}; "
        f"{CACHE_VARIABLE} may name another folder for it"
    )


def own_folder_problem(folder: Path) -> str:
    """Make a folder if need be, with all that it lies in; why it is not to be used, or ""."""
    try:
        _make(folder.parent)
        if problem := parents_problem(folder):
            return problem
        _make(folder)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        return _why_not_opened(folder, error)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.getuid():
            return "it belongs to another user"
        if found.st_mode & WRITABLE_BY_OTHERS:
            return "others may write to it"
        if stat.S_IMODE(found.st_mode) & ~PRIVATE:
            os.fchmod(descriptor, PRIVATE)  # who can open it could hold its lock for ever
    except OSError as error:
        return error.strerror or str(error)
    finally:
        os.close(descriptor)
    return ""


def parents_problem(path: Path) -> str:
    """Why others could put something in the place of a path, or ""."""
    named, real = path.absolute().parents, path.parent.resolve().joinpath(path.name).parents
    for folder in dict.fromkeys((*named, *real)):
        try:
            found = folder.stat()
        except OSError as error:
            return f"{folder}: {error.strerror}"
        others = found.st_mode & WRITABLE_BY_OTHERS
        if others == stat.S_IWGRP and _is_own_group(found.st_gid):
            continue
        if others and not found.st_mode & stat.S_ISVTX:
            return f"others may rename what is in {folder}"
    return ""


def is_own_file(path: Path) -> bool:
    """Whether a path is a regular file of this user's that nobody else may write."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_uid == os.getuid()
        and not found.st_mode & WRITABLE_BY_OTHERS
        and found.st_size <= MAX_BYTES
    )


def _make(folder: Path) -> None:
    """Make a folder and those it lies in for this user alone, whatever the umask."""
    if os.path.lexists(folder):
        return
    _make(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(PRIVATE)
        folder.chmod(PRIVATE)


def _why_not_opened(folder: Path, error: OSError) -> str:
    if os.path.islink(folder):  # of a name that is too long, too
        return "it is a link"
    return error.strerror or str(error)


def _is_own_group(group_id: int) -> bool:
    """Whether a group is the one that a system makes for this user alone."""
    try:
        group, user = grp.getgrgid(group_id), pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
