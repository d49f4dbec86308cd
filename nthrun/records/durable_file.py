"""Durable files: a checksummed header in front of a payload, written all or nothing.

    line 1    nthrun-sealed 1 <block size> <SHA-256 of everything after this line>
    header    one JSON object, padded with NUL to the block size (a power of two, at least 512)
    payload   for a shard an HDF5 file whose user block is exactly this header block

What a file holds stands in its first bytes, and any damage from its checksum.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from nthrun.errors import DataFileError, NthrunError, StorageError
from nthrun.files.document import parse_document
from nthrun.files.forms import ANY_FIELDS
from nthrun.files.regular_file import (
    LARGEST_DOCUMENT_BYTES,
    cannot_read,
    open_regular,
    read_regular,
)
from nthrun.records.listing import is_there
from nthrun.records.writer import temporary_path

MAGIC = b"nthrun-sealed 1 "
MIN_BLOCK, MAX_BLOCK = 512, 2**28
_FIRST_LINE_LENGTH = len(MAGIC) + 10 + 1 + 64 + 1
_FIRST_LINE_REST = re.compile(rb"([0-9]{10}) ([0-9a-f]{64})\n")
_CHUNK_BYTES = 2**20
PASSING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN)
"""What a network file system says when it has lost its server for a while."""


def nothing() -> None:
    """What is done before a file gets its name, where nothing is."""


def write_checksummed(
    path: Path,
    header: Mapping[str, Any],
    payload: Callable[[int], bytes | memoryview],
    before_naming: Callable[[], None] = nothing,
) -> None:
    """Write a checksummed file; after return it is on disk under its name, before it is not there.

    Args:
        path: where; its directory is created.
        header: JSON data.
        payload: gives the payload's bytes for a block size (HDF5 wants to know it).
        before_naming: called when all is on disk but the name; what it raises leaves no file.

    Raises:
        StorageError: the disk is full or the place not writable; no partial file is left.
    """
    text = json.dumps(header, separators=(",", ":")).encode()
    block = MIN_BLOCK
    while block < _FIRST_LINE_LENGTH + len(text):
        block *= 2
    body = text.ljust(block - _FIRST_LINE_LENGTH, b"\0")
    content = payload(block)
    digest = hashlib.sha256(body)
    digest.update(content)
    line = MAGIC + f"{block:010d} {digest.hexdigest()}\n".encode()

    def put(temporary: Path, path: Path) -> None:
        before_naming()
        os.replace(temporary, path)

    with written_aside(path, put) as temporary, open(temporary, "wb") as file:
        file.writelines((line, body, content))


def write_durably(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file as `written_aside` does.

    Raises:
        StorageError: as `write_checksummed`.
    """
    with written_aside(path) as temporary, open(temporary, "wb") as file:
        write(file)


def write_unless_other(contents: Mapping[Path, bytes], overwrite: bool, hint: str) -> list[Path]:
    """Write files, none of them if one would take the place of other content.

    Args:
        contents: path -> all that the file is to say.
        overwrite: whether other content is replaced.
        hint: what to do where it is not.

    Returns:
        those that were not there with this content already.

    Raises:
        DataFileError: a file says otherwise, or is no regular file.
        StorageError: as `write_checksummed`.
    """
    changed = {path: content for path, content in contents.items() if _content(path) != content}
    for path in changed:
        if not overwrite and _content(path) is not None:
            raise DataFileError(f"{path}: there already, and says otherwise", hint)
    for path, content in changed.items():
        write_durably(path, lambda file, content=content: file.write(content))  # type: ignore[misc]
    return list(changed)


def _content(path: Path) -> bytes | None:
    """What a file says; None where there is none."""
    try:
        return read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_read(path, error) from error


@contextlib.contextmanager
def written_aside(path: Path, put: Callable[[Path, Path], None] = os.replace) -> Iterator[Path]:
    """A path to write to, which is then fsynced and renamed, and its directory fsynced.

    Args:
        path: where; its directory is created.
        put: gives the temporary file its name.

    Raises:
        StorageError: as `write_checksummed`; whatever is raised, no temporary file is left.
    """
    temporary = temporary_path(path)
    try:
        ensure_directory(path.parent)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        put(temporary, path)
        sync_directory(path.parent)
    except NthrunError:
        raise
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def ensure_directory(directory: Path) -> None:
    """Create a directory and its parents, durably."""
    if not directory.is_dir():
        ensure_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        sync_directory(directory.parent)


def require_writable(directory: Path) -> None:
    """Check that files can be made in a directory, or in what it is to be made in.

    Raises:
        StorageError: they cannot.
    """
    place = directory
    while not is_there(place) and not place.is_symlink():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise storage_error(directory, error) from error


def open_in_place(path: Path) -> int:
    """Open a file that is locked, or added to, where it lies; it is made if need be.

    What lies there may be anybody's: a link would lead out of the experiment, and a FIFO hang.

    Raises:
        OSError: it is no regular file, or cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is no regular file")
    return descriptor


def modified(path: Path) -> float:
    """When a file was written, seconds since 1970; 0 where that is not known."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def sync_directory(directory: Path) -> None:
    """Make renames in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_error(path: Path, error: OSError) -> StorageError:
    """The error of a failed write, saying what to do."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "free space" if full else "check the path and its permissions"
    failure = StorageError(
        f"cannot write {path}: {os.strerror(error.errno) if error.errno else error}",
        f"nothing recorded is lost; {remedy} or choose another --save-dir, "
        "then give the same command again to continue",
    )
    failure.may_pass = full or error.errno in PASSING
    return failure


def is_checksummed(path: Path) -> bool:
    """Whether a file begins as a checksummed one."""
    try:
        with open_regular(path) as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, DataFileError):
        return False


def read_header(path: Path) -> dict[str, Any]:
    """The header of a checksummed file, its checksum not yet verified.

    Raises:
        DataFileError: it is no checksummed file, or cut short.
    """
    with _opened(path) as file:
        block, _ = _first_line(path, file.read(_FIRST_LINE_LENGTH))
        return _header(path, file.read(block - _FIRST_LINE_LENGTH))


def verified_header(path: Path) -> dict[str, Any]:
    """The header of a checksummed file, all of which is verified and none of the rest kept.

    Raises:
        DataFileError: it is no checksummed file, cut short, or damaged.
    """
    with _opened(path) as file:
        block, checksum = _first_line(path, file.read(_FIRST_LINE_LENGTH))
        body = file.read(block - _FIRST_LINE_LENGTH)
        digest = hashlib.sha256(body)
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    _require_checksum(path, digest.hexdigest(), checksum)
    return _header(path, body)


def read_checksummed(path: Path) -> tuple[dict[str, Any], memoryview]:
    """The header of a checksummed file and all its bytes, verified.

    Returns:
        the header, and the bytes, the header block included (an HDF5 user block).

    Raises:
        DataFileError: it is no checksummed file, cut short, or damaged.
    """
    with _opened(path) as file:
        line = file.read(_FIRST_LINE_LENGTH)
        block, checksum = _first_line(path, line)
        body = file.read()
    _require_checksum(path, hashlib.sha256(body).hexdigest(), checksum)
    return _header(path, body[: block - _FIRST_LINE_LENGTH]), memoryview(line + body)


def block_size(content: memoryview) -> int:
    """Where the payload of a verified file starts, in bytes."""
    return int(bytes(content[len(MAGIC) : len(MAGIC) + 10]))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file, opened for reading.

    Raises:
        DataFileError: it cannot be, or what is read of it does not fit into memory.
    """
    try:
        with open_regular(path) as file:
            yield file
    except OSError as error:
        raise cannot_read(path, error) from error
    except MemoryError:
        raise DataFileError(f"{path}: too large for this machine's memory") from None


def _first_line(path: Path, line: bytes) -> tuple[int, str]:
    if not line.startswith(MAGIC):
        raise DataFileError(f"{path}: not a file that nthrun wrote")
    match = _FIRST_LINE_REST.fullmatch(line[len(MAGIC) :])
    block = int(match[1]) if match else 0
    if match is None or not MIN_BLOCK <= block <= MAX_BLOCK or block & (block - 1):
        raise DataFileError(f"{path}: damaged in its first line")
    return block, match[2].decode()


def _require_checksum(path: Path, found: str, stated: str) -> None:
    if found != stated:
        raise DataFileError(f"{path}: damaged or cut short (its checksum does not match)")


def _header(path: Path, body: bytes) -> dict[str, Any]:
    text = body.rstrip(b"\0")
    if len(text) > LARGEST_DOCUMENT_BYTES:
        raise DataFileError(
            f"{path}: a header of {len(text):,} bytes, allowed: {LARGEST_DOCUMENT_BYTES:,}"
        )
    header: dict[str, Any] = parse_document(path, text, ANY_FIELDS, "a header")
    return header
