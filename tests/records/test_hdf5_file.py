"""Laws of HDF5 files: nothing of another file is read, and nothing that is not there."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from builders import make_experiment, make_run
from documents import resealed

from nthrun.errors import DamagedFileError, DataFileError
from nthrun.files.forms import ANY_FIELDS, Unchecked
from nthrun.records import open_data
from nthrun.records.columns import write_json
from nthrun.records.combine import combine
from nthrun.records.experiment import Experiment
from nthrun.records.hdf5_file import open_hdf5, read_json
from nthrun.records.snapshots import read_snapshot, write_snapshot

SECRET = b"a secret of the reader's, which no record holds\n" * 20
Change = Callable[[h5py.File], None]


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """Three runs in three shards; a secret lies beside them, under a name that HDF5 can follow."""
    (tmp_path / "secret").write_bytes(SECRET)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["values"] = np.frombuffer(SECRET, np.uint8)
    monkeypatch.chdir(tmp_path)
    made = make_experiment(tmp_path / "experiment")
    for index in range(3):
        made.write(0, [make_run(index, 0, index)])
    return made


def replace(file: h5py.File, name: str, **options: object) -> None:
    """Put another dataset of bytes in the place of one."""
    del file[name]
    file.create_dataset(name, dtype="u1", **options)


def external_storage(file: h5py.File) -> None:
    replace(file, "texts", shape=(len(SECRET),), external=[("secret", 0, len(SECRET))])


def external_rewards(file: h5py.File) -> None:
    name = "arrays/train_episode_rewards/<f8"
    del file[name]
    file.create_dataset(name, (3,), "<f8", external=[("secret", 0, 24)])


def external_link(file: h5py.File) -> None:
    del file["texts"]
    file["texts"] = h5py.ExternalLink("secret.h5", "/values")


def external_group(file: h5py.File) -> None:
    del file["arrays"]
    file["arrays"] = h5py.ExternalLink("secret.h5", "/")


def link_nobody_reads(file: h5py.File) -> None:
    file["arrays/more"] = h5py.ExternalLink("secret.h5", "/values")


def soft_link(file: h5py.File) -> None:
    file.move("texts", "others")
    file["texts"] = h5py.SoftLink("/others")


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((len(SECRET),), "u1")
    layout[:] = h5py.VirtualSource("secret.h5", "values", (len(SECRET),))
    del file["texts"]
    file.create_virtual_dataset("texts", layout)


def named_type(file: h5py.File) -> None:
    file["kind"] = np.dtype("u1")
    content = file["texts"][:]
    del file["texts"]
    file.create_dataset("texts", data=content, dtype=file["kind"])


def references(file: h5py.File) -> None:
    del file["texts"]
    file.create_dataset("texts", data=[file.ref], dtype=h5py.ref_dtype)


def texts_of_any_length(file: h5py.File) -> None:
    del file["texts"]
    file.create_dataset("texts", data=["x"], dtype=h5py.string_dtype())


def terabytes(file: h5py.File) -> None:
    replace(file, "texts", shape=(10**12,), chunks=(1000,))


def many_rows(file: h5py.File) -> None:
    dtype = file["numbers"].dtype
    del file["numbers"]
    file.create_dataset("numbers", (10**12,), dtype, chunks=(1000,), compression="gzip")


def huge_chunks(file: h5py.File) -> None:
    replace(file, "texts", shape=(100,), maxshape=(None,), chunks=(2**31,))


def bomb_of_chunks(file: h5py.File) -> None:
    replace(file, "texts", shape=(2**28,), chunks=(2**14,), compression="gzip")
    bomb = gzip.zlib.compress(bytes(2**28), 9)
    file["texts"].id.write_direct_chunk((0,), bomb)


def bomb_of_text(file: h5py.File) -> None:
    del file["texts"]
    file["texts"] = np.frombuffer(gzip.compress(bytes(2**29), 9), np.uint8)


def lying_text(file: h5py.File) -> None:
    text = gzip.compress(bytes(2**20), 9)
    del file["texts"]
    file["texts"] = np.frombuffer(text[:-4] + b"\x01\0\0\0", np.uint8)


def many_dimensions(file: h5py.File) -> None:
    replace(file, "texts", shape=(1,) * 20)


def a_loop(file: h5py.File) -> None:
    file["arrays/again"] = file["arrays"]
    del file["texts"]


def missing_column(file: h5py.File) -> None:
    numbers = file["numbers"][:]
    del file["numbers"]
    file["numbers"] = numbers[["index", "stage"]]


CHANGES: tuple[Change, ...] = (
    external_storage,
    external_rewards,
    external_link,
    external_group,
    link_nobody_reads,
    soft_link,
    virtual,
    named_type,
    references,
    texts_of_any_length,
    terabytes,
    many_rows,
    huge_chunks,
    bomb_of_chunks,
    bomb_of_text,
    lying_text,
    many_dimensions,
    a_loop,
    missing_column,
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_shards_that_reach_out(experiment: Experiment, change: Change) -> None:
    """A shard that names other files, or states what is not there, is left out and named behind
    its valid checksum; the others are combined, and nothing of another file is written."""
    path = min(experiment.runs.glob("stage0-1-1-*.h5"))
    resealed(path, change)
    result = combine(experiment, experiment.root / "data.json", full=True)
    assert [file for file, _ in result.unreadable] == [path]
    assert result.num_runs == 2
    assert SECRET[:20] not in (experiment.root / "data.json").read_bytes()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_data_h5_that_reaches_out(experiment: Experiment, change: Change) -> None:
    """So is a data.h5, which is then kept aside."""
    path = experiment.root / "data.h5"
    combine(experiment, path)
    with h5py.File(path, "r+", libver="latest") as file:
        change(file)
    result = combine(experiment, path)
    assert [file for file, _ in result.unreadable] == [path]
    assert result.num_runs == 3
    assert len(open_data(path).entries) == 3


@pytest.mark.parametrize("change", [external_link, virtual, terabytes, references])
def test_snapshots_that_reach_out(tmp_path: Path, change: Change) -> None:
    """A snapshot like that is refused."""
    about = {"stage": 0, "index": 0, "step": 1, "agent_params": {}, "fingerprint": ""}
    path = write_snapshot(tmp_path, "best", about, {"texts": np.zeros(3, np.uint8)})
    resealed(path, change)
    with pytest.raises(DamagedFileError, match="no file of nthrun has that"):
        read_snapshot(path)


def test_deep_groups(tmp_path: Path) -> None:
    """Groups within groups without end are refused, not followed."""
    path = tmp_path / "deep.h5"
    with h5py.File(path, "w") as file:
        group: h5py.Group = file
        for _ in range(500):
            group = group.create_group("g")
    with pytest.raises(DataFileError, match="too many groups"):
        open_hdf5(path)


def test_why_it_cannot_be_opened(tmp_path: Path) -> None:
    """The system's or HDF5's reason is told where a file cannot be opened."""
    with pytest.raises(DataFileError, match=r"gone\.h5: .*No such file"):
        open_hdf5(tmp_path / "gone.h5")
    (tmp_path / "other.h5").write_bytes(b"something else")
    with pytest.raises(DataFileError, match=r"other\.h5: .*signature"):
        open_hdf5(tmp_path / "other.h5")
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(DataFileError, match=r"pipe\.h5: a named pipe"):
        open_hdf5(tmp_path / "pipe.h5")


def test_large_texts_stay_readable(tmp_path: Path) -> None:
    """A text of many equal values, which is compressed a thousand times, is read."""
    path = tmp_path / "file.h5"
    text = b'{"column": [' + b"0," * 5_000_000 + b"0]}"
    with h5py.File(path, "w") as file:
        file["texts"] = np.frombuffer(gzip.compress(text), np.uint8)
    with open_hdf5(path) as file:
        assert len(read_json(file, "texts", ANY_FIELDS)["column"]) == 5_000_001


def test_the_texts_of_many_runs(tmp_path: Path) -> None:
    """JSON in a file may hold more texts than a document does, where so much of it is stored."""
    texts = [f'{{"shard": "{number:x}"}}' for number in range(800_000)]
    with h5py.File(tmp_path / "many.h5", "w") as file:
        write_json(file, "texts", texts)
    with open_hdf5(tmp_path / "many.h5") as file:
        assert read_json(file, "texts", Unchecked()) == texts
