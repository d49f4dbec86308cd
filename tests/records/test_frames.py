"""Laws of tables in the forms of other packages: what is in a record is in each of them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas
import pytest
from builders import make_experiment, make_run
from in_process import ended

from nthrun import NthrunError, episode_table, evaluation_table, open_data, table
from nthrun.commands.combine import combine
from nthrun.records.data import Data
from nthrun.records.schema import Run

NUM_SETTINGS = 3


def recorded_runs() -> list[Run]:
    """Runs of unlike lengths, one in several worlds, one without steps of evaluations."""
    runs = [
        make_run(index, index % NUM_SETTINGS, index // NUM_SETTINGS, [index / 3] * n, [100 + n] * n)
        for index, n in ((0, 3), (1, 0), (4, 5), (5, 2))
    ]
    runs[0]["train_episode_ends"] = np.array([120, 230, 306])
    runs[0]["agent_params"] = {"num_worlds": 3}
    del runs[2]["eval_episode_steps"]
    runs[3] |= {"status": "pruned", "reason": 'a "b", c\nd', "agent_params": {"units": [64, 32]}}
    runs[3]["eval_episode_rewards"] = np.arange(6.0).reshape(3, 2)
    runs[3]["timesteps_at_eval"] = np.array([0, 100, 200])
    runs[3]["eval_episode_steps"] = np.full((3, 2), 7)
    return runs


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """Of an experiment with such runs."""
    experiment = make_experiment(tmp_path, NUM_SETTINGS)
    for run in recorded_runs():
        experiment.write(0, [run])
    return open_data(experiment.root)


def loaded(data: Data) -> list[Run]:
    """The records, in order."""
    return [entry.load(()) for entry in data.entries]


def test_every_training_episode_is_a_row(data: Data) -> None:
    """With its run, its number, return and steps, and the step at which it ended."""
    rows = []
    for run in loaded(data):
        lengths = run["train_episode_steps"]
        ends = run.get("train_episode_ends", np.cumsum(lengths))
        for number, episode in enumerate(
            zip(run["train_episode_rewards"], lengths, ends, strict=True)
        ):
            rows.append((run["index"], run["run_number"], number, *episode))
    made = episode_table(data)
    names = ("index", "run_number", "episode", "return", "steps", "end")
    assert list(zip(*(made[name].tolist() for name in names), strict=True)) == rows
    assert len(rows) == 10


def test_every_episode_of_an_evaluation_is_a_row(data: Data) -> None:
    """With its run, its evaluation and the training steps before that."""
    rows = []
    for run in loaded(data):
        for number, (time, returns) in enumerate(
            zip(run["timesteps_at_eval"], run["eval_episode_rewards"], strict=True)
        ):
            for episode, value in enumerate(returns):
                lengths = run.get("eval_episode_steps")
                steps = -1 if lengths is None else lengths[number, episode]
                rows.append((run["index"], number, time, episode, value, steps))
    made = evaluation_table(data)
    names = ("index", "evaluation", "timestep", "episode", "return", "steps")
    assert list(zip(*(made[name].tolist() for name in names), strict=True)) == rows


@pytest.mark.parametrize("rows", ["runs", "episodes", "evaluations"])
def test_a_frame_and_a_file_of_csv_are_the_table(data: Data, tmp_path: Path, rows: str) -> None:
    """pandas has every column with its values, and reads the same from what combining writes."""
    made = {"runs": table, "episodes": episode_table, "evaluations": evaluation_table}[rows](data)
    frame = data.to_pandas(rows)
    assert list(frame.columns) == list(made)
    file = tmp_path / "out" / "table.csv"
    done = ended(combine, data.source, file, "--rows", rows)
    assert (done.code, done.out) == (0, f"{file}: {len(frame)} rows\n")
    read = pandas.read_csv(file)
    for name, column in made.items():
        np.testing.assert_array_equal(frame[name].to_numpy(), column)
        if column.dtype.kind in "if":
            np.testing.assert_array_equal(
                read[name].to_numpy(np.float64), column.astype(np.float64)
            )
    if rows == "runs":
        with open(file, newline="") as text:
            written = list(csv.DictReader(text))
        assert [row["reason"] for row in written][-1] == 'a "b", c\nd'
        assert [row["agent_params.units"] for row in written] == ["", "", "", "[64, 32]"]


def test_a_dataset_has_a_place_for_every_evaluation(data: Data) -> None:
    """xarray's has runs, evaluations and episodes as dimensions, NaN where a run has no more."""
    pytest.importorskip("xarray")
    made = data.to_xarray()
    runs = loaded(data)
    assert made["run_number"].values.tolist() == [run["run_number"] for run in runs]
    for place, run in enumerate(runs):
        returns = run["eval_episode_rewards"]
        kept = made["eval_return"].values[place, : len(returns)]
        np.testing.assert_array_equal(kept, returns)
        assert np.isnan(made["eval_return"].values[place, len(returns) :]).all()
        times = made["timestep"].values[place, : len(returns)]
        np.testing.assert_array_equal(times, run["timesteps_at_eval"])


def test_a_file_of_parquet_is_the_table(data: Data, tmp_path: Path) -> None:
    """It has the columns, with their types."""
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "table.parquet"
    assert ended(combine, data.source, file).code == 0
    read = parquet.read_table(file).to_pydict()
    for name, column in table(data).items():
        if column.dtype.kind != "O":
            np.testing.assert_array_equal(np.array(read[name]), column)


def test_what_cannot_be_written_is_told(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is missing, another table, and rows of a file that has none."""
    with pytest.raises(NthrunError, match="got 'steps', allowed: runs, episodes, evaluations"):
        data.to_pandas("steps")
    monkeypatch.setattr("nthrun.errors.find_spec", lambda name: None)
    with pytest.raises(NthrunError, match="to_pandas: the package pandas is not installed"):
        data.to_pandas()
    done = ended(combine, data.source, data.source / "a.parquet")
    assert (done.code, "the package pyarrow is not installed" in done.err) == (2, True)
    assert ended(combine, data.source, "--rows", "episodes").code == 2
