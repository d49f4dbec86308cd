"""Laws of combining: nothing lost, nothing doubled, nothing depends on order."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import disks
import h5py
import numpy as np
import pytest
from builders import make_experiment, make_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from nthrun.errors import DataFileError, StorageError
from nthrun.records import durable_file, open_data
from nthrun.records.combine import Combined, combine, forget
from nthrun.records.experiment import Experiment
from nthrun.records.schema import OMITTED_FROM_JSON, OUTPUT, Run, differing_key, flat_arrays

NAMES = ("data.json", "data.h5")
both = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A real file system of 256 KiB."""
    with disks.small_disk("256k") as directory:
        yield directory


def run(index: int, value: float = 0.0, **changes: Any) -> Run:
    """A run of a sweep of two settings that tells by its return which attempt it is."""
    return make_run(index, index % 2, index // 2, [value], [100], **changes)


def record(experiment: Experiment, *runs: Run, replace: bool = False) -> Path:
    """Write runs of one stage as one shard."""
    return experiment.write(runs[0]["stage"], runs, replace)


def combined(experiment: Experiment, name: str = "data.json", **options: Any) -> Combined:
    """Combine into the experiment directory."""
    return combine(experiment, experiment.root / name, **options)


def values(path: Path) -> dict[tuple[int, int], list[float]]:
    """(stage, index) -> returns of its records, in a combined file or an experiment."""
    found: dict[tuple[int, int], list[float]] = {}
    for entry in open_data(path).entries:
        loaded = entry.load(())
        key = loaded["stage"], loaded["index"]
        found.setdefault(key, []).append(float(loaded["train_episode_rewards"][0]))
    return {key: sorted(returns) for key, returns in found.items()}


def drop_shards(experiment: Experiment) -> None:
    """Delete every shard, as someone does who has combined them."""
    for path in experiment.runs.glob("*"):
        path.unlink()


def flip(path: Path) -> None:
    """Damage a file within, leaving its size."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """An empty experiment of two settings."""
    return make_experiment(tmp_path / "experiment", 2)


class TestOrder:
    @settings(deadline=None, max_examples=25)
    @given(
        st.permutations(range(8)), st.lists(st.integers(1, 4), min_size=8, max_size=8), st.data()
    )
    def test_any_order_and_packing(
        self, order: Sequence[int], widths: Sequence[int], data: st.DataObject
    ) -> None:
        """The same records in any order, packs and number of combinings give the same bytes."""
        contents = set()
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
            patch.setattr("nthrun.records.experiment.new_shard_id", lambda: "id")
            for number, (indices, packs) in enumerate(((range(8), [8]), (order, widths))):
                made = make_experiment(Path(directory) / str(number), 2)
                left = list(indices)
                for width in packs:
                    pack, left = left[:width], left[width:]
                    if pack:
                        record(made, *(run(i, i / 3) for i in pack))
                    if number and data.draw(st.booleans()):
                        combined(made)
                if left:
                    record(made, *(run(i, i / 3) for i in left))
                contents.add(combined(made).output.read_bytes())
        assert len(contents) == 1

    def test_order_of_files(self, experiment: Experiment, tmp_path: Path) -> None:
        """The order in which files appear in the directory does not matter."""
        paths = [record(experiment, run(i, float(i)), run(i + 1, 0.5)) for i in range(6)]
        expected = combined(experiment).output.read_bytes()
        other = make_experiment(tmp_path / "other", 2)
        other.runs.mkdir()
        for path in reversed(paths):
            shutil.copyfile(path, other.runs / path.name)
        assert combined(other).output.read_bytes() == expected

    @both
    def test_sorted_by_setting_stage_and_run(self, experiment: Experiment, name: str) -> None:
        """The runs in the file are in the order of settings, stages, run numbers."""
        for stage, index in ((1, 0), (0, 3), (0, 0), (0, 2), (1, 1)):
            record(experiment, run(index, stage=stage))
        entries = open_data(combined(experiment, name).output).entries
        identities = [entry.identity for entry in entries]
        assert identities == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 1), (1, 1, 0)]


class TestAgain:
    @both
    def test_unchanged(self, experiment: Experiment, name: str) -> None:
        """Combining again without new records leaves the file as it is."""
        record(experiment, run(0), run(1))
        first = combined(experiment, name)
        assert (first.num_runs, first.carried, first.written) == (2, 0, True)
        before = first.output.stat()
        again = combined(experiment, name)
        assert (again.num_runs, again.carried, again.written) == (2, 0, False)
        after = again.output.stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    @both
    def test_incremental(self, experiment: Experiment, name: str, tmp_path: Path) -> None:
        """Combining after each shard and combining once give the same file."""
        for index in range(5):
            record(experiment, run(index, float(index)))
            assert combined(experiment, name).written
        at_once = combine(experiment, tmp_path / name).output
        if name == "data.json":
            assert (experiment.root / name).read_bytes() == at_once.read_bytes()
        assert values(experiment.root / name) == values(at_once) == values(experiment.root)

    def test_no_records(self, experiment: Experiment) -> None:
        """Without records no file is written."""
        assert not combined(experiment).written
        assert not (experiment.root / "data.json").exists()

    def test_full(self, experiment: Experiment) -> None:
        """Asking for more or less than the file holds writes it again."""
        record(experiment, run(0))
        combined(experiment)
        assert combined(experiment, full=True).written
        assert not combined(experiment, full=True).written
        assert combined(experiment).written

    def test_progress(self, experiment: Experiment) -> None:
        """Progress counts up to the number of runs."""
        record(experiment, *(run(i) for i in range(5)))
        told: list[tuple[int, int]] = []
        combined(experiment, progress=lambda done, total: told.append((done, total)))
        assert told == [(n, 5) for n in range(1, 6)]


class TestCarriedOver:
    @pytest.mark.parametrize("before", NAMES)
    @pytest.mark.parametrize("after", NAMES)
    def test_deleted_shards(self, experiment: Experiment, before: str, after: str) -> None:
        """Records whose shards were deleted after combining stay, in whichever file is next."""
        record(experiment, run(0, 1.0), run(1, 2.0))
        record(experiment, run(0, 3.0, stage=1))
        expected = values(combined(experiment, before).output)
        drop_shards(experiment)
        record(experiment, run(5, 4.0))
        result = combined(experiment, after)
        assert (result.num_runs, result.carried) == (4, 3)
        assert values(result.output) == expected | {(0, 5): [4.0]}
        assert not combined(experiment, after).written

    @both
    def test_nothing_else_changes(self, experiment: Experiment, name: str) -> None:
        """A record that is carried over keeps every value, dtype and key the file had."""
        odd = {
            "train_episode_rewards": np.array([np.nan, np.inf, -0.0], np.float32),
            "train_episode_steps": np.array([20, 30, 50]),
        }
        record(experiment, run(0, **odd), run(1, learned_params={"a": np.array(0.5)}))
        before = open_data(combined(experiment, name).output).entries
        expected = [entry.load(()) for entry in before]
        drop_shards(experiment)
        record(experiment, run(2))
        found = [entry.load(()) for entry in open_data(combined(experiment, name).output).entries]
        found = [one for one in found if one["index"] != 2]
        for one, other in zip(found, expected, strict=True):
            assert list(one) == list(other)
            arrays, others = dict(flat_arrays(one)), dict(flat_arrays(other))
            for key, array in arrays.items():
                assert (array.dtype, array.shape) == (others[key].dtype, others[key].shape)
                assert array.tobytes() == others[key].tobytes()

    def test_the_fuller_file_is_used(self, experiment: Experiment) -> None:
        """What data.json left out is taken from data.h5 where there is one."""
        record(experiment, run(0))
        combined(experiment, "data.h5")
        combined(experiment)
        drop_shards(experiment)
        for name in ("data.json", "full.json"):
            (entry,) = open_data(combined(experiment, name, full=True).output).entries
            assert "actor/weight" in entry.load(())["learned_params"]

    def test_a_full_json_stays_full(self, experiment: Experiment) -> None:
        """A data.json that alone holds learned parameters keeps them."""
        record(experiment, run(0))
        combined(experiment, full=True)
        drop_shards(experiment)
        record(experiment, run(1))
        loaded = [entry.load(()) for entry in open_data(combined(experiment).output).entries]
        assert ["learned_params" in one for one in loaded] == [True, True]

    @both
    def test_run_again(self, experiment: Experiment, name: str) -> None:
        """A run repeated after its shard was deleted counts once if equal, else is a conflict."""
        odd = {"eval_episode_rewards": np.full((2, 2), -np.nan)}
        record(experiment, run(0, 1.0, **odd), run(1, 1.0))
        combined(experiment, name)
        drop_shards(experiment)
        assert experiment.inventory().missing([0, 1], 0) == [0, 1]
        record(experiment, run(0, 1.0, **odd), run(1, 2.0))
        result = combined(experiment, name)
        assert values(result.output) == {(0, 0): [1.0], (0, 1): [1.0, 2.0]}
        assert result.conflicts == (((1, 0, 0), "train_episode_rewards"),)

    @both
    def test_failed_again(self, experiment: Experiment, name: str) -> None:
        """A run that fails when repeated does not replace the good record in the file."""
        record(experiment, run(0, 1.0))
        combined(experiment, name)
        drop_shards(experiment)
        record(experiment, run(0, 2.0, status="failed"))
        result = combined(experiment, name)
        assert values(result.output) == {(0, 0): [1.0]}
        assert result.conflicts == ()

    @both
    def test_failed_before(self, experiment: Experiment, name: str) -> None:
        """A failed record in the file gives way to any other."""
        record(experiment, run(0, 1.0, status="failed"))
        combined(experiment, name)
        drop_shards(experiment)
        record(experiment, run(0, 2.0))
        assert values(combined(experiment, name).output) == {(0, 0): [2.0]}


class TestRemoved:
    @both
    def test_forgotten(self, experiment: Experiment, name: str) -> None:
        """Forgotten records vanish from the file, and it stays when nothing is left."""
        record(experiment, run(0), run(1), run(2))
        combined(experiment, name)
        experiment.forget(0, [1])
        assert values(combined(experiment, name).output).keys() == {(0, 0), (0, 2)}
        experiment.forget(0, [0, 2])
        result = combined(experiment, name)
        assert (result.num_runs, result.written) == (0, True)
        assert values(result.output) == {}
        assert not combined(experiment, name).written

    @both
    def test_replaced(self, experiment: Experiment, name: str) -> None:
        """Of a replaced record only the new one is in the file."""
        record(experiment, run(0, 1.0), run(1, 1.0))
        combined(experiment, name)
        record(experiment, run(0, 2.0), replace=True)
        result = combined(experiment, name)
        assert values(result.output) == {(0, 0): [2.0], (0, 1): [1.0]}
        assert result.conflicts == ()

    @pytest.mark.parametrize("first", NAMES)
    def test_stay_removed_without_shards(self, experiment: Experiment, first: str) -> None:
        """An older combined file does not bring back what a newer one no longer holds."""
        (second,) = set(NAMES) - {first}
        record(experiment, run(0, 1.0), run(1, 1.0), run(2, 1.0))
        combined(experiment, first)
        experiment.forget(0, [0])
        record(experiment, run(1, 2.0), replace=True)
        combined(experiment, second)
        drop_shards(experiment)
        for name in NAMES:
            assert values(combined(experiment, name).output) == {(0, 1): [2.0], (0, 2): [1.0]}

    def test_replaced_record_of_a_pack_stays_removed(self, experiment: Experiment) -> None:
        """Deleting a combined shard does not bring back what it replaced in a larger pack."""
        record(experiment, run(0, 1.0), run(1, 1.0))
        path = record(experiment, run(0, 2.0), replace=True)
        combined(experiment)
        path.unlink()
        result = combined(experiment)
        assert values(result.output) == {(0, 0): [2.0], (0, 1): [1.0]}
        assert result.conflicts == ()

    @both
    def test_forget_what_only_the_file_holds(self, experiment: Experiment, name: str) -> None:
        """Records without shards can be forgotten, and recorded again."""
        record(experiment, run(0, 1.0), run(1, 1.0))
        combined(experiment, name)
        drop_shards(experiment)
        assert forget(experiment, 0, [0, 7]) == [0]
        assert forget(experiment, 0, [0]) == []
        assert values(combined(experiment, name).output) == {(0, 1): [1.0]}
        record(experiment, run(0, 2.0))
        assert values(combined(experiment, name).output) == {(0, 0): [2.0], (0, 1): [1.0]}


class TestRepeats:
    @both
    def test_equal(self, experiment: Experiment, name: str) -> None:
        """Records equal but for timing and provenance are one."""
        record(experiment, run(0, 1.0))
        record(experiment, run(0, 1.0, train_time=99.0, provenance={"host": "other"}))
        result = combined(experiment, name)
        assert (result.num_runs, result.conflicts) == (1, ())

    @both
    def test_differing(self, experiment: Experiment, name: str) -> None:
        """Records that differ are all kept, and the key in which they do is reported, each time."""
        for value in (1.0, 2.0, 1.0, 3.0, 2.0):
            record(experiment, run(0, value))
        for _ in range(2):
            result = combined(experiment, name)
            assert values(result.output) == {(0, 0): [1.0, 2.0, 3.0]}
            assert result.conflicts == (((0, 0, 0), "train_episode_rewards"),) * 2

    def test_more_series(self, experiment: Experiment) -> None:
        """Of equal records the one that kept more series stays."""
        series = {"train_states": np.ones((100, 2))}
        for changes in ({}, series, {}):
            record(experiment, run(0, 1.0, **changes))
        (entry,) = open_data(combined(experiment, "data.h5").output).entries
        assert "train_states" in entry.load(())

    def test_other_series(self, experiment: Experiment) -> None:
        """Records that each kept what the other did not are both kept, and said to differ."""
        record(experiment, run(0, 1.0, train_states=np.ones((100, 2))))
        record(experiment, run(0, 1.0, train_actions=np.ones((100, 1))))
        result = combined(experiment, "data.h5")
        assert result.num_runs == 2
        assert result.conflicts[0][1] in ("train_states", "train_actions")

    @both
    def test_good_beats_failed(self, experiment: Experiment, name: str) -> None:
        """A failed record of a run with a good one is not in the file, whichever came first."""
        record(experiment, run(0, 1.0))
        record(experiment, run(0, 2.0, status="failed"))
        record(experiment, run(1, 3.0, status="failed"))
        result = combined(experiment, name)
        assert values(result.output) == {(0, 0): [1.0], (0, 1): [3.0]}
        assert result.conflicts == ()


class TestUnreadable:
    @both
    def test_damaged_shard(self, experiment: Experiment, name: str) -> None:
        """A damaged shard is named, and the rest is combined."""
        record(experiment, run(0))
        path = record(experiment, run(1))
        flip(path)
        result = combined(experiment, name)
        assert [found for found, _ in result.unreadable] == [path]
        assert values(result.output).keys() == {(0, 0)}

    @both
    def test_damaged_after_combining(self, experiment: Experiment, name: str) -> None:
        """What the file holds of a shard that was damaged later stays in it."""
        path = record(experiment, run(0, 1.0))
        combined(experiment, name)
        flip(path)
        record(experiment, run(1, 2.0))
        result = combined(experiment, name)
        assert [found for found, _ in result.unreadable] == [path]
        assert values(result.output) == {(0, 0): [1.0], (0, 1): [2.0]}

    @both
    def test_damage_the_cache_does_not_know(self, experiment: Experiment, name: str) -> None:
        """A shard that decayed without changing size and time is named, and the rest combined."""
        paths = [record(experiment, run(i, 1.0)) for i in range(4)]
        combined(experiment, name)
        record(experiment, run(4, 1.0))
        time = paths[2].stat().st_mtime_ns
        flip(paths[2])
        os.utime(paths[2], ns=(time, time))
        result = combined(experiment, name)
        assert [found for found, _ in result.unreadable] == [paths[2]]
        assert values(result.output) == {(0, i): [1.0] for i in range(5)}
        assert list(experiment.root.glob(".*")) == []

    @pytest.mark.parametrize("content", [b"", b'{"schema": 1', b"\x00\xff", b"{}", b"[]"])
    def test_damaged_data_json(self, experiment: Experiment, content: bytes) -> None:
        """A damaged data.json is named and set aside, each time under a name of its own."""
        record(experiment, run(0))
        path = experiment.root / "data.json"
        for number in (1, 2):
            path.write_bytes(content + bytes([32] * number))
            result = combined(experiment)
            ((named, problem),) = result.unreadable
            assert named == path
            assert "damaged" in problem
            assert "kept as data.json.damaged" in problem
            aside = experiment.root / f"data.json.damaged-{number}"
            assert aside.read_bytes() == content + bytes([32] * number)
            assert values(path).keys() == {(0, 0)}
        assert combined(experiment).unreadable == ()

    def test_damaged_data_h5(self, experiment: Experiment) -> None:
        """A data.h5 with damaged values, or cut short, is named and set aside."""
        record(experiment, *(run(i, float(i)) for i in range(20)))
        path = combined(experiment, "data.h5").output
        drop_shards(experiment)
        record(experiment, run(20))
        content = path.read_bytes()
        with h5py.File(path, "r") as file:
            place = file["arrays/train_episode_rewards/<f8"].id.get_chunk_info(0).byte_offset
        decayed = bytearray(content)
        decayed[place + 20] ^= 255
        for number, damaged in enumerate((bytes(decayed), content[: len(content) // 2]), 1):
            path.write_bytes(damaged)
            result = combined(experiment, "data.h5")
            assert [found for found, _ in result.unreadable] == [path]
            assert values(path).keys() == {(0, 20)}
            assert (experiment.root / f"data.h5.damaged-{number}").read_bytes() == damaged

    def test_damaged_and_nothing_else(self, experiment: Experiment) -> None:
        """Without any readable record a damaged file stays where it is, and is named."""
        path = experiment.root / "data.json"
        path.write_bytes(b"damaged")
        result = combined(experiment)
        assert [found for found, _ in result.unreadable] == [path]
        assert path.read_bytes() == b"damaged"

    def test_damaged_file_beside(self, experiment: Experiment) -> None:
        """A damaged data.h5 is named, and left alone, when data.json is written."""
        record(experiment, run(0))
        (experiment.root / "data.h5").write_bytes(b"damaged")
        result = combined(experiment)
        assert [found.name for found, _ in result.unreadable] == ["data.h5"]
        assert (experiment.root / "data.h5").read_bytes() == b"damaged"


class TestWrongOutput:
    def test_suffix(self, experiment: Experiment) -> None:
        """Another suffix than .json and .h5 is an error."""
        for name in ("data", "data.csv", "data.JSON"):
            with pytest.raises(DataFileError, match=r"allowed: \.json, \.h5"):
                combined(experiment, name)

    @both
    def test_another_experiment(self, experiment: Experiment, name: str, tmp_path: Path) -> None:
        """A file with another experiment's records is not touched, still less mixed with."""
        record(experiment, run(0))
        other = make_experiment(tmp_path / "other", 2, "Other-v0", runs=[run(1)])
        output = combine(other, tmp_path / name).output
        before = output.read_bytes()
        with pytest.raises(DataFileError, match="holds the records of another experiment"):
            combine(experiment, output)
        assert output.read_bytes() == before

    def test_files_of_the_experiment(self, experiment: Experiment) -> None:
        """A shard or the manifest, given as output, stays as it is."""
        path = record(experiment, run(0))
        for output in (path, experiment.root / "manifest.json"):
            before = output.read_bytes()
            with pytest.raises(DataFileError, match="not replaced"):
                combine(experiment, output)
            assert output.read_bytes() == before

    @both
    def test_elsewhere(self, experiment: Experiment, name: str, tmp_path: Path) -> None:
        """The output may be anywhere; its directory is made."""
        record(experiment, run(0))
        output = combine(experiment, tmp_path / "new" / "place" / name).output
        assert values(output).keys() == {(0, 0)}


class TestDiskFull:
    @both
    def test_at_the_end(
        self, experiment: Experiment, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When the disk is full the earlier file stays, whole and alone."""
        record(experiment, run(0))
        path = combined(experiment, name).output
        before = path.read_bytes()
        record(experiment, run(1))

        def fail(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(durable_file.os, "fsync", fail)
        with pytest.raises(StorageError, match=r"No space left on device; hint: "):
            combined(experiment, name)
        monkeypatch.undo()
        assert path.read_bytes() == before
        assert {found.name for found in experiment.root.iterdir()} == {
            "manifest.json",
            "runs",
            name,
        }
        assert combined(experiment, name).num_runs == 2

    @both
    @pytest.mark.parametrize("size", [3_000, 30_000, 60_000])
    def test_real(self, experiment: Experiment, small_disk: Path, name: str, size: int) -> None:
        """On a real full disk too, whether it fills up early, late or on closing the file."""
        output = small_disk / name
        record(experiment, run(0))
        combine(experiment, output, full=True)
        before = output.read_bytes()
        (small_disk / "filler").write_bytes(bytes(2**18 - 2**13 - len(before)))
        noise = np.random.default_rng(0).bytes(size)
        weights = {"w": np.frombuffer(noise, np.uint8)}
        record(experiment, *(run(i, learned_params=weights) for i in range(1, 9)))
        with pytest.raises(StorageError, match=r"No space left on device; hint: "):
            combine(experiment, output, full=True)
        assert output.read_bytes() == before
        assert {found.name for found in small_disk.iterdir()} == {"filler", name}
        (small_disk / "filler").unlink()
        assert values(output).keys() == {(0, 0)}


class TestContent:
    def test_json_omits(self, experiment: Experiment) -> None:
        """data.json leaves out what it names, .h5 and --full nothing."""
        series = {"train_states": np.ones((100, 2)), "metrics": {"loss": np.ones(9)}}
        record(experiment, run(0, **series))
        content = json.loads(combined(experiment).output.read_bytes())
        assert content["omitted"] == sorted({*OMITTED_FROM_JSON} - {OUTPUT})
        expected = dict(flat_arrays(open_data(experiment.root).entries[0].load(())))
        found = open_data(experiment.root / "data.json").entries[0].load(())
        kept = [name for name in expected if name.split("/")[0] not in OMITTED_FROM_JSON]
        assert [name for name, _ in flat_arrays(found)] == kept
        for name in ("data.h5", "full.json"):
            output = combine(experiment, experiment.root / name, full=name == "full.json").output
            found = open_data(output).entries[0].load(())
            assert [name for name, _ in flat_arrays(found)] == list(expected)

    @both
    def test_failed_runs(self, experiment: Experiment, name: str) -> None:
        """Failed and diverged runs are in the file with their reasons."""
        reasons = {0: ("failed", "no"), 1: ("diverged", "non-finite"), 2: ("pruned", "slow")}
        for index, (status, reason) in reasons.items():
            record(experiment, run(index, status=status, reason=reason, learned_params={}))
        entries = open_data(combined(experiment, name).output).entries
        loaded = [entry.load(()) for entry in entries]
        assert {one["index"]: (one["status"], one["reason"]) for one in loaded} == reasons


class Record:
    """What the model knows of one record."""

    def __init__(self, stage: int, index: int, value: float, status: str, path: Path) -> None:
        self.key = stage, index
        self.value = value
        self.failed = status == "failed"
        self.path: Path | None = path
        self.combined = False
        self.gone = False


class Experimenting(RuleBasedStateMachine):
    """Whatever is recorded, replaced, forgotten, deleted and damaged, nothing is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.experiment = make_experiment(Path(self.directory.name) / "experiment", 2)
        self.records: list[Record] = []
        self.damaged: set[Path] = set()
        self.up_to_date = True

    def teardown(self) -> None:
        self.directory.cleanup()

    def live(self, stage: int, index: int) -> list[Record]:
        """Records of a run that lie in shards and count."""
        return [r for r in self.records if r.key == (stage, index) and r.path and not r.gone]

    def write(self, stage: int, indices: set[int], value: int, status: str, replace: bool) -> None:
        runs = [run(i, float(value), stage=stage, status=status) for i in sorted(indices)]
        for index in indices:
            for old in self.live(stage, index):
                if old.failed or (replace and status != "failed"):
                    old.gone = True
        path = record(self.experiment, *runs, replace=replace)
        self.records += [Record(stage, i, float(value), status, path) for i in indices]
        self.up_to_date = False

    @rule(
        stage=st.integers(0, 1),
        indices=st.sets(st.integers(0, 5), min_size=1),
        value=st.integers(0, 2),
        status=st.sampled_from(["completed", "completed", "failed"]),
    )
    def record_missing(self, stage: int, indices: set[int], value: int, status: str) -> None:
        """Run what has no good record in a shard."""
        indices -= {i for i in indices if any(not r.failed for r in self.live(stage, i))}
        if indices:
            self.write(stage, indices, value, status, replace=False)

    @rule(
        stage=st.integers(0, 1),
        indices=st.sets(st.integers(0, 5), min_size=1),
        value=st.integers(0, 2),
        status=st.sampled_from(["completed", "failed"]),
        replace=st.booleans(),
    )
    def record_again(
        self, stage: int, indices: set[int], value: int, status: str, replace: bool
    ) -> None:
        """Run again, overwriting or as an attempt that overlapped."""
        self.write(stage, indices, value, status, replace)

    @rule(stage=st.integers(0, 1), indices=st.sets(st.integers(0, 5), min_size=1))
    def forget(self, stage: int, indices: set[int]) -> None:
        """Forget indices, whether shards or only combined files hold them."""
        had = {r.key[1] for r in self.expected_records() if r.key[0] == stage}
        assert set(forget(self.experiment, stage, sorted(indices))) >= had & indices
        for old in self.records:
            old.gone |= old.key[0] == stage and old.key[1] in indices
        self.up_to_date = False

    @precondition(lambda self: self.up_to_date)
    @rule(data=st.data(), act=st.sampled_from([Path.unlink, flip]))
    def lose_a_shard(self, data: st.DataObject, act: Callable[[Path], None]) -> None:
        """Delete or damage a file whose content has been combined."""
        paths = sorted({r.path for r in self.records if r.path and not r.gone})
        if paths:
            path = data.draw(st.sampled_from(paths))
            act(path)
            self.damaged |= {path} if act is flip else set()
            for lost in self.records:
                lost.path = None if lost.path == path else lost.path

    @rule(name=st.sampled_from(NAMES))
    def combine(self, name: str) -> None:
        """Combine, twice; the file holds what the model says."""
        result = combined(self.experiment, name)
        for known in self.records:
            known.combined = True
        self.up_to_date = True
        expected: dict[tuple[int, int], set[float]] = {}
        for known in self.expected_records():
            expected.setdefault(known.key, set()).add(known.value)
        failed = {r.key for r in self.expected_records() if r.failed}
        found = values(result.output) if result.output.exists() else {}
        assert found.keys() == expected.keys()
        for key, returns in found.items():
            assert len(returns) == len(set(returns))
            assert set(returns) <= expected[key] if key in failed else set(returns) == expected[key]
        assert {path for path, _ in result.unreadable} == self.damaged
        assert {(i.stage, 2 * i.run_number + i.setting_number) for i, _ in result.conflicts} == {
            key for key, returns in expected.items() if len(returns) > 1 and key not in failed
        }
        again = combined(self.experiment, name)
        assert not again.written
        assert (again.num_runs, again.carried) == (result.num_runs, result.carried)

    def expected_records(self) -> list[Record]:
        """Records that count: good ones, and failed ones of runs without."""
        held = [r for r in self.records if not r.gone and (r.path or r.combined)]
        good = {r.key for r in held if not r.failed}
        return [r for r in held if not r.failed or r.key not in good]

    @invariant()
    def no_temporary_file(self) -> None:
        """Nothing unfinished lies about."""
        assert not list(self.experiment.root.rglob(".writing-*"))


Experimenting.TestCase.settings = settings(
    deadline=None,
    max_examples=40,
    stateful_step_count=15,
    suppress_health_check=[HealthCheck.too_slow],
)
TestExperimenting = Experimenting.TestCase


@pytest.mark.slow
def test_a_run_of_a_million_evaluations(tmp_path: Path) -> None:
    """What is combined may hold more lists than any other document: as many as its runs have
    evaluations."""
    number = 1_000_001
    run = make_run(0, 0, 0)
    run["eval_episode_rewards"] = np.zeros((number, 1))
    run["eval_episode_steps"] = np.ones((number, 1), np.int64)
    run["timesteps_at_eval"] = np.arange(number)
    experiment = make_experiment(tmp_path / "long", runs=[run])
    path = combine(experiment, experiment.root / "data.json").output
    [entry] = open_data(path).entries
    assert len(entry.load(())["timesteps_at_eval"]) == number
    assert not combine(experiment, path).written


class TestData:
    def various(self) -> tuple[Run, ...]:
        """Runs with what a data.json writes in ways of its own."""
        long = {"host": "node", "git_diff": "-a\n+b", "attempts": [{"step": 0}]}
        lost = {"status": "diverged", "reason": "reward", "train_time": float("inf")}
        plain = run(1, provenance=long, train_episode_steps=np.array([100], np.int32))
        none = np.empty((0, 3))
        return (
            run(0, float("nan"), **lost),
            plain,
            run(2, eval_episode_rewards=none, eval_episode_steps=none.astype(np.int64)),
            run(3, provenance=dict(long), metrics={"loss": np.array([1.0], np.float32)}),
            run(4, eval_metrics={"oracle_gap": np.array([0.1, np.inf], np.float32)}),
        )

    @pytest.mark.parametrize("options", [{}, {"full": True}])
    @both
    def test_is_what_the_file_holds(
        self, experiment: Experiment, name: str, options: dict[str, bool]
    ) -> None:
        """What combining hands on, be the file made, changed or left, is what reading it gives."""
        runs = self.various()
        for number in range(0, len(runs) + 2, 2):
            if some := runs[number : number + 2]:
                record(experiment, *some)
            result = combined(experiment, name, **options)
            assert result.written == bool(some)
            found, read = result.data, open_data(result.output)
            if found is None:
                assert options or name == "data.h5"
                continue
            assert found["experiment"] == read["experiment"]
            assert (found.source, found.full, found.gone) == (read.source, read.full, read.gone)
            for one, other in zip(found.entries, read.entries, strict=True):
                assert (one.identity, one.shard, one.status) == (
                    *(other.identity, other.shard, other.status),
                )
                assert differing_key(one.load(()), other.load(())) == ""

    @pytest.mark.parametrize("turn", ["first", "changed", "unchanged"])
    def test_is_at_hand(self, experiment: Experiment, turn: str) -> None:
        """What a data.json holds is at hand when it is combined, without reading it again."""
        record(experiment, run(0))
        if turn != "first":
            combined(experiment)
        if turn == "changed":
            record(experiment, run(1))
        result = combined(experiment)
        result.output.unlink()
        assert result.data is not None
        assert [entry.load(())["index"] for entry in result.data.entries] == list(
            range(2 if turn == "changed" else 1)
        )

    def test_shares_texts(self, experiment: Experiment) -> None:
        """A difference to the commit that many runs were made with is held once for all of them."""
        for index in range(3):
            record(experiment, run(index, provenance={"git_diff": "x" * 9000, "attempts": []}))
        result = combined(experiment)
        assert result.data is not None
        held = [entry.load(())["provenance"]["git_diff"] for entry in result.data.entries]
        assert len(set(map(id, held))) == 1
