"""Arrays as bytes: numpy's .npz, read without believing what it says of itself.

An archive is checked against the bytes that are there: nothing in it is compressed, and no array is
larger than what is stored of it.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Mapping

import numpy as np
from numpy.lib import format as npy

from nthrun.records.hdf5_file import DAMAGE

SUFFIX = ".npy"


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> memoryview:
    """An archive of arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getbuffer()


def unpack_arrays(content: bytes | memoryview) -> dict[str, np.ndarray]:
    """The arrays of an archive.

    Raises:
        ValueError: it is none, or damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if size > len(content) or any(m.compress_type != zipfile.ZIP_STORED for m in members):
                raise ValueError("larger than its bytes")
            return {m.filename.removesuffix(SUFFIX): _array(archive.read(m)) for m in members}
    except (zipfile.BadZipFile, zipfile.LargeZipFile, struct.error, *DAMAGE) as error:
        raise ValueError("no archive of arrays") from error


def _array(content: bytes) -> np.ndarray:
    """The array of a .npy file."""
    file = io.BytesIO(content)
    read_header = {
        (1, 0): npy.read_array_header_1_0,
        (2, 0): npy.read_array_header_2_0,
    }[npy.read_magic(file)]
    shape, is_fortran, dtype = read_header(file)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise ValueError("an array of another size than its values")
    values = np.frombuffer(content, dtype, offset=file.tell()).copy()
    return values.reshape(shape, order="F" if is_fortran else "C")
