"""Snapshots: learned parameters kept on purpose, one checksummed HDF5 file each."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nthrun.errors import DataFileError
from nthrun.records.durable_file import read_checksummed, write_checksummed


def write_snapshot(
    directory: Path, moment: str, about: Mapping[str, Any], params: Mapping[str, np.ndarray]
) -> Path:
    """Keep the learned parameters of one run.

    Args:
        directory: the experiment's snapshots/.
        moment: "best", "final" or "step<N>"; a later best replaces the earlier.
        about: index, stage, step, agent_params, fingerprint.
        params: name -> array.
    """
    path = directory / f"stage{about['stage']}-index{about['index']}-{moment}.h5"

    def payload(user_block: int) -> memoryview:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w", userblock_size=user_block, libver="latest") as file:
            for name, array in params.items():
                file[name] = array
        return buffer.getbuffer()[user_block:]

    write_checksummed(path, {"kind": "snapshot", "moment": moment, **about}, payload)
    return path


def read_snapshot(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a snapshot is of, and its parameters by name.

    Raises:
        DataFileError: it is no snapshot, or damaged.
    """
    header, content = read_checksummed(Path(path))
    if header.get("kind") != "snapshot":
        raise DataFileError(f"{path}: a file of kind {header.get('kind')!r}, not a snapshot")
    with h5py.File(io.BytesIO(content), "r") as file:
        return header, {name: dataset[()] for name, dataset in file.items()}
