"""Every kind of file that earlier code left in an experiment is still read by every command.

`data/files_of_before` is an experiment of version 0.1.0: twelve recorded runs in three shards,
snapshots, a journal with pruning, combined data, a finished plan, and a plan whose process was
killed, with its claim and two checkpoints, beside a checkpoint of `main.py`.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from nthrun.__main__ import commands
from nthrun.records import open_data

FILES = Path(__file__).parent / "data/files_of_before"
NAME = "MountainCar-v0_SoftmaxAC"


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """A copy of the experiment."""
    shutil.copytree(FILES / NAME, tmp_path / NAME)
    return tmp_path / NAME


class Output:
    """Runs commands in this process, and gives what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> str:
        self._capsys.readouterr()
        code = commands.main([str(a) for a in arguments], standalone_mode=False)
        assert code in (None, 0)
        return "".join(self._capsys.readouterr())


@pytest.fixture
def output_of(capsys: pytest.CaptureFixture[str]) -> Output:
    """What a command prints, which must succeed."""
    return Output(capsys)


def test_status_counts_what_is_there(experiment: Path, output_of: Output) -> None:
    """Twelve runs are recorded, four are missing, and the plan of a dead process is named."""
    text = output_of("schedule", "--status", experiment)
    counts = text.splitlines()[1].split()
    assert counts[1:4] == ["0", "16", "12"]
    assert counts[-1] == "4"
    assert "index 3000-3003: the process is gone" in text


def test_combining_gives_the_same_file(experiment: Path, output_of: Output) -> None:
    """data.json of the same records is left as it is; made of the shards anew it has the same
    bytes, and a digest behind them."""
    assert "unchanged" in output_of("combine", experiment)
    before = (experiment / "data.json").read_bytes()
    (experiment / "data.json").unlink()
    output_of("combine", experiment)
    made, _, digest = (experiment / "data.json").read_bytes().rpartition(b',\n"digest": ')
    assert made + b"}\n" == before
    assert re.fullmatch(rb'"[0-9a-f]{64}"}\n', digest)


def test_data_h5_is_read_and_made_as_before(
    experiment: Path, tmp_path: Path, output_of: Output
) -> None:
    """Runs read from the data.h5 of before, from a new one and from the shards are the same."""
    output_of("combine", experiment, tmp_path / "new.h5")
    sources = [open_data(p) for p in (experiment / "data.h5", tmp_path / "new.h5", experiment)]
    old, new, shards = ([entry.load(()) for entry in data.entries] for data in sources)
    assert len(old) == len(new) == len(shards) == 12
    for runs in zip(old, new, shards, strict=True):
        for run in runs[1:]:
            np.testing.assert_equal(run, runs[0])


def test_best_and_report_read_it(experiment: Path, tmp_path: Path, output_of: Output) -> None:
    """The choice ranks the four settings, and the report names every one of them."""
    text = output_of("best", experiment, "--out", tmp_path)
    assert "setting 0 is the best of 4" in text
    output_of("report", experiment, "--out", tmp_path / "report.html")
    assert "0.213949886" in (tmp_path / "report.html").read_text()


def test_forgotten_runs_are_missing(experiment: Path, output_of: Output) -> None:
    """A record made before can be forgotten, and is missing then."""
    assert "forgot 0" in output_of("forget", experiment, "--index", "0")
    assert output_of("schedule", "--status", experiment).splitlines()[1].split()[3] == "11"


def test_training_goes_on_beside_them(experiment: Path, output_of: Output) -> None:
    """An index whose checkpoint is of other code and of before steps flushed denormal numbers says
    so and is trained anew; the journal is only added to."""
    specs = ["--env-json", FILES / "environment.json", "--agent-json", FILES / "agent.json"]
    where = ["--save-dir", experiment.parent, "--index", "4"]
    text = output_of("run", *specs, *where, "--backend", "eager")
    since = "made before denormal numbers were flushed to zero"
    other = "made with other ([a-z]+, )*code; its runs start from step 0"
    assert re.search(f"{since}, {other}", text), text
    assert "index 4: completed, 3000 steps" in text
    journal = (experiment / "search/journal").read_text()
    assert journal.startswith((FILES / NAME / "search/journal").read_text())
    assert json.loads((experiment / "manifest.json").read_text())["num_settings"] == 1000
