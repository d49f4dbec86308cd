"""The places that commands take."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import make_experiment, make_run
from click.testing import CliRunner

from nthrun.__main__ import commands
from nthrun.commands.experiment_paths import data_path, data_paths
from nthrun.errors import DataFileError, NthrunError

READING = (
    ("best", "{}", "--no-write"),
    ("combine", "{}"),
    ("forget", "{}", "--index", "0"),
    ("report", "{}"),
    ("schedule", "--status", "{}"),
)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `results` of a working directory, with one experiment in the save dir `walk`."""
    monkeypatch.chdir(tmp_path)
    runs = [make_run(n, n % 2, n // 2) for n in range(4)]
    make_experiment(tmp_path / "results/walk/Pendulum-v1_SAC", 2, runs=runs)
    return tmp_path / "results"


@pytest.mark.parametrize("words", READING, ids=lambda words: words[0])
def test_a_save_dir_is_found_with_and_without_results(
    results: Path, words: tuple[str, ...]
) -> None:
    """Every command that reads an experiment takes its directory, and a save dir that holds it,
    under `results/` or as it stands."""
    for place in ("walk", "results/walk", "walk/Pendulum-v1_SAC", str(results / "walk")):
        result = CliRunner().invoke(commands, [word.format(place) for word in words])
        assert result.exit_code == 0, (place, result.output, result.exception)
        assert "Pendulum-v1" in result.output or words[0] == "report"


def test_a_save_dir_of_several(results: Path) -> None:
    """Commands that take several experiments take all of a save dir; those that take one name
    them."""
    make_experiment(results / "walk/Pendulum-v1_VAC", 1, runs=[make_run(0, 0, 0)])
    names = ["results/walk/Pendulum-v1_SAC", "results/walk/Pendulum-v1_VAC"]
    assert [str(path) for path in data_paths(["walk"])] == names
    with pytest.raises(DataFileError, match="walk: holds 2 experiments, allowed: one; hint: name"):
        data_path("walk")
    result = CliRunner().invoke(commands, ["combine", "walk"])
    assert isinstance(result.exception, NthrunError)


def test_what_is_there_comes_first(results: Path) -> None:
    """A place that exists as it stands is not looked for under `results/`."""
    make_experiment(results.parent / "walk", 1, runs=[make_run(0, 0, 0)])
    assert data_path("walk") == Path("walk")
    assert data_path("results/walk") == Path("results/walk/Pendulum-v1_SAC")


def test_no_place(results: Path) -> None:
    """An empty text names nothing, and what is nowhere is left for its command to refuse."""
    for words in READING[:4]:
        for place in ("", "nowhere"):
            result = CliRunner().invoke(commands, [word.format(place) for word in words])
            assert isinstance(result.exception, DataFileError), (words, place, result.output)
