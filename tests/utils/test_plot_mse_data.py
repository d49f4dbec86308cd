"""Laws of utils/plot_mse_data.py, by running it and by calling it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from builders import make_experiment, make_run, make_solver_run
from matplotlib.image import imread

from nthrun.analysis.figures.style import DOTS_PER_INCH, VENUES
from nthrun.commands.curve_options import Which
from nthrun.commands.figure_data import DEMO
from nthrun.commands.figure_options import Output
from nthrun.errors import DataFileError, NthrunError
from nthrun.records.combine import combine
from nthrun.records.experiment import Experiment
from nthrun.records.schema import Run
from utils.plot_mse_data import plot_mse_data

SCRIPT = Path(__file__).resolve().parents[2] / "utils" / "plot_mse_data.py"
KINDS = ("directory", "shard", "data.json", "data.h5")


def sweep(num_settings: int = 2, num_runs: int = 3, **changes: object) -> list[Run]:
    """Runs of a sweep whose last setting is the best."""
    return [
        make_run(
            index, number, index // num_settings, [number - 9.0, number - 1.0], [60, 40], **changes
        )
        for index in range(num_settings * num_runs)
        for number in [index % num_settings]
    ]


def kind_of(experiment: Experiment, kind: str) -> Path:
    """An experiment's data as one of KINDS."""
    if kind == "directory":
        return experiment.root
    if kind == "shard":
        return next(experiment.runs.glob("*.h5"))
    return combine(experiment, experiment.root / kind).output


def run_script(
    cwd: Path, *arguments: str | Path, expect: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run the script as a user does, in some directory."""
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    return done


def here(folder: Path) -> Output:
    """Every file in one folder."""
    return Output(folder, folder)


def plotted(paths: Sequence[Path]) -> dict[str, list[dict[str, object]]]:
    """What the list beside a figure says."""
    [listing] = [path for path in paths if path.name.endswith(".runs.json")]
    content: dict[str, list[dict[str, object]]] = json.loads(listing.read_text())
    return content


class TestScript:
    @pytest.mark.parametrize("kind", KINDS)
    def test_kinds(self, tmp_path: Path, kind: str) -> None:
        """Every kind of data, from any directory, gives a picture, a PDF and their paths."""
        experiment = make_experiment(tmp_path / "Pendulum-v1_SAC", 2, runs=sweep())
        done = run_script(tmp_path, kind_of(experiment, kind).relative_to(tmp_path))
        assert done.stderr == ""
        png, pdf, listing = (tmp_path / line for line in done.stdout.splitlines())
        assert png == tmp_path / "plots/png/Pendulum-v1.png"
        picture = imread(png)
        assert picture.shape[1] == round(VENUES["screen"].width_inches * DOTS_PER_INCH)
        assert picture.min() < 0.2 and picture.max() == 1.0  # neither blank nor black
        assert pdf == tmp_path / "plots/pdf/Pendulum-v1.pdf"
        assert pdf.read_bytes().startswith(b"%PDF-") and b"%%EOF" in pdf.read_bytes()[-16:]
        [[entry]] = plotted([listing]).values()
        assert (entry["setting_number"], entry["indices"]) == (1, [1, 3, 5])

    def test_no_argument(self, tmp_path: Path) -> None:
        """Without an argument the demo data are plotted."""
        assert list(DEMO.glob("*.json"))
        done = run_script(tmp_path)
        for line in done.stdout.splitlines():
            assert (tmp_path / line).stat().st_size > 0
        assert len(done.stdout.splitlines()) >= 3

    def test_looks(self, tmp_path: Path) -> None:
        """Band, line, runs, smoothing, limits, width and an SVG are the user's to choose."""
        root = make_experiment(tmp_path / "exp", 2, runs=sweep()).root
        lines = ["--band", "tolerance", "--statistic", "median", "--no-runs", "--smooth", "50"]
        cuts = ["--x-limits", "0", "90", "--y-limits", "-9", "0"]
        place = ["--venue", "column", "--svg-dir", "svg"]
        done = run_script(tmp_path, root, *lines, *cuts, *place)
        assert done.stdout.splitlines()[2] == "svg/Pendulum-v1.svg"
        picture = imread(tmp_path / "plots/png/Pendulum-v1.png")
        assert picture.shape[1] == 3.25 * DOTS_PER_INCH

    def test_options(self, tmp_path: Path) -> None:
        """Directories, file name, label, stage and setting are the user's to choose."""
        runs = [*sweep(), *sweep(num_runs=1, stage=1)]
        experiment = make_experiment(tmp_path / "exp", 2, runs=runs)
        options = ["--png-dir", "a", "--pdf-dir", "b", "--name", "x/y", "--title", "T"]
        choice = ["--label", "mine", "--stage", "1", "--setting", "0"]
        done = run_script(tmp_path, experiment.root, *options, *choice)
        assert done.stdout.splitlines() == ["a/x-y.png", "b/x-y.pdf", "a/x-y.runs.json"]
        [[entry]] = plotted([tmp_path / "a/x-y.runs.json"]).values()
        assert entry == {"label": "mine", "stage": 1, "setting_number": 0, "indices": [0]}

    def test_metric(self, tmp_path: Path) -> None:
        """A metric of evaluations goes to a file of its own name."""
        run = make_solver_run(0, 0, 0, eval_metrics={"oracle_gap": np.array([9.0, 3.0, 1.0])})
        root = make_experiment(tmp_path / "exp", 1, runs=[run]).root
        done = run_script(tmp_path, root, "--metric", "oracle_gap")
        assert done.stdout.splitlines()[0] == "plots/png/Pendulum-v1_oracle_gap.png"

    def test_error(self, tmp_path: Path) -> None:
        """What cannot be plotted is one line on stderr, exit code 2, and leaves no files."""
        done = run_script(tmp_path, "nowhere", expect=2)
        assert done.stdout == ""
        assert done.stderr.splitlines() == [
            "error: nowhere: no data here; "
            "hint: give a shard, an experiment directory, data.json or data.h5"
        ]
        assert list(tmp_path.iterdir()) == []

    def test_damaged_shard(self, tmp_path: Path) -> None:
        """Damaged shards of an experiment are named; what is left is plotted."""
        experiment = make_experiment(tmp_path / "exp", 2, runs=sweep())
        lost = experiment.write(0, [make_run(6, 0, 3)])
        lost.write_bytes(lost.read_bytes()[:-9])
        done = run_script(tmp_path, experiment.root)
        assert done.stderr.startswith(f"warning: {lost}: damaged or cut short")
        assert len(done.stdout.splitlines()) == 3


class TestFunction:
    def test_demo_data(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without data every JSON file of the demo directory is plotted; none is an error."""
        monkeypatch.setattr("nthrun.commands.figure_data.DEMO", tmp_path / "demo")
        with pytest.raises(NthrunError, match=r"no demo data here; hint: "):
            plot_mse_data([], None, here(tmp_path))
        for name in ("Pendulum-v1_SAC.json", "Pendulum-v1_VAC.json"):
            data = kind_of(make_experiment(tmp_path / name, 2, runs=sweep()), "data.json")
            (tmp_path / "demo").mkdir(exist_ok=True)
            data.rename(tmp_path / "demo" / name)
        entries = plotted(plot_mse_data([], None, here(tmp_path))).values()
        assert [entry["label"] for [entry] in entries] == ["SAC", "VAC"]

    def test_kinds_agree(self, tmp_path: Path) -> None:
        """The same records give the same picture, whatever file they are read from."""
        experiment = make_experiment(tmp_path / "exp", 2, runs=sweep())
        pictures = {
            plot_mse_data([kind_of(experiment, kind)], ["SAC"], here(tmp_path))[0].read_bytes()
            for kind in KINDS
        }
        assert len(pictures) == 1

    @pytest.mark.parametrize("kind", KINDS)
    def test_solver(self, tmp_path: Path, kind: str) -> None:
        """Of a solver, whose runs have evaluations only, these and their metrics are plotted."""
        run = make_solver_run(0, 0, 0, eval_metrics={"oracle_gap": np.array([9.0, 3.0, 1.0])})
        data = kind_of(make_experiment(tmp_path / "exp", 1, runs=[run]), kind)
        pictures = [
            plot_mse_data([data], None, here(tmp_path), Which(metric=metric))[0].read_bytes()
            for metric in (None, "oracle_gap")
        ]
        assert pictures[0] != pictures[1]

    def test_environments(self, tmp_path: Path) -> None:
        """Data of one environment share a figure; each environment has its own."""
        names = [("a", "Pendulum-v1"), ("b", "ALE/Pong-v5"), ("c", "Pendulum-v1")]
        roots = [make_experiment(tmp_path / n, 1, env, sweep(1)).root for n, env in names]
        paths = plot_mse_data(roots, None, here(tmp_path))
        assert [path.name for path in paths if path.suffix != ".json"] == [
            *("Pendulum-v1.png", "Pendulum-v1.pdf"),
            *("ALE-Pong-v5.png", "ALE-Pong-v5.pdf"),
        ]
        assert list(plotted(paths[:3])) == [str(roots[0]), str(roots[2])]
        with pytest.raises(NthrunError, match=r"--name x: .* 2 environments"):
            plot_mse_data(roots, None, Output(tmp_path, tmp_path, name="x"))

    def test_default_labels(self, tmp_path: Path) -> None:
        """A label is the experiment's name without its environment; equal ones become paths."""
        roots = [tmp_path / place for place in ("one/Pendulum-v1_SAC", "two/Pendulum-v1_SAC")]
        for root in roots:
            kind_of(make_experiment(root, 1, runs=sweep(1)), "data.json")
        [[entry]] = plotted(plot_mse_data(roots[:1], None, here(tmp_path))).values()
        assert entry["label"] == "SAC"
        [[entry]] = plotted(plot_mse_data([roots[0] / "data.json"], None, here(tmp_path))).values()
        assert entry["label"] == "SAC"
        both = plotted(plot_mse_data(roots, None, here(tmp_path))).values()
        assert [entry["label"] for [entry] in both] == [str(root) for root in roots]

    def test_labels(self, tmp_path: Path) -> None:
        """Labels must be one for each DATA, and different within a figure."""
        roots = [make_experiment(tmp_path / n, 1, runs=sweep(1)).root for n in "ab"]
        with pytest.raises(NthrunError, match=r"got 1 labels for 2 data"):
            plot_mse_data(roots, ["x"], here(tmp_path))
        with pytest.raises(NthrunError, match=r"label 'x' is taken"):
            plot_mse_data(roots, ["x", "x"], here(tmp_path))

    def test_nothing_finished(self, tmp_path: Path) -> None:
        """Data without a finished episode is an error that says so."""
        experiment = make_experiment(tmp_path / "exp", runs=[make_run(0, 0, 0, [], [])])
        with pytest.raises(DataFileError, match=r"finished training episode .*; hint: "):
            plot_mse_data([experiment.root], None, here(tmp_path))
