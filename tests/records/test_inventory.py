"""Laws of the inventory: what counts as recorded, and what is missing."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from builders import make_experiment, make_run
from hypothesis import given, settings
from hypothesis import strategies as st

from nthrun.errors import StorageError
from nthrun.records import inventory
from nthrun.records.durable_file import write_checksummed
from nthrun.records.experiment import Experiment
from nthrun.records.inventory import CACHE_NAME, Inventory, RecordLocation, take_inventory
from nthrun.records.schema import STATUSES
from nthrun.records.snapshots import write_snapshot

INDICES = st.integers(0, 30)
RECORDS = st.lists(st.tuples(st.integers(0, 2), INDICES, st.sampled_from(STATUSES)), max_size=40)


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """Indices 0 to 5 of stage 0, a shard each; 4 and 5 failed and diverged."""
    made = make_experiment(tmp_path / "experiment")
    for index, status in enumerate(["completed"] * 4 + ["failed", "diverged"]):
        made.write(0, [make_run(index, 0, index, status=status)])
    return made


def shard_of(experiment: Experiment, index: int) -> Path:
    """The file that holds an index."""
    return experiment.inventory().entries[0, index][0].path


def answer(found: Inventory) -> tuple[object, ...]:
    """All that an inventory says."""
    return found.entries, found.unreadable, found.gone, found.empty


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-10] ^= 4
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def randomise(path: Path) -> None:
    path.write_bytes(os.urandom(5000))


def make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_foreign_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2]


def make_of_another_experiment(path: Path) -> None:
    other = make_experiment(
        path.parents[2] / "other", env_name="Other-v0", runs=[make_run(0, 0, 0)]
    )
    shutil.copyfile(next(other.runs.glob("*.h5")), path)


def make_snapshot(path: Path) -> None:
    path.unlink()
    about = {"stage": 0, "index": 3, "fingerprint": ""}
    write_snapshot(path.parent, "final", about, {}).rename(path)


def make_link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


def make_strange_header(path: Path) -> None:
    header = {"kind": "shard", "schema": 1, "shard": "x", "replaces": [["a"]], "indices": {}}
    write_checksummed(path, header | {"fingerprint": "", "stage": 0}, lambda _: b"")


def make_newer(path: Path) -> None:
    write_checksummed(path, {"kind": "shard", "schema": 2}, lambda _: b"")


DAMAGES = (
    cut,
    flip,
    empty,
    randomise,
    make_directory,
    make_foreign_hdf5,
    make_of_another_experiment,
    make_snapshot,
    make_link_to_nowhere,
    make_strange_header,
    make_newer,
)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_and_foreign_files(experiment: Experiment, damage: Callable[[Path], None]) -> None:
    """Such a file is named with its fault, not counted as recorded, and stops nothing else."""
    path = shard_of(experiment, 2)
    damage(path)
    for _ in range(2):
        found = experiment.inventory()
        ((named, problem),) = found.unreadable
        assert named == path
        assert problem
        assert str(path) not in problem
        assert found.recorded(0) == {0, 1, 3, 5}
        assert found.missing(range(6), 0) == [2]


def test_all_damages_at_once(experiment: Experiment) -> None:
    """Every one of several bad files is named; what remains counts."""
    paths = [shard_of(experiment, index) for index in range(5)]
    for path, damage in zip(paths, DAMAGES, strict=False):
        damage(path)
    found = experiment.inventory()
    assert {path for path, _ in found.unreadable} == set(paths)
    assert found.recorded(0) == {5}


def test_no_directory(tmp_path: Path) -> None:
    """Before anything was recorded everything is missing, and looking makes no files."""
    assert take_inventory(tmp_path / "runs", "f").missing([2, 0], 0) == [0, 2]
    assert list(tmp_path.iterdir()) == []


class TestCache:
    def test_same_answer(self, experiment: Experiment) -> None:
        """With a cache, without one and not trusting it, the answer is the same."""
        shard_of(experiment, 1).write_bytes(b"nonsense")
        with_cache = answer(experiment.inventory())
        assert (experiment.runs / CACHE_NAME).exists()
        assert answer(experiment.inventory()) == with_cache
        assert answer(experiment.inventory(trust_cache=False)) == with_cache
        (experiment.runs / CACHE_NAME).unlink()
        assert answer(experiment.inventory()) == with_cache

    def test_used(self, experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
        """An unchanged file is read once; only when the cache is not trusted, again."""
        experiment.inventory()
        reads: list[str] = []
        read = inventory.verified_header
        monkeypatch.setattr(
            inventory, "verified_header", lambda path: reads.append(path.name) or read(path)
        )
        experiment.inventory()
        assert reads == [CACHE_NAME]
        experiment.inventory(trust_cache=False)
        assert len(reads) == 1 + 6

    @pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
    def test_corrupt(self, experiment: Experiment, damage: Callable[[Path], None]) -> None:
        """Whatever becomes of the cache, the answer stays."""
        expected = answer(experiment.inventory())
        damage(experiment.runs / CACHE_NAME)
        for _ in range(2):
            assert answer(experiment.inventory()) == expected

    def test_every_flipped_byte(self, experiment: Experiment) -> None:
        """No flipped bit of the cache changes the answer."""
        path = experiment.runs / CACHE_NAME
        expected = answer(experiment.inventory())
        content = path.read_bytes()
        for position in range(0, len(content), 7):
            damaged = bytearray(content)
            damaged[position] ^= 1 << position % 8
            path.write_bytes(damaged)
            assert answer(experiment.inventory()) == expected

    def test_changed_size(self, experiment: Experiment) -> None:
        """A file of another size is read again, though its time is the same."""
        path = shard_of(experiment, 0)
        before = path.stat()
        cut(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert experiment.inventory().missing(range(6), 0) == [0]

    def test_changed_time(self, experiment: Experiment) -> None:
        """A file of another time is read again, though its size is the same."""
        path = shard_of(experiment, 0)
        before = path.stat()
        flip(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        assert experiment.inventory().missing(range(6), 0) == [0]

    def test_not_behind_a_link(self, experiment: Experiment, tmp_path: Path) -> None:
        """Where runs/ is a link it is read, and nothing is written to what it leads to."""
        (experiment.runs / CACHE_NAME).unlink()
        experiment.runs.rename(tmp_path / "outside")
        experiment.runs.symlink_to(tmp_path / "outside")
        assert experiment.inventory().recorded(0) == {0, 1, 2, 3, 5}
        assert not (tmp_path / "outside" / CACHE_NAME).exists()

    def test_cannot_be_written(
        self, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where no cache can be written there is none, and the answer is the same."""
        expected = answer(experiment.inventory())
        (experiment.runs / CACHE_NAME).unlink()

        def fail(_: int) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "fsync", fail)
        assert answer(experiment.inventory()) == expected
        assert not (experiment.runs / CACHE_NAME).exists()


class TestEarlier:
    def test_read_once(self, experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
        """A process reads the header of a file once, however many inventories it takes."""
        known = experiment.inventory()
        reads: list[str] = []
        read = inventory.verified_header
        monkeypatch.setattr(
            inventory, "verified_header", lambda path: reads.append(path.name) or read(path)
        )
        for index in range(6, 9):
            path = experiment.write(0, [make_run(index, 0, index)], earlier=known)
            known = experiment.inventory(earlier=known)
            known = experiment.inventory(earlier=known)
            assert reads == [path.name]
            reads.clear()
        assert known.missing(range(10), 0) == [9]

    @settings(deadline=None, max_examples=25)
    @given(
        st.lists(
            st.tuples(st.sets(st.integers(0, 4), min_size=1), st.sampled_from((*STATUSES, "gone"))),
            max_size=10,
        )
    )
    def test_same_answer(self, changes: list[tuple[set[int], str]]) -> None:
        """An inventory made from an earlier one says what one of all files says, whatever was
        recorded, replaced, forgotten or dropped between them."""
        with tempfile.TemporaryDirectory() as directory:
            experiment = make_experiment(Path(directory) / "experiment")
            known = experiment.inventory()
            for indices, status in changes:
                if status == "gone":
                    experiment.forget(0, indices)
                else:
                    runs = [make_run(index, 0, index, status=status) for index in indices]
                    experiment.write(0, runs, replace=len(indices) % 2 == 0, earlier=known)
                known = experiment.inventory(earlier=known)
                assert answer(known) == answer(experiment.inventory(trust_cache=False))

    def test_cache_is_written_now_and_then(
        self, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of many records of one process most are in the cache, which is written a few times."""
        known = experiment.inventory()
        writes: list[Path] = []
        write = inventory.write_checksummed
        monkeypatch.setattr(
            inventory,
            "write_checksummed",
            lambda path, *rest: writes.append(path) or write(path, *rest),
        )
        for index in range(6, 106):
            experiment.write(0, [make_run(index, 0, index)], earlier=known)
            known = experiment.inventory(earlier=known)
        assert 1 <= len(writes) <= 5
        assert known.num_cached >= 80


def inventory_of(records: list[tuple[int, int, str]]) -> Inventory:
    """An inventory of (stage, index, status)."""
    entries: dict[tuple[int, int], list[RecordLocation]] = {}
    for number, (stage, index, status) in enumerate(records):
        entries.setdefault((stage, index), []).append(
            RecordLocation(str(number), Path("x"), status)
        )
    return Inventory(entries, (), frozenset(), ())


class TestMissing:
    @given(RECORDS, st.lists(INDICES), st.integers(0, 2), st.booleans())
    def test_difference(
        self, records: list[tuple[int, int, str]], asked: list[int], stage: int, retry: bool
    ) -> None:
        """Missing is asked for minus recorded: in order, once, of this stage alone.

        A failed run is not recorded, but is missing only when failed ones are to be retried.
        """
        found = inventory_of(records)
        good = {i for s, i, status in records if s == stage and status != "failed"}
        failed = {i for s, i, status in records if s == stage} - good
        assert found.recorded(stage) == good
        done = good if retry else good | failed
        assert found.missing(asked, stage, retry) == sorted(set(asked) - done)

    @given(RECORDS, st.integers(0, 2))
    def test_completed_beats_failed(self, records: list[tuple[int, int, str]], stage: int) -> None:
        """A failed record never hides another one of the same run."""
        for index, status in inventory_of(records).statuses(stage).items():
            had = {how for s, i, how in records if (s, i) == (stage, index)}
            assert status in had
            assert (status == "failed") == (had == {"failed"})

    @settings(deadline=None, max_examples=25)
    @given(
        st.dictionaries(
            st.tuples(st.integers(0, 1), INDICES), st.sampled_from(STATUSES), max_size=12
        ),
        st.integers(1, 4),
    )
    def test_on_disk(self, records: dict[tuple[int, int], str], width: int) -> None:
        """The files say the same, whatever packs the records came in."""
        with tempfile.TemporaryDirectory() as directory:
            experiment = make_experiment(Path(directory) / "experiment")
            for stage in (0, 1):
                indices = [index for s, index in records if s == stage]
                for first in range(0, len(indices), width):
                    pack = indices[first : first + width]
                    experiment.write(
                        stage,
                        [make_run(i, 0, i, stage=stage, status=records[stage, i]) for i in pack],
                    )
            found = experiment.inventory()
            for stage in (0, 1):
                expected = {i: status for (s, i), status in records.items() if s == stage}
                assert found.statuses(stage) == expected


def test_a_directory_that_cannot_be_listed_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing disk stops with the directory's name; only where there is none, nothing is
    recorded."""
    assert not take_inventory(tmp_path / "runs", "print").entries

    def fail(path: Path) -> list[str]:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "listdir", fail)
    with pytest.raises(StorageError, match="runs: cannot be listed: Input/output error"):
        take_inventory(tmp_path / "runs", "print")
