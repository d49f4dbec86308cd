"""Laws of the data dict: one experiment, whatever it is read from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np
import pytest
from builders import make_experiment, make_run

from nthrun.errors import DataFileError
from nthrun.records import Data, open_data, shard, table
from nthrun.records.combine import combine
from nthrun.records.experiment import Experiment
from nthrun.records.hdf5_file import DIGEST_BYTES
from nthrun.records.schema import OMITTED_FROM_JSON, OUTPUT, Run, flat_arrays, same_bits

NUM_SETTINGS = 3
KINDS = ("shard", "directory", "data.json", "full.json", "data.h5")


def varied_runs() -> list[Run]:
    """Runs with whatever makes the files differ: settings, stages, ends, series, odd numbers."""
    runs = []
    for index in (7, 0, 4, 1, 3, 12):
        run_number, number = divmod(index, NUM_SETTINGS)
        runs.append(make_run(index, number, run_number, [index / 3] * index, [1 + index] * index))
    odd = [np.nan, np.inf, -np.inf, -0.0, 1e-320, np.float64(0.1) + 0.2]
    runs[0] |= {
        "status": "diverged",
        "reason": 'non-finite numbers at step 5 — α\n"quoted"',
        "train_episode_rewards": np.array(odd),
        "train_episode_steps": np.arange(1, 7),
    }
    runs[1] |= {
        "train_states": np.arange(12, dtype=np.float32).reshape(6, 2) / 7,
        "train_actions": np.arange(6, dtype=np.float32).reshape(6, 1) / 7,
        "train_rewards": np.array([0.5, np.nan, 1, 2, 3, 4], np.float32),
        "train_next_states": np.arange(12, dtype=np.float32).reshape(6, 2) / 9,
        "update_indices": np.array([[0, 5], [3, 3], [1, 0]], np.int64),
        "metrics": {"loss": np.array([1.0, np.inf, 2.0]), "entropy": np.zeros(3, np.float32)},
        "agent_params": {"critic_lr": 1e-3, "activation": "relu", "hidden": [64, 64], "none": None},
    }
    runs[2] |= {
        "status": "failed",
        "reason": "ValueError: no",
        "learned_params": {},
        "eval_episode_rewards": np.zeros((0, 2)),
        "eval_episode_steps": np.zeros((0, 2), np.int64),
        "timesteps_at_eval": np.zeros(0, np.int64),
    }
    runs[3]["learned_params"] = {"log_alpha": np.array(np.float32(0.1)), "mask": np.array([True])}
    runs[4]["train_episode_rewards"] = runs[4]["train_episode_rewards"].astype(np.float32)
    runs[5]["eval_episode_rewards"] = np.zeros((4, 0))
    return [Run(run) for run in runs]


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """The varied runs in one shard, so that the shard holds what the directory does."""
    return make_experiment(tmp_path / "experiment", NUM_SETTINGS, runs=varied_runs())


def opened(experiment: Experiment, kind: str) -> Data:
    """An experiment's data from one of KINDS."""
    if kind == "shard":
        return open_data(next(experiment.runs.glob("*.h5")))
    if kind == "directory":
        return open_data(experiment.root)
    return open_data(combine(experiment, experiment.root / kind, full=kind == "full.json").output)


def plain(value: Any) -> Any:
    """A nested value as dicts, lists, numbers and (dtype, shape, values) of arrays."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, repr(value.tolist())
    if isinstance(value, dict) or hasattr(value, "keys"):
        return {key: plain(value[key]) for key in value}
    if hasattr(value, "__len__") and not isinstance(value, str):
        return [plain(item) for item in value]
    return type(value), value


@pytest.mark.parametrize("kind", KINDS)
def test_same_nested_dict(experiment: Experiment, kind: str) -> None:
    """Whatever is read, keys, values, types, dtypes, shapes and non-finite numbers are the same."""
    expected = plain(opened(experiment, "directory"))
    found = plain(opened(experiment, kind))
    if kind == "data.json":
        for setting in expected["experiment_data"].values():
            for run in setting["runs"]:
                for key in OMITTED_FROM_JSON:
                    run.pop(key, None)
    assert found == expected


@pytest.mark.parametrize("kind", KINDS)
def test_same_as_recorded(experiment: Experiment, kind: str) -> None:
    """What was recorded comes back, bit for bit but for the sign of NaN."""
    found = {entry.identity: entry.load(()) for entry in opened(experiment, kind).entries}
    for run in varied_runs():
        arrays = dict(flat_arrays(found[run.identity]))
        for name, array in flat_arrays(run):
            if kind != "data.json" or name.split("/")[0] not in OMITTED_FROM_JSON:
                assert same_bits(arrays[name], array), name
        for key in ("status", "reason", "agent_params", "random_seed", "train_time"):
            assert found[run.identity][key] == run[key]


@pytest.mark.parametrize("kind", KINDS)
def test_shape_of_the_dict(experiment: Experiment, kind: str) -> None:
    """Two specs; the settings that have runs, by integer; in each its hyperparameters and runs."""
    found = opened(experiment, kind)
    assert list(found) == ["experiment", "experiment_data"]
    assert found["experiment"] == experiment.specs
    settings = found["experiment_data"]
    assert list(settings) == [0, 1]
    for number, setting in settings.items():
        assert type(number) is int
        assert list(setting) == ["agent_params", "runs"]
        assert setting["agent_params"] == setting["runs"][0]["agent_params"]
        assert {run["setting_number"] for run in setting["runs"]} == {number}
    with pytest.raises(KeyError):
        found["runs"]


@pytest.mark.parametrize("kind", KINDS[1:])
def test_order_of_runs(tmp_path: Path, kind: str) -> None:
    """The runs of a setting are sorted by (stage, run number), whatever order they came in."""
    runs = [
        make_run(index, index % 2, index // 2, stage=stage)
        for stage, index in [(2, 1), (0, 9), (1, 3), (0, 1), (0, 20), (2, 0), (0, 5)]
    ]
    experiment = make_experiment(tmp_path / "experiment", 2)
    for run in runs:
        experiment.write(run["stage"], [run])
    settings = opened(experiment, kind)["experiment_data"]
    order = [(run["stage"], run["run_number"]) for run in settings[1]["runs"]]
    assert order == [(0, 0), (0, 2), (0, 4), (1, 1), (2, 0)]
    assert [run["run_number"] for run in settings[1]["runs"][1:3]] == [2, 4]
    assert settings[0]["runs"][-1]["stage"] == 2


def test_same_table(experiment: Experiment) -> None:
    """The table is equal from all of them, column by column."""
    expected = table(opened(experiment, "directory"))
    assert list(expected["index"]) == [0, 3, 12, 1, 4, 7]
    for kind in KINDS:
        found = table(opened(experiment, kind))
        assert found.keys() == expected.keys()
        for name, column in found.items():
            assert column.dtype == expected[name].dtype, (kind, name)
            assert repr(column.tolist()) == repr(expected[name].tolist()), (kind, name)


class TestTable:
    def test_columns(self, tmp_path: Path) -> None:
        """One row a run: its numbers and texts, its hyperparameters, and its two returns."""
        runs = [make_run(0, 0, 0, [1.0, 4.0], [100, 200]), make_run(1, 0, 1, [], [])]
        runs[1]["eval_episode_rewards"] = np.zeros((0, 2))
        found = table(open_data(make_experiment(tmp_path / "experiment", runs=runs).root))
        assert found["status"].tolist() == ["completed", "completed"]
        assert found["agent_params.critic_lr"].tolist() == [0.001, 0.001]
        assert found["mean_return"][0] == 3.0
        assert found["final_eval_return"][0] == -1.0
        assert np.isnan([found["mean_return"][1], found["final_eval_return"][1]]).all()

    def test_hyperparameters_of_any_kind(self, tmp_path: Path) -> None:
        """Lists, mixed kinds and absent values keep their values in a column."""
        kinds: dict[str, list[Any]] = {
            "hidden": [[64, 64], [256, 256]],
            "alpha": [0.2, "auto"],
            "clip": [None, 1.0],
            "gamma": [1, 0.5],
            "policy": ["a", "bcd"],
        }
        runs = [
            make_run(n, n, 0, agent_params={name: values[n] for name, values in kinds.items()})
            for n in (0, 1)
        ]
        found = table(open_data(make_experiment(tmp_path / "experiment", 2, runs=runs).root))
        for name, values in kinds.items():
            assert found[f"agent_params.{name}"].tolist() == values


@pytest.mark.parametrize("kind", ["shard", "directory", "full.json", "data.h5"])
def test_update_views(experiment: Experiment, kind: str) -> None:
    """What an update saw is looked up through its indices; a run without them has no such key."""
    settings = opened(experiment, kind)["experiment_data"]
    run = settings[0]["runs"][0]
    places = run["update_indices"]
    for name in ("states", "actions", "rewards", "next_states"):
        expected = run[f"train_{name}"][places]
        assert same_bits(run[f"update_{name}"], expected)
        assert expected.shape[:2] == (3, 2)
    with pytest.raises(KeyError, match="update_states"):
        settings[1]["runs"][0]["update_states"]
    with pytest.raises(KeyError, match="update_losses"):
        run["update_losses"]


class TestLaziness:
    def test_opening_reads_no_shard(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Opening an experiment opens no shard; a run opens its own, once."""
        experiment = make_experiment(tmp_path / "experiment")
        for first in range(0, 20, 2):
            experiment.write(0, [make_run(i, 0, i) for i in (first, first + 1)])
        shards: list[Path] = []

        class CountedShard(shard.Shard):
            def __init__(self, path: Path, verified: bool = False) -> None:
                shards.append(path)
                super().__init__(path, verified)

        monkeypatch.setattr(shard, "Shard", CountedShard)
        runs = open_data(experiment.root)["experiment_data"][0]["runs"]
        assert len(runs) == 20
        assert len(runs[3:]) == 17
        assert shards == []
        assert [runs[3]["index"], runs[2]["index"], runs[-1]["index"]] == [3, 2, 19]
        assert len(shards) == 2

    def test_more_shards_than_stay_open(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Few files stay open at once, and one that is opened again is not verified again."""
        monkeypatch.setattr(shard, "OPEN_SHARDS", 2)
        experiment = make_experiment(tmp_path / "experiment")
        for index in range(6):
            experiment.write(0, [make_run(index, 0, index)])
        verified: list[bool] = []

        class CountedShard(shard.Shard):
            def __init__(self, path: Path, verified_before: bool = False, **known: bool) -> None:
                verified.append(known["verified"])
                super().__init__(path, **known)

        monkeypatch.setattr(shard, "Shard", CountedShard)
        runs = open_data(experiment.root)["experiment_data"][0]["runs"]
        for _ in range(2):
            assert [run["index"] for run in runs] == list(range(6))
        assert verified == [False] * 6 + [True] * 6

    def test_damage_after_opening(self, tmp_path: Path) -> None:
        """A shard that turns out to be damaged is an error that names it."""
        experiment = make_experiment(tmp_path / "experiment", runs=[make_run(0, 0, 0)])
        runs = open_data(experiment.root)["experiment_data"][0]["runs"]
        (path,) = experiment.runs.glob("*.h5")
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(DataFileError, match=path.name):
            runs[0]


class TestJson:
    def content(self, experiment: Experiment, full: bool) -> dict[str, Any]:
        """data.json as a strict reader of JSON sees it."""
        output = combine(experiment, experiment.root / "data.json", full).output

        def refuse(word: str) -> NoReturn:
            raise AssertionError(f"{word} is no JSON")

        content: dict[str, Any] = json.loads(output.read_bytes(), parse_constant=refuse)
        return content

    @pytest.mark.parametrize("full", [True, False])
    def test_strict(self, experiment: Experiment, full: bool) -> None:
        """There is no NaN or Infinity in it but as a string, and every number is exact."""
        content = self.content(experiment, full)
        assert list(content["experiment_data"]) == ["0", "1"]
        runs = content["experiment_data"]["1"]["runs"]
        rewards = runs[-1]["train_episode_rewards"]
        assert rewards == ["NaN", "Infinity", "-Infinity", -0.0, 1e-320, 0.1 + 0.2]

    def test_omitted(self, experiment: Experiment) -> None:
        """The large arrays are left out and results among them named; with `full` nothing is."""
        for full, omitted in ((False, sorted({*OMITTED_FROM_JSON} - {OUTPUT})), (True, [])):
            content = self.content(experiment, full)
            assert content["omitted"] == omitted
            run = content["experiment_data"]["0"]["runs"][0]
            for key in ("learned_params", "train_states", "update_indices", "metrics"):
                assert (key in run) == full
            assert "eval_episode_rewards" in run

    def test_git_diff_once(self, tmp_path: Path) -> None:
        """A diff that many runs share stands in the file once, and in each run when read."""
        diffs = ["d" * 10_000, "e" * 10_000]
        runs = [make_run(i, 0, i, provenance={"git_diff": diffs[i % 2]}) for i in range(10)]
        experiment = make_experiment(tmp_path / "experiment", runs=runs)
        output = combine(experiment, experiment.root / "data.json").output
        assert output.stat().st_size < 40_000
        found = open_data(output)["experiment_data"][0]["runs"]
        assert [run["provenance"]["git_diff"] for run in found] == diffs * 5


class TestOpening:
    def test_nothing_there(self, tmp_path: Path) -> None:
        """A path without data is an error that names it and says what would do."""
        with pytest.raises(DataFileError, match=r"absent: no data here; hint: give a shard"):
            open_data(tmp_path / "absent")
        with pytest.raises(DataFileError, match="no data here"):
            open_data(tmp_path)

    @pytest.mark.parametrize("name", ["data.json", "data.h5"])
    def test_a_folder_of_combined_data(self, tmp_path: Path, name: str) -> None:
        """A folder that holds what was combined stands for that file."""
        experiment = make_experiment(tmp_path / "experiment", runs=[make_run(0, 0, 0)])
        (tmp_path / "folder").mkdir()
        output = combine(experiment, tmp_path / "folder" / name).output
        assert open_data(tmp_path / "folder").source == open_data(output).source

    @pytest.mark.parametrize("name", ["x.json", "x.h5", "x.npz", "data.json", "data.h5"])
    @pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2]", b"\x00" * 1000, b'{"schema": 1}'])
    def test_foreign(self, tmp_path: Path, name: str, content: bytes) -> None:
        """A foreign file is an error that names it."""
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataFileError, match=name):
            open_data(tmp_path / name)

    def test_foreign_hdf5(self, tmp_path: Path) -> None:
        """Someone else's HDF5 file is an error, even one that calls itself data."""
        for attributes in ({}, {"kind": "data"}, {"kind": "data", "schema": 1}, {"kind": [1, 2]}):
            with h5py.File(tmp_path / "data.h5", "w") as file:
                file["numbers"] = 1
                file.attrs.update(attributes)
            with pytest.raises(DataFileError, match=r"data\.h5"):
                open_data(tmp_path / "data.h5")

    @pytest.mark.parametrize("name", ["data.json", "data.h5"])
    def test_truncated(self, experiment: Experiment, name: str) -> None:
        """A combined file cut short anywhere is an error, not fewer runs."""
        path = combine(experiment, experiment.root / name).output
        content = path.read_bytes()
        size = len(content) - (DIGEST_BYTES if name == "data.h5" else 2)
        for length in range(0, size, 199):
            path.write_bytes(content[:length])
            with pytest.raises(DataFileError, match=name):
                open_data(path)

    def test_flipped_bits_of_h5(self, experiment: Experiment) -> None:
        """A flipped bit in data.h5 is an error or changes no value."""
        path = combine(experiment, experiment.root / "data.h5").output
        expected = plain(open_data(path))
        content = path.read_bytes()
        for position in range(0, len(content), 97):
            damaged = bytearray(content)
            damaged[position] ^= 1 << position % 8
            path.with_name("flipped.h5").write_bytes(damaged)
            try:
                found = plain(open_data(path.with_name("flipped.h5")))
            except DataFileError:
                continue
            assert found == expected, position

    @pytest.mark.parametrize("name", ["data.json", "data.h5"])
    def test_newer_schema(self, experiment: Experiment, name: str) -> None:
        """A file of another schema is refused rather than misread."""
        path = combine(experiment, experiment.root / name).output
        if name == "data.json":
            content = json.loads(path.read_bytes())
            del content["digest"]
            path.write_text(json.dumps(content | {"schema": 2}))
        else:
            with h5py.File(path, "r+") as file:
                file.attrs["schema"] = 2
        with pytest.raises(DataFileError, match="schema 2"):
            open_data(path)
