"""Writers: the process that writes a temporary file, told by the file's name.

A file is written under another name until it is whole. A process that is killed leaves that behind,
and whoever finds it has to know whether somebody still writes it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from nthrun.records.listing import names_in

TEMPORARY_PREFIX = ".writing-"
_BY_WRITER = re.compile(r"\.writing-([0-9a-f]{8})-([0-9]{1,10})-([0-9a-f]{8})-[0-9a-f]{8}-.*", re.S)
NAME_BYTES = 180
"""Bytes at the end of a name that its temporary file has too."""
STALE_SECONDS = 86_400
"""Age of a temporary file, of a writer that this host cannot ask about, that nobody writes now."""


def temporary_path(path: Path) -> Path:
    """Where a file is written until it is whole: a name beside it that says who writes it."""
    pid = os.getpid()
    writer = f"{_host()}-{pid}-{_digest(process_birth(pid))}"
    end = os.fsdecode(os.fsencode(path.name)[-NAME_BYTES:])  # a name may have 255 bytes
    return path.with_name(f"{TEMPORARY_PREFIX}{writer}-{secrets.token_hex(4)}-{end}")


def stale_files(directory: Path) -> Iterator[Path]:
    """The temporary files in a directory that nobody writes any more, in order of their names.

    The writer was a process of this host that is gone; or it is not known, and the file is older
    than a day by the clock of its file system.

    Raises:
        StorageError: the directory cannot be listed.
    """
    names = [name for name in sorted(names_in(directory)) if name.startswith(TEMPORARY_PREFIX)]
    now = filesystem_now(directory) if names else 0.0
    for name in names:
        try:
            status = os.lstat(directory / name)
        except OSError:  # it has got its own name by now
            continue
        if stat.S_ISREG(status.st_mode) and _is_stale(name, now - status.st_mtime):
            yield directory / name


def filesystem_now(directory: Path) -> float:
    """The time by the clock of a file system, seconds since 1970; this host's where nothing can be
    written there, not even a file that has no name."""
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def process_birth(pid: int) -> str:
    """What tells a process from others that had or will have its id: the boot of the machine and
    the clock tick it started at; "" where the system does not tell.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return ""
    return f"{boot}:{int(state[19])}"


def _is_stale(name: str, age_seconds: float) -> bool:
    match = _BY_WRITER.fullmatch(name)
    if match is None or match[1] != _host():
        return age_seconds > STALE_SECONDS
    birth = process_birth(int(match[2]))
    if not birth:  # gone, or on a system that does not tell
        return process_birth(os.getpid()) != "" or age_seconds > STALE_SECONDS
    return _digest(birth) != match[3]


def _host() -> str:
    """This host, and which of its sets of process ids this process is in."""
    try:
        processes = str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        processes = ""
    return _digest(f"{platform.node()} {processes}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
