"""Laws of `python -m nthrun plot`: which data share a figure, and where it goes."""

from __future__ import annotations

import os
from pathlib import Path

import click
import numpy as np
import pytest
from builders import make_experiment, make_run, make_solver_run
from click.testing import CliRunner
from matplotlib.image import imread
from plots import drawn, listed, plotted
from processes import call

from nthrun.__main__ import commands
from nthrun.analysis.figures.style import DOTS_PER_INCH, VENUES
from nthrun.commands.plot import FIGURES
from nthrun.errors import DataFileError, NthrunError
from nthrun.records.combine import combine
from nthrun.records.experiment import Experiment
from nthrun.records.schema import Run
from nthrun.specs.shipped import demo_files

KINDS = ("directory", "shard", "data.json", "data.h5")
CURVES = "learning_curves"


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


class TestGroup:
    def test_help(self) -> None:
        """Help names every figure of the table."""
        result = CliRunner().invoke(commands, ["plot", "--help"])
        for name, (_, line) in FIGURES.items():
            assert f"  {name} " in result.stdout and line in result.stdout

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("nothing", "No such command 'nothing'"),
            ("no_such_module:solved", "there is no module no_such_module; hint: "),
            (
                "json:dumps",
                "this is no figure, .*; hint: decorate it with @plot, as docs/fig",
            ),
        ],
    )
    def test_no_figure(self, name: str, said: str) -> None:
        """A name that is not in the table, and an object that is no figure, are an error."""
        with pytest.raises((NthrunError, click.UsageError), match=said):
            commands.main(["plot", name], standalone_mode=False)


class TestFiles:
    @pytest.mark.parametrize("kind", KINDS)
    def test_kinds(self, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every kind of data gives a picture, a PDF and their paths."""
        experiment = make_experiment(tmp_path / "Pendulum-v1_SAC", 2, runs=sweep())
        monkeypatch.chdir(tmp_path)
        data = kind_of(experiment, kind).relative_to(tmp_path)
        result = CliRunner().invoke(commands, ["plot", CURVES, str(data)])
        png, pdf, listing = (Path(line) for line in result.stdout.splitlines())
        assert png == Path("plots/png/Pendulum-v1.png")
        picture = imread(png)
        assert picture.shape[1] == round(VENUES["screen"].width_inches * DOTS_PER_INCH)
        assert picture.min() < 0.2 and picture.max() == 1.0  # neither blank nor black
        assert pdf == Path("plots/pdf/Pendulum-v1.pdf")
        assert pdf.read_bytes().startswith(b"%PDF-") and b"%%EOF" in pdf.read_bytes()[-16:]
        [[entry]] = listed([listing]).values()
        assert (entry["setting_number"], entry["indices"]) == (1, [1, 3, 5])

    def test_kinds_agree(self, tmp_path: Path) -> None:
        """The same records give the same picture, whatever file they are read from."""
        experiment = make_experiment(tmp_path / "exp", 2, runs=sweep())
        pictures = {
            plotted(CURVES, kind_of(experiment, kind), "--label", "SAC", into=tmp_path)[
                0
            ].read_bytes()
            for kind in KINDS
        }
        assert len(pictures) == 1

    def test_looks(self, tmp_path: Path) -> None:
        """Band, line, runs, smoothing, limits, width and an SVG are the user's to choose."""
        root = make_experiment(tmp_path / "exp", 2, runs=sweep()).root
        lines = ["--band", "tolerance", "--statistic", "median", "--no-runs", "--smooth", "50"]
        cuts = ["--x-limits", "0", "90", "--y-limits", "-9", "0"]
        place = ["--venue", "column", "--svg-dir", str(tmp_path / "svg")]
        paths = plotted(CURVES, root, *lines, *cuts, *place, into=tmp_path)
        assert paths[2] == tmp_path / "svg/Pendulum-v1.svg"
        assert imread(paths[0]).shape[1] == 3.25 * DOTS_PER_INCH

    @pytest.mark.parametrize("axis", ["--x-limits", "--y-limits"])
    @pytest.mark.parametrize("limits", [("5", "1"), ("3", "3"), ("0", "-0")])
    def test_limits_ascend(self, tmp_path: Path, axis: str, limits: tuple[str, str]) -> None:
        """Limits of which the first is not below the second are refused, and nothing is drawn."""
        root = make_experiment(tmp_path / "exp", 2, runs=sweep()).root
        with pytest.raises(click.BadParameter, match="allowed: two numbers, the lower one first"):
            plotted(CURVES, root, axis, *limits, into=tmp_path / "a")
        assert not (tmp_path / "a").exists()

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        """Bytes of a path, a label or a title that are no text, and control characters, keep no
        figure from being drawn."""
        root = make_experiment(tmp_path / os.fsdecode(b"b\xffd"), 2, runs=sweep()).root
        odd = os.fsdecode(b"\x81\xff\x1b[2J")
        for more in ((), ("--title", odd), ("--label", odd)):
            paths = plotted(CURVES, root, *more, "--svg-dir", tmp_path / "svg", into=tmp_path)
            assert all(path.is_file() for path in paths)

    def test_options(self, tmp_path: Path) -> None:
        """Directories, file name, label, stage and setting are the user's to choose."""
        runs = [*sweep(), *sweep(num_runs=1, stage=1)]
        root = make_experiment(tmp_path / "exp", 2, runs=runs).root
        named = ["--name", "x/y", "--title", "T", "--label", "mine"]
        paths = plotted(CURVES, root, *named, "--stage", "1", "--setting", "0", into=tmp_path / "a")
        assert [path.name for path in paths] == ["x-y.png", "x-y.pdf", "x-y.runs.json"]
        [[entry]] = listed(paths).values()
        assert entry == {"label": "mine", "stage": 1, "setting_number": 0, "indices": [0]}

    def test_lengths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A figure that compares scores of runs of different lengths comes with a warning that says
        of which; one that shows their course does not."""
        monkeypatch.chdir(tmp_path)
        paths = [
            str(make_experiment(tmp_path / name, runs=[make_run(0, 0, 0, [-1.0], [steps])]).root)
            for name, steps in (("short", 300), ("long", 500))
        ]
        said = "Pendulum-v1: runs of different lengths stand side by side, in training steps"
        compared = CliRunner().invoke(commands, ["plot", "comparison", *paths])
        assert f"warning: {said} short: 300; long: 500" in compared.stderr
        assert CliRunner().invoke(commands, ["plot", "comparison", paths[0]]).stderr == ""
        assert CliRunner().invoke(commands, ["plot", CURVES, *paths]).stderr == ""

    def test_error(self, tmp_path: Path) -> None:
        """What cannot be plotted is one line on stderr, exit code 2, and leaves no files."""
        done = call("utils/plot_mse_data.py", "nowhere", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
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
        done = call("utils/plot_mse_data.py", str(experiment.root), cwd=tmp_path)
        assert done.stderr.startswith(f"warning: {lost}: damaged or cut short")
        assert len(done.stdout.splitlines()) == 3

    @pytest.mark.parametrize("kind", KINDS)
    def test_solver(self, tmp_path: Path, kind: str) -> None:
        """Of a solver, whose runs have evaluations only, these and their metrics are plotted, each
        to files of its own name."""
        run = make_solver_run(0, 0, 0, eval_metrics={"oracle_gap": np.array([9.0, 3.0, 1.0])})
        data = kind_of(make_experiment(tmp_path / "exp", 1, runs=[run]), kind)
        returns, *_ = plotted(CURVES, data, into=tmp_path)
        gaps, *_ = plotted(CURVES, data, "--metric", "oracle_gap", into=tmp_path)
        assert (returns.name, gaps.name) == ("Pendulum-v1.png", "Pendulum-v1_oracle_gap.png")
        assert returns.read_bytes() != gaps.read_bytes()


class TestGroups:
    def test_demo_data(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without data the demo's of the figure's pattern are plotted; none is an error."""
        monkeypatch.setattr("nthrun.specs.shipped.shipped_folder", lambda name: tmp_path / name)
        with pytest.raises(NthrunError, match=r"no demo data here; hint: "):
            plotted(CURVES, into=tmp_path)
        (tmp_path / "demo").mkdir()
        for name in ("Pendulum-v1_SAC.json", "Pendulum-v1_VAC.json"):
            data = kind_of(make_experiment(tmp_path / name, 2, runs=sweep()), "data.json")
            data.rename(tmp_path / "demo" / name)
        entries = listed(plotted(CURVES, into=tmp_path)).values()
        assert [entry["label"] for [entry] in entries] == ["SAC", "VAC"]

    def test_environments(self, tmp_path: Path) -> None:
        """Data of one environment share a figure; each environment has its own, and so one name
        does not do for two."""
        names = [("a", "Pendulum-v1"), ("b", "ALE/Pong-v5"), ("c", "Pendulum-v1")]
        roots = [make_experiment(tmp_path / n, 1, env, sweep(1)).root for n, env in names]
        paths = plotted(CURVES, *roots, into=tmp_path)
        assert [path.name for path in paths if path.suffix != ".json"] == [
            *("Pendulum-v1.png", "Pendulum-v1.pdf"),
            *("ALE-Pong-v5.png", "ALE-Pong-v5.pdf"),
        ]
        assert list(listed(paths[:3])) == [str(roots[0]), str(roots[2])]
        both = "Pendulum-v1, ALE/Pong-v5"
        with pytest.raises(NthrunError, match=rf"--name x: .* 2 environments: {both}; hint: leave"):
            plotted(CURVES, *roots, "--name", "x", into=tmp_path)

    def test_default_labels(self, tmp_path: Path) -> None:
        """A label is the experiment's name without its environment; equal ones become paths."""
        roots = [tmp_path / place for place in ("one/Pendulum-v1_SAC", "two/Pendulum-v1_SAC")]
        for root in roots:
            kind_of(make_experiment(root, 1, runs=sweep(1)), "data.json")
        for data in (roots[0], roots[0] / "data.json"):
            [[entry]] = listed(plotted(CURVES, data, into=tmp_path)).values()
            assert entry["label"] == "SAC"
        both = listed(plotted(CURVES, *roots, into=tmp_path)).values()
        assert [entry["label"] for [entry] in both] == [str(root) for root in roots]

    def test_labels(self, tmp_path: Path) -> None:
        """Labels must be one for each DATA, and different within a figure."""
        roots = [make_experiment(tmp_path / n, 1, runs=sweep(1)).root for n in "ab"]
        with pytest.raises(NthrunError, match=r"got 1 labels for 2 data"):
            plotted(CURVES, *roots, "--label", "x", into=tmp_path)
        with pytest.raises(NthrunError, match=r"label 'x' is taken"):
            plotted(CURVES, *roots, "--label", "x", "--label", "x", into=tmp_path)

    @pytest.mark.parametrize(
        ("name", "source", "file", "begins"),
        [
            ("metrics", "metrics/*.h5", "figure.svg", b"<?xml"),
            ("oracle_gap", "solvers/Bewley*.h5", "figure.png", b"\x89PNG"),
            (CURVES, "Pendulum*.json", "figure.pdf", b"%PDF"),
        ],
    )
    def test_only_file(
        self, tmp_path: Path, name: str, source: str, file: str, begins: bytes
    ) -> None:
        """With `--out` there is that file, of the kind that its suffix says, and no other."""
        path = tmp_path / file
        assert drawn(name, demo_files(source)[0], "--out", path) == [path]
        assert path.read_bytes().startswith(begins)
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--out", "x.gif"], r"x.gif: got suffix '.gif', allowed: .png, .pdf, .svg"),
            (["--out", "x.png", "--name", "y"], "--out x.png --name y: allowed: one of both"),
            (["--out", "x.png"], "--out x.png: the data make 2 figures, allowed: one; they are "),
        ],
    )
    def test_no_only_file(
        self, tmp_path: Path, options: list[str], said: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A suffix of no figure, a name beside the file's, and several figures are an error before
        anything is written."""
        monkeypatch.chdir(tmp_path)
        data = [make_experiment(tmp_path / "experiments" / name, 2, runs=sweep()) for name in "ab"]
        with pytest.raises(NthrunError, match=said):
            drawn("parallel", *(each.root for each in data), *options)
        assert not list(tmp_path.glob("*.png"))

    def test_nothing_finished(self, tmp_path: Path) -> None:
        """Data without a finished episode is an error that says so."""
        experiment = make_experiment(tmp_path / "exp", runs=[make_run(0, 0, 0, [], [])])
        with pytest.raises(DataFileError, match=r"finished training episode .*; hint: "):
            plotted(CURVES, experiment.root, into=tmp_path)
