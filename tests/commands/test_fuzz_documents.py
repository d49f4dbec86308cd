"""Commands on experiments of which one file is broken, in thousands of ways: an answer, always."""

from __future__ import annotations

import gzip
import json
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

import h5py
import numpy as np
import pytest
from documents import JUNK, KINDS, Kind, broken, damaged, dumped, make_everything, resealed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import ended

from nthrun.__main__ import commands
from nthrun.errors import NthrunError
from nthrun.records.columns import TEXTS_FORM
from nthrun.records.data import GONE
from nthrun.records.schema import SPECS
from nthrun.records.snapshots import read_snapshot
from nthrun.studies.journal import Journal, trials_of
from nthrun.training.checkpoint_index import all_held, find_checkpoints
from nthrun.training.checkpoints import load_lanes

SECONDS = 10
BYTES = 2**30
QUICK, ALL = 24, 720
"""Cases of each test: in `make test`, and of those that are slow."""
fuzzed = partial(
    settings,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
COMBINE, TO_H5 = ("combine", ""), ("combine", "", "data.h5")
STATUS = ("schedule", "--status", "")
BEST, BEST_JSON, BEST_H5 = (
    ("best", "--no-write", "--resamples", "10", name) for name in ("", "data.json", "data.h5")
)
FORGET = ("forget", "--index", "0", "")
READERS = (COMBINE, STATUS, BEST, FORGET)
OF_KIND = {
    "plan": (STATUS,),
    "lease": (STATUS,),
    "tombstone": (COMBINE, STATUS, FORGET),
    "data.json": (COMBINE, BEST_JSON, FORGET),
    "data.json without a digest": (COMBINE, BEST_JSON, FORGET),
    "data.h5": (TO_H5, BEST_H5, FORGET),
}
"""Commands that read a kind of file, "" being the experiment; the others are read by `READERS`."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with a file of every kind, to be copied."""
    root = tmp_path_factory.mktemp("whole") / "Pendulum-v1_SAC"
    make_everything(root)
    return root


@contextmanager
def copied(whole: Path) -> Iterator[Path]:
    """A copy of the experiment."""
    copy = whole.parent / "copy" / whole.name
    shutil.copytree(whole, copy)
    try:
        yield copy
    finally:
        shutil.rmtree(copy.parent, ignore_errors=True)


def answered(act: Callable[[], object]) -> None:
    """Within ten seconds and a gigabyte."""

    def late(*_: object) -> None:
        raise TimeoutError(f"longer than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        act()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most
    assert grown * 1024 < BYTES


def require_answer(root: Path, command: Sequence[str]) -> None:
    """A command ends with 0, 1 or 2, and with nothing but plain lines on stderr."""
    words = [str(root / word) if word in ("", "data.json", "data.h5") else word for word in command]
    outcome = ended(commands, *words)
    assert outcome.code in (0, 1, 2), (words, outcome)
    assert outcome.code == 0 or outcome.err.strip(), (words, outcome)
    for line in outcome.errors:
        assert line.startswith(("error: ", "warning: ", "note: ")), (words, outcome)
        assert "unexpected" not in line, (words, outcome)


def require_read(root: Path) -> None:
    """What is read by training alone is read, or refused as what it is."""
    checkpoints = root / "checkpoints"
    all_held(checkpoints)
    found, _ = find_checkpoints(checkpoints, 0, [8, 9], {"torch": "2"})
    for index, file in found.items():
        with refusing():
            load_lanes(file, [index], 0)
    with refusing():
        trials_of(Journal(root).events(), 6)
    for path in (root / "snapshots").iterdir():
        with refusing():
            read_snapshot(path)


@contextmanager
def refusing() -> Iterator[None]:
    """A file may be refused."""
    try:
        yield
    except NthrunError as error:
        assert len(error.lines()) == 1


def check(root: Path, kind: str) -> None:
    """Every command that reads a kind of file answers."""
    if kind in ("checkpoint", "journal", "snapshot"):
        answered(lambda: require_read(root))
        return
    for command in OF_KIND.get(kind, READERS):
        answered(partial(require_answer, root, command))


@st.composite
def contents(draw: st.DrawFn, kind: Kind, before: bytes) -> bytes:
    """What a file of a kind may hold instead: another document, or damaged bytes."""
    if draw(st.integers(0, 4)) == 0:
        return draw(damaged(before))
    return kind.write(draw(broken(kind.form, kind.read(before))), before)


def try_documents(whole: Path, kind: Kind, cases: int) -> None:
    """Run the readers of a kind on so many documents of it."""

    @fuzzed(max_examples=cases)
    @given(st.data())
    def attempt(data: st.DataObject) -> None:
        with copied(whole) as root:
            path = kind.path(root)
            path.write_bytes(data.draw(contents(kind, path.read_bytes())))
            check(root, kind.name)

    attempt()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_broken_documents(whole: Path, kind: Kind) -> None:
    """A command that reads a broken document ends with 0, 1 or 2 and says in plain lines why."""
    try_documents(whole, kind, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_many_broken_documents(whole: Path, kind: Kind) -> None:
    """So it does on a thousand documents of each kind."""
    try_documents(whole, kind, ALL)


TEXTS_IN_HDF5 = {
    "texts": TEXTS_FORM,
    "experiment": SPECS,
    "gone": GONE,
}


@st.composite
def columns_changes(draw: st.DrawFn, path: Path) -> Callable[[h5py.File], None]:
    """A change of what a shard or data.h5 holds."""
    with h5py.File(path) as file:
        names = [name for name in TEXTS_IN_HDF5 if name in file]
        name = draw(st.sampled_from(names))
        document = json.loads(gzip.decompress(file[name][:].tobytes()))
        datasets: list[str] = []
        file.visit(lambda n: datasets.append(n) if isinstance(file[n], h5py.Dataset) else None)
    kind = draw(st.sampled_from(("text", "text", "item", "item", "values", "shape", "gone")))
    chosen = draw(st.sampled_from(datasets))
    if kind == "text":
        text = gzip.compress(dumped(draw(broken(TEXTS_IN_HDF5[name], document))))
        return lambda file: put(file, name, np.frombuffer(text, np.uint8))
    if kind == "item":
        return partial(change_item, draw(st.randoms()), draw(JUNK | st.integers(-2, 50)))
    if kind == "values":
        number = draw(st.sampled_from((-1, 0, 2**31, -(2**62))))
        return lambda file: put(file, chosen, filled(file[chosen][:], number))
    size = draw(st.sampled_from((0, 1, 10**6, 10**9, 10**13)))
    if kind == "shape":
        return lambda file: stretch(file, chosen, size)
    return lambda file: file.__delitem__(chosen)


def change_item(generator: Random, value: object, file: h5py.File) -> None:
    """Change one item of the lists of a file's texts."""
    texts = json.loads(gzip.decompress(file["texts"][:].tobytes()))
    lists = [texts["unique"], *texts["columns"].values(), *texts["shapes"].values()]
    chosen = generator.choice([each for each in lists if each])
    chosen[generator.randrange(len(chosen))] = value
    put(file, "texts", np.frombuffer(gzip.compress(dumped(texts)), np.uint8))


def put(file: h5py.File, name: str, values: np.ndarray) -> None:
    """Put values in the place of a dataset."""
    del file[name]
    file[name] = values


def filled(values: np.ndarray, number: int) -> np.ndarray:
    """Values all replaced by a number, or by what of it fits their type."""
    made = values.copy()
    for name in values.dtype.names or [...]:
        with np.errstate(all="ignore"):
            made[name] = np.array(number).astype(made[name].dtype)
    return made


def stretch(file: h5py.File, name: str, size: int) -> None:
    """Put a dataset in the place of another, of which nothing is there."""
    dtype = file[name].dtype
    del file[name]
    file.create_dataset(name, (size,), dtype, chunks=(1000,), maxshape=(None,))


def try_columns(whole: Path, pattern: str, cases: int) -> None:
    """Run the readers of HDF5 files on so many changes of one."""

    @fuzzed(max_examples=cases)
    @given(st.data())
    def attempt(data: st.DataObject) -> None:
        with copied(whole) as root:
            path = min(root.glob(pattern))
            change = data.draw(columns_changes(path))
            if path.name == "data.h5":
                with h5py.File(path, "r+", libver="latest") as file:
                    change(file)
            else:
                resealed(path, change)
            check(root, path.name)

    attempt()


@pytest.mark.parametrize("pattern", ["runs/*.h5", "data.h5"])
def test_broken_columns(whole: Path, pattern: str) -> None:
    """So it does where what is broken lies in HDF5, behind a checksum that is right."""
    try_columns(whole, pattern, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["runs/*.h5", "data.h5"])
def test_many_broken_columns(whole: Path, pattern: str) -> None:
    """So it does on a thousand of them."""
    try_columns(whole, pattern, ALL)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def make_huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**42)


SPECIAL = (make_pipe, make_endless, make_loop, make_huge, Path.mkdir)


@pytest.mark.parametrize("make", SPECIAL, ids=lambda make: make.__name__)
def test_special_files(whole: Path, make: Callable[[Path], None]) -> None:
    """So it does where a file is none: no command waits for it, or reads without end."""
    kinds = {kind.pattern: kind.name for kind in KINDS} | {"data.h5": "data.h5"}
    for pattern, name in kinds.items():
        with copied(whole) as root:
            path = min(root.glob(pattern))
            path.unlink()
            make(path)
            check(root, name)
