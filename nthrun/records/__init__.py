"""What came out: records, shards, the experiment directory, combined data.

`open_data` gives the nested data dict of a shard, an experiment directory, `data.json` or
`data.h5`, and `table` one row a run.
"""

from __future__ import annotations

import importlib
import os

_OTHERS_STORAGE = ("HDF5_DRIVER", "HDF5_VOL_CONNECTOR")


def _import_h5py() -> None:
    """Import h5py, however HDF5 is told to store the files of other programs.

    It reads these variables when it is first imported, and crashes where they name what is not
    there; files of ours are plain ones.
    """
    hidden = {name: os.environ.pop(name) for name in _OTHERS_STORAGE if name in os.environ}
    try:
        importlib.import_module("h5py")
    finally:
        os.environ.update(hidden)


_import_h5py()  # before any module of this package does

from nthrun.records.data import Data, open_data  # noqa: E402
from nthrun.records.tables import table  # noqa: E402

__all__ = ["Data", "open_data", "table"]
