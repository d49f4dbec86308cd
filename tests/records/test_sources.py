"""Laws of reading many runs at once: the same as reading them one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from builders import make_experiment, make_run
from hypothesis import given, settings
from hypothesis import strategies as st

from nthrun.errors import DataFileError
from nthrun.records import Data, open_data, shard, table
from nthrun.records import combine as combining
from nthrun.records.columns import ColumnsReader, ColumnsWriter, write_json
from nthrun.records.combine import combine
from nthrun.records.experiment import Experiment
from nthrun.records.record_table import (
    Ragged,
    ends,
    from_arrays,
    gather,
    joined,
    joined_tables,
    table_of,
)
from nthrun.records.schema import FLOATS, INTEGERS, TEXTS, Run, flat_arrays, same_bits
from nthrun.records.sources import read_table

NUM_SETTINGS = 3
KINDS = ("shard", "shards", "data.json", "full.json", "data.h5", "unordered.h5", "carried.h5")
LARGE = ("learned_params/actor/weight", "metrics/loss", "train_states")
SMALL = (
    *("train_episode_rewards", "train_episode_steps", "timesteps_at_eval"),
    *("eval_episode_rewards", "eval_metrics/oracle_gap", "no_such_array"),
)


def varied_runs() -> list[Run]:
    """Runs of several settings and stages, with arrays that some lack or have in another dtype."""
    runs = []
    for index in (7, 0, 4, 1, 3, 12):
        run_number, number = divmod(index, NUM_SETTINGS)
        returns = [index / 3 + n for n in range(index)]
        runs.append(make_run(index, number, run_number, returns, [1 + index] * index))
    runs[0] |= {"status": "diverged", "reason": "non-finite — α", "agent_params": {"other": [1]}}
    runs[1] |= {
        "train_states": np.arange(12, dtype=np.float32).reshape(6, 2) / 7,
        "metrics": {"loss": np.array([1.0, np.inf, np.nan]), "entropy": np.zeros(3, np.float32)},
        "eval_metrics": {"oracle_gap": np.array([0.5])},
    }
    runs[2] |= {"status": "failed", "reason": "no", "learned_params": {}}
    runs[3]["train_episode_rewards"] = np.array([0.1], np.float32)
    runs[4] |= {"metrics": {"loss": np.arange(4, dtype=">f4")}, "stage": 1}
    runs[5]["eval_metrics"] = {"oracle_gap": np.zeros(0)}
    return [Run(run) for run in runs]


def opened(folder: Path, kind: str) -> Data:
    """The data of the varied runs from one of KINDS."""
    runs = varied_runs()
    if kind == "shard":
        experiment = make_experiment(folder / "one", NUM_SETTINGS, runs=runs)
        return open_data(min(experiment.runs.glob("stage0-*.h5")))
    experiment = make_experiment(folder / "many", NUM_SETTINGS)
    for chosen in ([3, 0], [4], [1, 5], [2]):
        experiment.write(runs[chosen[0]]["stage"], [runs[n] for n in chosen])
    if kind == "shards":
        return open_data(experiment.root)
    if kind == "unordered.h5":
        return open_data(unordered(experiment))
    output = experiment.root / kind
    combine(experiment, output, full=kind == "full.json")
    if kind == "carried.h5":
        combine(experiment, experiment.root / "data.json", full=True)
        output.unlink()
        for path in sorted(experiment.runs.glob("*.h5"))[:2]:
            path.unlink()
        combine(experiment, output)
    return open_data(output)


def unordered(experiment: Experiment) -> Path:
    """A data.h5 whose rows are in no order."""
    path = experiment.root / "unordered.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs.update(kind="data", schema=1)
        write_json(file, "experiment", experiment.specs)
        write_json(file, "gone", [])
        writer = ColumnsWriter(file, growing=True)
        runs = [entry.load(()) for entry in open_data(experiment.root).entries]
        writer.write([runs[n] for n in (5, 0, 3)])
        writer.write([runs[n] for n in (1, 4, 2)])
        writer.close()
    return path


@pytest.fixture(scope="module", params=KINDS)
def data(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Data:
    """The varied runs from every kind of source."""
    return opened(tmp_path_factory.mktemp("bulk"), request.param)


def test_scalars(data: Data) -> None:
    """Integers, floats and texts are those of each entry's run, in the order of the entries."""
    found = data.scalars()
    assert list(found) == [*INTEGERS, *FLOATS, *TEXTS]
    runs = [entry.load(()) for entry in data.entries]
    for name, column in found.items():
        assert column.tolist() == [run[name] for run in runs], name
    assert {found[name].dtype.str for name in INTEGERS} == {"<i8"}
    assert {found[name].dtype.str for name in FLOATS} == {"<f8"}


def test_ragged(data: Data) -> None:
    """An array of all runs is each entry's own, flattened, empty where a run has none."""
    for name in (*SMALL, *(LARGE if data.full else ())):
        found = data.ragged(name)
        assert len(found) == len(data.entries)
        assert found.offsets.dtype == np.int64
        assert found.offsets[-1] == len(found.values)
        for place, entry in enumerate(data.entries):
            array = dict(flat_arrays(entry.load(()))).get(name, np.empty(0))
            expected = array.ravel().astype(found.values.dtype)
            assert same_bits(found.row(place), expected), (name, place)


def test_dtype(data: Data) -> None:
    """Values keep the dtype of all runs; several dtypes become the one that holds all of them."""
    assert data.ragged("train_episode_steps").values.dtype == np.int64
    assert data.ragged("train_episode_rewards").values.dtype == np.float64
    if data.full:
        assert data.ragged("learned_params/actor/weight").values.dtype == np.float32
        assert data.ragged("metrics/loss").values.dtype == np.float64


def test_settings(data: Data) -> None:
    """Each setting that has runs has the hyperparameters that its part of the dict has."""
    found = data.settings()
    assert list(found) == list(data["experiment_data"])
    for number, hyperparameters in found.items():
        assert hyperparameters == data["experiment_data"][number]["agent_params"]


def test_documents(data: Data) -> None:
    """Hyperparameters and provenance are each entry's own, but for the difference of the code."""
    found = data.read(("agent_params", "provenance", "timesteps_at_eval"))
    for place, entry in enumerate(data.entries):
        run = entry.load(())
        assert found.documents("agent_params")[place] == run["agent_params"]
        assert found.documents("provenance")[place] | {"git_diff": ""} == run["provenance"]
    assert {path.partition("/")[0] for path in found.values} == {"timesteps_at_eval"}


def test_table(data: Data) -> None:
    """The table's two returns are those of each run."""
    found = table(data)
    for place, entry in enumerate(data.entries):
        run = entry.load(())
        returns, steps = run["train_episode_rewards"], run["train_episode_steps"]
        expected = np.average(returns, weights=steps) if steps.sum() else np.nan
        assert found["mean_return"][place] == pytest.approx(expected, rel=1e-14, nan_ok=True)
        assert found["final_eval_return"][place] == run["eval_episode_rewards"][-1].mean()
        assert found["agent_params.critic_lr"][place] == run["agent_params"].get("critic_lr")


def test_omitted(tmp_path: Path) -> None:
    """What a data.json leaves out is an error that names it, not a run without it."""
    left_out = opened(tmp_path, "data.json")
    for name in LARGE:
        with pytest.raises(DataFileError, match=rf"data\.json: leaves out {name}; hint: combine"):
            left_out.ragged(name)


def test_no_runs(tmp_path: Path) -> None:
    """An experiment without a run has columns of length 0."""
    empty = open_data(make_experiment(tmp_path / "experiment").root)
    assert empty.settings() == {}
    assert {len(column) for column in empty.scalars().values()} == {0}
    assert len(empty.ragged("train_episode_rewards")) == 0
    assert len(table(empty)["mean_return"]) == 0


def test_a_shard_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the runs of shards alternate, and however few stay open, each is opened once."""
    monkeypatch.setattr(shard, "OPEN_SHARDS", 1)
    experiment = make_experiment(tmp_path / "experiment", 2)
    for first in (0, 2, 4):
        experiment.write(0, [make_run(n, n % 2, n // 2) for n in (first, first + 1)])
    paths: list[Path] = []

    class CountedShard(shard.Shard):
        def __init__(self, path: Path, verified: bool = False) -> None:
            paths.append(path)
            super().__init__(path, verified)

    monkeypatch.setattr(shard, "Shard", CountedShard)
    found = open_data(experiment.root)
    assert table(found)["index"].tolist() == [0, 2, 4, 1, 3, 5]
    assert sorted(paths) == sorted(experiment.runs.glob("*.h5"))


def test_damage_is_named(tmp_path: Path) -> None:
    """A shard that turns out to be damaged is an error that names it."""
    experiment = make_experiment(tmp_path / "experiment", runs=[make_run(0, 0, 0)])
    found = open_data(experiment.root)
    (path,) = experiment.runs.glob("*.h5")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataFileError, match=path.name):
        found.ragged("train_episode_rewards")


def test_a_table_of_everything(data: Data) -> None:
    """All of some entries, written as columns, reads back as the runs, in the entries' order."""
    reported: list[int] = []
    everything = read_table(data.entries, None, reported.append)
    assert sum(reported) == len(everything) == len(data.entries)
    with h5py.File.in_memory() as file:
        writer = ColumnsWriter(file, growing=True)
        writer.append(everything)
        writer.close()
        reader = ColumnsReader(file)
        for place, entry in enumerate(data.entries):
            assert plain(reader.run(place)) == plain(entry.load(()))


def plain(run: Run) -> dict[str, Any]:
    """A run as a dict that can be compared."""
    arrays = {
        name: (array.dtype.str, array.shape, repr(array.tolist()))
        for name, array in flat_arrays(run)
    }
    nested = {key: sorted(value) for key, value in run.items() if isinstance(value, dict)}
    others = {key: run[key] for key in (*INTEGERS, *FLOATS, *TEXTS, "agent_params", "provenance")}
    return {"arrays": arrays, "nested": nested, "others": others}


@pytest.mark.parametrize("size", [1, 500, 2**27])
def test_tables_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """However much is combined at once, data.h5 holds the same, and every run is told of."""
    monkeypatch.setattr(combining, "TABLE_BYTES", size)
    experiment = make_experiment(tmp_path / "experiment", 2)
    for first in (0, 5, 10):
        runs = [
            make_run(n, n % 2, n // 2, [n / 3] * n, [n + 1] * n) for n in range(first, first + 5)
        ]
        experiment.write(0, runs)
    reported: list[tuple[int, int]] = []
    output = combine(
        experiment, tmp_path / "data.h5", progress=lambda *numbers: reported.append(numbers)
    ).output
    expected = [plain(entry.load(())) for entry in open_data(experiment.root).entries]
    assert [plain(entry.load(())) for entry in open_data(output).entries] == expected
    assert reported == sorted(reported)
    assert reported[-1] == (15, 15)


SHAPES = st.lists(st.integers(0, 4), max_size=6)


@given(SHAPES, st.data())
def test_take(sizes: list[int], draw: st.DataObject) -> None:
    """Runs taken in any order, some never or twice, keep their values."""
    values = np.arange(sum(sizes))
    ragged = Ragged(values, ends(np.array(sizes, np.int64)))
    assert ragged.sizes.tolist() == sizes
    places = draw.draw(st.lists(st.integers(0, len(sizes) - 1))) if sizes else []
    found = ragged.take(np.array(places, np.int64))
    assert [row.tolist() for row in rows(found)] == [ragged.row(n).tolist() for n in places]


@given(st.lists(SHAPES, max_size=4))
def test_joined(groups: list[list[int]]) -> None:
    """Joined runs are the runs of the first, then those of the next."""
    arrays = [[np.full(size, n + size / 8) for n, size in enumerate(group)] for group in groups]
    found = joined([from_arrays(group) for group in arrays])
    expected = [array.tolist() for group in arrays for array in group]
    assert [row.tolist() for row in rows(found)] == expected


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3))))
def test_gather(stretches: list[tuple[int, int]]) -> None:
    """Stretches that overlap, repeat, are empty or lie beyond one another come as asked for."""
    values = np.arange(13)
    starts, sizes = np.array(stretches, np.int64).reshape(-1, 2).T
    expected = [n for start, size in stretches for n in range(start, start + size)]
    assert gather(values, starts, sizes).tolist() == expected


def rows(ragged: Ragged) -> Sequence[np.ndarray]:
    """Each run's values."""
    return [ragged.row(place) for place in range(len(ragged))]


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(6)), st.integers(1, 5))
def test_joined_tabless(order: list[int], cut: int) -> None:
    """Tables of runs, joined and put in order, are the table of all of them."""
    runs = varied_runs()
    shuffled = [runs[n] for n in order]
    found = joined_tables([table_of(shuffled[:cut]), table_of(shuffled[cut:])])
    found = found.take(np.argsort(order))
    expected = table_of(runs)
    assert found.numbers.tolist() == expected.numbers.tolist()
    assert (found.texts, found.shapes) == (expected.texts, expected.shapes)
    assert found.values.keys() == expected.values.keys()
    for path, ragged in found.values.items():
        assert same_bits(ragged.values, expected.values[path].values), path
        assert ragged.offsets.tolist() == expected.values[path].offsets.tolist()
