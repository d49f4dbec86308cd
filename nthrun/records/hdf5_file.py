"""HDF5 files: the one place that opens one, and what of HDF5 such a file may use.

HDF5 can name other files: by external links, as raw storage, as parts of a virtual dataset. It can
state terabytes in a few bytes. Files of nthrun use none of that, so that one which does is refused
before anything of it is read: plain groups, hard links, datasets whose values lie in the file.
"""

from __future__ import annotations

import hashlib
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5l, h5t, h5z

from nthrun.errors import DamagedFileError, DataFileError, StorageError
from nthrun.files.forms import Form
from nthrun.files.json_text import MAX_PARTS, JsonError, parse_json
from nthrun.files.regular_file import ABSENT, cannot_read, require_regular

MAX_DEPTH = 64
"""Groups within groups; the name of a learned parameter may have slashes."""
MAX_OBJECTS = 1_000_000
MAX_CHUNK_BYTES = 2**24
DEFLATE_RATIO = 1100
"""Deflate makes of a byte 1032 at most."""
FILTERS = (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32)
CLASSES = (h5t.INTEGER, h5t.FLOAT, h5t.ENUM, h5t.COMPOUND)
"""Kinds of values that a file may hold; an enumeration is how h5py writes booleans."""
DIGEST_PART_BYTES = 2**22
TEXT_BYTES, TEXT_RATIO = 2**28, 64
"""A compressed text may always be so large, and one of many bytes so many times as large."""
PARTS_PER_BYTE = 8
"""Of JSON, for each byte of it compressed: the texts of many runs' provenance are much alike."""
DAMAGE = (
    *(OSError, RuntimeError, LookupError, TypeError, ValueError, ArithmeticError),
    *(AttributeError, EOFError, zlib.error),
)
"""What a damaged HDF5 file makes its reader raise."""


DIGEST = b"\nsha256 %b\n"
DIGEST_BYTES = len(DIGEST % bytes(64))
"""What stands behind the end of an HDF5 file, where HDF5 does not look."""


def append_digest(path: Path) -> None:
    """Write the SHA-256 of a file behind its end.

    Raises:
        OSError: the file cannot be read or written.
    """
    with open(path, "rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest().encode()
        file.seek(0, os.SEEK_END)
        file.write(DIGEST % digest)


def has_true_digest(path: Path) -> bool:
    """Whether a file ends with the SHA-256 of all before it."""
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END) - DIGEST_BYTES
        file.seek(max(0, end))
        last = file.read()
        file.seek(0)
        digest = hashlib.sha256()
        while end > 0 and (part := file.read(min(end, DIGEST_PART_BYTES))):
            digest.update(part)
            end -= len(part)
    return last == DIGEST % digest.hexdigest().encode()


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Whatever a damaged file makes its reader raise.

    Raises:
        DamagedFileError: in place of it, naming the file.
        StorageError: in place of a failure of the system.
    """
    try:
        yield
    except (DamagedFileError, StorageError):
        raise
    except DataFileError as error:
        raise DamagedFileError(error.message, error.hint) from error
    except MemoryError as error:
        raise DamagedFileError(f"{path}: too large for this machine's memory") from error
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno and error.errno not in ABSENT:
            raise cannot_read(path, error, os.strerror(error.errno)) from error
        reason = " ".join(str(error).split())[:80]
        raise DamagedFileError(f"{path}: damaged or cut short ({reason})") from error


def open_hdf5(path: Path, chunk_cache_bytes: int = 0) -> h5py.File:
    """Open an HDF5 file for reading; what it says of other files is looked for first.

    Args:
        path: of the file.
        chunk_cache_bytes: of decompressed chunks that each dataset keeps.

    Raises:
        DataFileError: it is not there, is no HDF5 file, with HDF5's reason, or has links.
        StorageError: the system refuses it, with its reason.
    """
    try:
        require_regular(path, os.stat(path))
        file = h5py.File(path, "r", locking=False, rdcc_nbytes=chunk_cache_bytes)
    except OSError as error:
        if error.errno:
            raise cannot_read(path, error, os.strerror(error.errno)) from error
        raise DataFileError(f"{path}: cannot be opened as HDF5: {_reason(error)}") from error
    try:
        _require_hard_links(path, file)
    except BaseException:
        file.close()
        raise
    return file


def open_dataset(path: Path, group: h5py.Group, name: str) -> h5d.DatasetID:
    """A dataset of one dimension whose values all lie in the file.

    Args:
        path: of the file, for errors.
        group: of a file that `open_hdf5` opened.
        name: of the dataset within the group.

    Raises:
        DataFileError: it is another object, or of a kind that nthrun does not write.
        KeyError: there is none.
    """
    dataset = h5d.open(group.id, name.encode())
    if len(dataset.shape) != 1:
        raise DataFileError(f"{path}: {name}: {len(dataset.shape)} dimensions, allowed: 1")
    if problem := _problem(dataset):
        raise DataFileError(f"{path}: {name}: {problem}; no file of nthrun has that")
    return dataset


def read_bytes(path: Path, group: h5py.Group, name: str) -> bytes:
    """A dataset of bytes."""
    dataset = open_dataset(path, group, name)
    values = np.empty(dataset.shape, np.uint8)
    dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return values.tobytes()


def read_arrays(path: Path, file: h5py.File) -> Iterator[tuple[str, np.ndarray]]:
    """(name, array) of every dataset of a file, whatever its dimensions.

    Raises:
        DataFileError: one is of a kind that nthrun does not write.
    """
    names: list[str] = []
    file.visititems(
        lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
    )
    for name in names:
        dataset = h5d.open(file.id, name.encode())
        if problem := _problem(dataset):
            raise DataFileError(f"{path}: {name}: {problem}; no file of nthrun has that")
        yield name, file[name][()]


def read_json(group: h5py.Group, name: str, form: Form) -> Any:
    """JSON data that `write_json` stored.

    Raises:
        DataFileError: it is damaged, too large, or a field is not what it has to be.
    """
    path = Path(group.file.filename)
    try:
        stored = read_bytes(path, group, name)
        max_parts = MAX_PARTS + PARTS_PER_BYTE * len(stored)
        value = parse_json(_unzipped(stored), max_parts=max_parts)
    except JsonError as error:
        raise DataFileError(f"{path}: {name}: {error}") from None
    misfit = form.misfit(value, name)
    if misfit is not None:
        raise DataFileError(f"{path}: {misfit[0]}: {misfit[1]}")
    return value


def _unzipped(content: bytes) -> bytes:
    """What a gzip archive holds, whose last bytes say how much that is.

    Raises:
        JsonError: it is damaged, or larger than any text of nthrun.
    """
    size = int.from_bytes(content[-4:], "little")
    if size > max(TEXT_BYTES, TEXT_RATIO * len(content)):
        raise JsonError(f"a text of {size:,} bytes, compressed to {len(content):,}")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(content, size + 1)
    except zlib.error as error:
        raise JsonError(f"damaged ({error})") from None
    if len(text) != size or not unpacker.eof:
        raise JsonError("a text that is cut short, or longer than it says")
    return text


def _require_hard_links(path: Path, file: h5py.File) -> None:
    """Check every link of a file, none of which is followed.

    Raises:
        DataFileError: one is of another kind, or there are too many, or too deep.
    """
    count = 0

    def problem(name: bytes, info: Any) -> str | None:
        nonlocal count
        count += 1
        if info.type != h5l.TYPE_HARD:
            return f"a link to elsewhere ({name[:60].decode(errors='replace')!r})"
        if name.count(b"/") > MAX_DEPTH or count > MAX_OBJECTS:
            return "too many groups"
        return None

    found = file.id.links.visit(problem, info=True)
    if found is not None:
        raise DataFileError(f"{path}: holds {found}; no file of nthrun has that")


def _problem(dataset: h5d.DatasetID) -> str:
    """What a dataset is that nthrun does not write; "" where there is nothing."""
    made = dataset.get_create_plist()
    layout = made.get_layout()
    if layout not in (h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED) or made.get_external_count():
        return "its values lie in another file"
    of_type = dataset.get_type()
    if of_type.get_class() not in CLASSES or of_type.committed():
        return "values of a foreign type"
    size, stored = math.prod(dataset.shape) * of_type.get_size(), dataset.get_storage_size()
    if layout != h5d.CHUNKED:
        return "" if size <= stored else f"{size:,} bytes, of which {stored:,} are there"
    filters = [made.get_filter(n)[0] for n in range(made.get_nfilters())]
    chunk = math.prod(made.get_chunk()) * of_type.get_size()
    if not set(filters) <= set(FILTERS) or chunk > MAX_CHUNK_BYTES:
        return "values packed in a foreign way"
    if size > stored * (DEFLATE_RATIO if h5z.FILTER_DEFLATE in filters else 1):
        return f"{size:,} bytes, of which {stored:,} are there"
    largest = chunk + chunk // 100 + 1024  # what cannot be compressed grows a little
    return _chunk_problem(dataset, largest) if stored > largest else ""


def _chunk_problem(dataset: h5d.DatasetID, largest: int) -> str:
    """Whether a stored chunk is larger than one can be, as a bomb is."""
    large: list[int] = []

    def look(info: Any) -> bool | None:
        if info.size > largest:
            large.append(info.size)
        return True if large else None

    dataset.chunk_iter(look)
    return f"a chunk of {large[0]:,} bytes, allowed: {largest:,}" if large else ""


def _reason(error: OSError) -> str:
    text = " ".join(str(error).split())
    return text[text.find("(") + 1 :].rstrip(")") if "(" in text else text
