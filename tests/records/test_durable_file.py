"""Laws of durable files: whole or not there, and any damage is found."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import disks
import h5py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nthrun.errors import DataFileError, StorageError, SupersededError
from nthrun.files.regular_file import LARGEST_DOCUMENT_BYTES
from nthrun.records import durable_file
from nthrun.records.durable_file import (
    MIN_BLOCK,
    block_size,
    is_checksummed,
    read_checksummed,
    read_header,
    write_checksummed,
    write_durably,
)

HEADERS = st.dictionaries(
    st.text(max_size=20), st.none() | st.integers() | st.text() | st.lists(st.booleans())
)
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A real file system of 64 KiB."""
    with disks.small_disk("64k") as directory:
        yield directory


def put(path: Path, header: dict[str, Any], payload: bytes) -> bytes:
    """Write a checksummed file; returns its bytes."""
    write_checksummed(path, header, lambda _: payload)
    return path.read_bytes()


def assert_damaged(path: Path, content: bytes | bytearray) -> None:
    """Bytes that are no checksummed file are refused as such."""
    path.unlink(missing_ok=True)  # faster than to overwrite
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=path.name):
        read_checksummed(path)


@settings(deadline=None, max_examples=50)
@given(HEADERS, st.binary(max_size=2000))
def test_round_trip(header: dict[str, Any], payload: bytes) -> None:
    """Header and payload come back, and the payload starts where HDF5 allows a user block."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "new" / "file"
        put(path, header, payload)
        found, content = read_checksummed(path)
        assert found == read_header(path) == header
        assert is_checksummed(path)
        block = block_size(content)
        assert content[block:] == payload
        assert block >= MIN_BLOCK
        assert block.bit_count() == 1


@pytest.mark.parametrize("payload", [b"", b"payload"])
def test_every_flipped_bit(tmp_path: Path, payload: bytes) -> None:
    """Each single flipped bit is found: in the first line, header, padding and payload."""
    path = tmp_path / "file"
    content = put(path, {"kind": "test", "indices": "0-7"}, payload)
    with open(path, "rb+", buffering=0) as file:
        for bit in range(8 * len(content)):
            place = bit // 8
            file.seek(place)
            file.write(bytes([content[place] ^ 1 << bit % 8]))
            with pytest.raises(DataFileError, match=path.name):
                read_checksummed(path)
            file.seek(place)
            file.write(content[place : place + 1])
    assert path.read_bytes() == content


@settings(deadline=None, max_examples=100)
@given(HEADERS, st.binary(max_size=5000), st.data())
def test_any_flipped_bit(header: dict[str, Any], payload: bytes, data: st.DataObject) -> None:
    """A flipped bit is found whatever the sizes of header and payload."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "file"
        damaged = bytearray(put(path, header, payload))
        bit = data.draw(st.integers(0, 8 * len(damaged) - 1))
        damaged[bit // 8] ^= 1 << bit % 8
        assert_damaged(path, damaged)


def test_every_other_length(tmp_path: Path) -> None:
    """Each truncation is found, down to an empty file, and so is anything appended."""
    path = tmp_path / "file"
    content = put(path, {"kind": "test"}, bytes(100))
    for length in range(len(content)):
        assert_damaged(path, content[:length])
    assert_damaged(path, content + b"\0")


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=1000))
def test_random_bytes(content: bytes) -> None:
    """Bytes from elsewhere are refused, after a right beginning too."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "file"
        assert_damaged(path, content)
        assert is_checksummed(path) == content.startswith(durable_file.MAGIC)
        assert_damaged(path, durable_file.MAGIC + content)


def test_a_header_of_any_size_is_not_read(tmp_path: Path) -> None:
    """A header larger than any document, which could fill the memory, is refused unread."""
    write_checksummed(tmp_path / "f", {"a": "x" * LARGEST_DOCUMENT_BYTES}, lambda _: b"")
    for read in (read_header, read_checksummed):
        with pytest.raises(DataFileError, match=r"a header of .* bytes, allowed: 67,108,864"):
            read(tmp_path / "f")


def test_foreign_files(tmp_path: Path) -> None:
    """A directory, an absent file and someone else's HDF5 file are refused, by name."""
    (tmp_path / "directory").mkdir()
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    for name in ("directory", "absent", "other.h5"):
        for read in (read_checksummed, read_header):
            with pytest.raises(DataFileError, match=name):
                read(tmp_path / name)
        assert not is_checksummed(tmp_path / name)


class Filling:
    """A file that takes some bytes and then finds the disk full."""

    def __init__(self, file: io.FileIO, room: int) -> None:
        self.file = file
        self.room = room

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> Filling:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, content: bytes) -> int:
        self.file.write(content[: self.room])
        if len(content) > self.room:
            raise FULL
        self.room -= len(content)
        return len(content)

    def writelines(self, parts: list[bytes]) -> None:
        for part in parts:
            self.write(part)


def fail_at(moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk be full at a moment of writing."""

    def fail(*_: object, **__: object) -> None:
        raise FULL

    def open_filling(path: Path, mode: str) -> Any:
        return Filling(io.FileIO(path, mode), 100)

    if moment == "open":
        monkeypatch.setattr(durable_file, "open", fail, raising=False)
    elif moment == "write":
        monkeypatch.setattr(durable_file, "open", open_filling, raising=False)
    else:
        monkeypatch.setattr(os, "fsync", fail)


@pytest.mark.parametrize("moment", ["open", "write", "fsync"])
@pytest.mark.parametrize("earlier", [True, False])
def test_disk_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, earlier: bool
) -> None:
    """Whenever the disk is full, the earlier file stays, and nothing else; the error says so."""
    path = tmp_path / "file"
    before = put(path, {"number": 1}, b"one") if earlier else None
    fail_at(moment, monkeypatch)
    with pytest.raises(StorageError, match=r"file: No space left on device; hint: .*free space"):
        write_checksummed(path, {"number": 2}, lambda _: b"two")
    monkeypatch.undo()
    assert [found.name for found in tmp_path.iterdir()] == (["file"] if earlier else [])
    if earlier:
        assert path.read_bytes() == before


def test_any_failure_leaves_no_temporary_file(tmp_path: Path) -> None:
    """An error of another kind, an interruption too, passes through and leaves no rest."""
    path = tmp_path / "file"
    for error in (KeyboardInterrupt(), DataFileError("elsewhere"), ZeroDivisionError()):

        def write(file: BinaryIO, error: BaseException = error) -> None:
            file.write(b"part")
            raise error

        with pytest.raises(type(error)):
            write_durably(path, write)
        assert list(tmp_path.iterdir()) == []


def test_real_full_disk(small_disk: Path) -> None:
    """On a real full disk the earlier file stays, and there is room for what fits afterwards."""
    path = small_disk / "file"
    before = put(path, {"number": 1}, bytes(20_000))
    with pytest.raises(StorageError, match=r"No space left on device; hint: "):
        write_checksummed(path, {"number": 2}, lambda _: bytes(80_000))
    assert [found.name for found in small_disk.iterdir()] == ["file"]
    assert path.read_bytes() == before
    put(path, {"number": 3}, bytes(20_000))
    assert read_header(path) == {"number": 3}


def test_two_writers_at_once(tmp_path: Path) -> None:
    """Two writers of one name never share a temporary file: the last one whole wins."""
    path = tmp_path / "file"

    def write_within(file: BinaryIO) -> None:
        file.write(b"outer ")
        write_durably(path, lambda other: other.write(b"inner"))
        file.write(b"whole")

    write_durably(path, write_within)
    assert path.read_bytes() == b"outer whole"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("number", "may_pass"),
    [
        (errno.ENOSPC, True),
        (errno.EDQUOT, True),
        (errno.EIO, True),
        (errno.ESTALE, True),
        (errno.EACCES, False),
        (errno.EROFS, False),
        (errno.ENOTDIR, False),
    ],
)
def test_what_may_pass(number: int, may_pass: bool) -> None:
    """Want of space, or of an answer of the file system, may pass; want of permission does not."""
    error = durable_file.storage_error(Path("file"), OSError(number, os.strerror(number)))
    assert error.may_pass is may_pass


def test_refused_before_naming(tmp_path: Path) -> None:
    """When it is asked whether a file may get its name, all of it is on disk; if not, the earlier
    file stays and nothing else."""
    path = tmp_path / "file"
    before = put(path, {"number": 1}, b"one")

    def refuse() -> None:
        (temporary,) = set(tmp_path.iterdir()) - {path}
        assert read_checksummed(temporary)[0] == {"number": 2}
        raise SupersededError("another")

    with pytest.raises(SupersededError):
        write_checksummed(path, {"number": 2}, lambda _: b"two", refuse)
    assert [found.name for found in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == before
