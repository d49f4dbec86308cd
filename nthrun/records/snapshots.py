"""Snapshots: learned parameters kept on purpose, one checksummed HDF5 file each."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nthrun.errors import DataFileError
from nthrun.files.document import require_form
from nthrun.files.forms import Fields, Text, Unchecked, Whole
from nthrun.records.durable_file import verified_header, write_checksummed
from nthrun.records.hdf5_file import naming_damage, open_hdf5, read_arrays
from nthrun.records.schema import PARAMETERS

FORM = Fields(
    {
        "index": Whole(),
        "stage": Whole(),
        "step": Whole(),
        "agent_params": PARAMETERS,
        "fingerprint": Text(),
    },
    others=Unchecked(),
)


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
    path = Path(path)
    header = verified_header(path)
    if header.get("kind") != "snapshot":
        raise DataFileError(f"{path}: a file of kind {header.get('kind')!r}, not a snapshot")
    require_form(path, header, FORM, "a snapshot")
    with naming_damage(path), open_hdf5(path) as file:
        return header, dict(read_arrays(path, file))
