"""Laws of digests: what was changed shows, and what the shards say is believed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from builders import make_experiment, make_run
from documents import resealed

from nthrun.errors import DamagedFileError, DataFileError
from nthrun.records import open_data
from nthrun.records.combine import Combined, combine
from nthrun.records.experiment import Experiment, open_experiment
from nthrun.records.hdf5_file import has_true_digest
from nthrun.records.manifest import MANIFEST, read_manifest


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """Two settings, two runs each, in two shards."""
    made = make_experiment(tmp_path / "e", 2)
    for run_number in (0, 1):
        made.write(0, [make_run(2 * run_number + s, s, run_number) for s in (0, 1)])
    return made


def combined(experiment: Experiment, name: str = "data.json") -> Combined:
    """Combine into the experiment directory."""
    return combine(experiment, experiment.root / name)


def values(path: Path) -> list[tuple[str, list[float]]]:
    """How each run ended, and its returns."""
    runs = [entry.load(()) for entry in open_data(path).entries]
    return [(run["status"], run["train_episode_rewards"].tolist()) for run in runs]


EXPECTED = [("completed", [-3.0, -2.0, -1.0])] * 4


class TestManifest:
    def test_every_bit(self, experiment: Experiment) -> None:
        """Any bit flipped in a manifest is found, but in the space between its values."""
        path = experiment.root / MANIFEST
        content = path.read_bytes()
        for place, byte in enumerate(content):
            if chr(byte).isspace():
                continue
            path.write_bytes(content[:place] + bytes([byte ^ 1]) + content[place + 1 :])
            with pytest.raises(DataFileError, match=MANIFEST):
                open_experiment(experiment.root)
        path.write_bytes(content)
        assert read_manifest(experiment.root) == (experiment.manifest, True)

    def test_layout_does_not_count(self, experiment: Experiment) -> None:
        """A manifest that an editor laid out anew is the same."""
        path = experiment.root / MANIFEST
        path.write_text(json.dumps(json.loads(path.read_text()), indent=8))
        assert read_manifest(experiment.root) == (experiment.manifest, True)

    @pytest.mark.parametrize("key", ["agent", "environment", "fingerprint"])
    def test_its_own_fingerprint(self, experiment: Experiment, key: str) -> None:
        """A manifest made before the digest is compared with its own fingerprint."""
        path = experiment.root / MANIFEST
        fields = json.loads(path.read_text())
        del fields["digest"]
        path.write_text(json.dumps(fields))
        assert read_manifest(experiment.root) == (experiment.manifest, False)
        fields[key] = "0" * 64 if key == "fingerprint" else fields[key] | {"env_name": "Other"}
        if key == "agent":
            fields[key] = {"agent_name": "SAC", "parameters": {"critic_lr": [5, 6]}}
        path.write_text(json.dumps(fields))
        with pytest.raises(DamagedFileError, match="fingerprint"):
            open_experiment(experiment.root)

    @pytest.mark.parametrize("num_settings", [1, 3, 4, 1000])
    def test_rows_know_their_setting(self, experiment: Experiment, num_settings: int) -> None:
        """Another number of settings in a manifest without a digest is found by the records: none
        is combined under a setting that is not its own."""
        path = experiment.root / MANIFEST
        fields = json.loads(path.read_text())
        del fields["digest"]
        path.write_text(json.dumps(fields | {"num_settings": num_settings}))
        result = combined(open_experiment(experiment.root))
        assert result.unreadable
        assert all("num_settings" in problem for _, problem in result.unreadable)
        for entry in open_data(result.output).entries if result.num_runs else ():
            assert entry.identity == entry.load(()).identity


class TestDataJson:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"-3.0", b"-4.0"),
            (b'"completed"', b'"diverged" '),
            (b'"critic_lr":0.001', b'"critic_lr":0.002'),
            (b'"host":"node"', b'"host":"nose"'),
            (b'"train_time":1.5', b'"train_time":1.4'),
        ],
    )
    def test_a_change(self, experiment: Experiment, old: bytes, new: bytes) -> None:
        """A change anywhere in data.json is told, and combining again writes what the shards
        say."""
        path = combined(experiment).output
        whole = path.read_bytes()
        changed = whole.replace(old, new, 1)
        assert changed != whole
        path.write_bytes(changed)
        with pytest.raises(DamagedFileError, match="by its digest"):
            open_data(path)
        result = combined(experiment)
        assert [file for file, _ in result.unreadable] == [path]
        assert path.read_bytes() == whole
        assert path.with_name("data.json.damaged-1").read_bytes() == changed
        assert values(path) == EXPECTED
        assert not combined(experiment).written

    @pytest.mark.parametrize(
        ("old", "new", "key"),
        [
            (b"-3.0", b"-4.0", "train_episode_rewards"),
            (b'"completed"', b'"diverged" ', "status"),
            (b'"train_time":1.5', b'"train_time":1.4', "train_time"),
            (b'"host":"node"', b'"host":"nose"', "provenance"),
        ],
    )
    def test_a_change_without_a_digest(
        self, experiment: Experiment, old: bytes, new: bytes, key: str
    ) -> None:
        """In a file made before digests a change is found beside the shards, told by key, and
        mended; one that says what they say is left as it is."""
        path = combined(experiment).output
        whole = path.read_bytes()
        before = re.sub(rb',\n"digest": "[0-9a-f]{64}"', b"", whole)
        path.write_bytes(before)
        assert not combined(experiment).written
        path.write_bytes(before.replace(old, new, 1))
        result = combined(experiment)
        assert result.written
        assert [(identity[:3], found) for identity, found in result.repaired] == [((0, 0, 0), key)]
        assert path.read_bytes() == whole

    def test_a_changed_data_h5(self, experiment: Experiment) -> None:
        """So it is in a data.h5."""
        path = combined(experiment, "data.h5").output
        with h5py.File(path, "r+") as file:
            file["arrays/train_episode_rewards/<f8"][2] = 7.0
        result = combined(experiment, "data.h5")
        assert [key for _, key in result.repaired] == ["train_episode_rewards"]
        assert values(path) == EXPECTED
        assert not combined(experiment, "data.h5").written

    def test_its_digest(self, experiment: Experiment) -> None:
        """A data.h5 has a digest behind its end, which any change makes untrue; with it, the file
        is left as it is without a look at the records."""
        path = combined(experiment, "data.h5").output
        content = path.read_bytes()
        assert has_true_digest(path)
        for place in (100, len(content) // 2, len(content) - 1):
            changed = bytearray(content)
            changed[place] ^= 1
            path.write_bytes(changed)
            assert not has_true_digest(path)
        path.write_bytes(content)
        assert not combined(experiment, "data.h5").written


def garbage(file: h5py.File) -> None:
    del file["texts"]
    file["texts"] = np.arange(100, dtype=np.uint8)


def other_rows(file: h5py.File) -> None:
    rows = file["numbers"][:]
    rows["index"] += 100
    file["numbers"][...] = rows


def short_array(file: h5py.File) -> None:
    name = "arrays/train_episode_rewards/<f8"
    kept = file[name][:1]
    del file[name]
    file[name] = kept


def unequal_arrays(file: h5py.File) -> None:
    file.move("arrays/train_episode_steps", "arrays/other")


@pytest.mark.parametrize("change", [garbage, other_rows, short_array, unequal_arrays])
def test_one_bad_shard_behind_its_checksum(experiment: Experiment, change: Any) -> None:
    """A shard whose content is none is left out by name, the other one combined and judged."""
    path = min(experiment.runs.glob("*.h5"))
    resealed(path, change)
    result = combined(experiment)
    assert [file for file, _ in result.unreadable] == [path]
    assert values(result.output) == EXPECTED[:2]
    data = open_data(experiment.root).without_damaged()
    assert [file for file, _ in data.unreadable] == [path]
    assert len(data.entries) == 2
