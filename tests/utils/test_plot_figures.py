"""Laws that every plotting script fulfils, by running them and by calling them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_experiment, make_run
from matplotlib.image import imread
from processes import ROOT

from nthrun.analysis.figures import plot_utils
from nthrun.commands.curve_options import Which
from nthrun.commands.figure_options import Output, ScoreChoice
from nthrun.errors import NthrunError
from nthrun.records import Data, open_data
from nthrun.records.combine import combine
from nthrun.records.experiment import Experiment
from nthrun.records.schema import Run
from utils.plot_comparison import plot_comparison
from utils.plot_distribution import plot_distribution
from utils.plot_heat_map import plot_heat_map
from utils.plot_metrics import plot_metrics
from utils.plot_parallel import plot_parallel
from utils.plot_parity import plot_parity
from utils.plot_resources import plot_resources
from utils.plot_sensitivity import plot_sensitivity

SCORED: dict[str, Callable[..., list[Path]]] = {
    "sensitivity": plot_sensitivity,
    "heat_map": plot_heat_map,
    "parallel": plot_parallel,
    "distribution": plot_distribution,
    "comparison": plot_comparison,
}
SCRIPTS = (*SCORED, "mse_data", "metrics", "resources", "parity", "oracle_gap")


def sweep(**changes: Any) -> list[Run]:
    """Two runs of four settings, one of which diverged."""
    runs = []
    for index in range(8):
        number = index % 4
        parameters = {
            "critic_lr": [0.01, 0.1][number % 2],
            "activation": ["relu", "tanh"][number // 2],
        }
        status = "diverged" if number == 3 else "completed"
        returns = [number - 9.0, number - 1.0]
        own = {"status": status, "agent_params": parameters} | changes
        runs.append(make_run(index, number, index // 4, returns, [60, 40], **own))
    return runs


def experiment(root: Path, **changes: Any) -> Experiment:
    """The sweep as an experiment directory."""
    return make_experiment(root, 4, runs=sweep(**changes))


def recorded(index: int) -> dict[str, Any]:
    """Series of updates and actions."""
    generator = np.random.default_rng(index)
    metrics = {"entropy": generator.normal(size=90), "critic_loss": generator.normal(size=90)}
    return {"metrics": metrics, "train_actions": generator.integers(0, 3, (100, 1))}


class TestScripts:
    @pytest.mark.slow
    @pytest.mark.parametrize("name", SCRIPTS)
    def test_no_argument(self, tmp_path: Path, name: str) -> None:
        """Without an argument, from any directory, a figure of the demo data is drawn."""
        command = [sys.executable, str(ROOT / f"utils/plot_{name}.py")]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        paths = [tmp_path / line for line in done.stdout.splitlines()]
        assert done.stderr == ""
        assert {path.suffix for path in paths} == {".png", ".pdf", ".json"}
        for path in paths:
            if path.suffix == ".png":
                picture = imread(path)
                assert picture.min() < 0.3 and picture.max() == 1.0  # neither blank nor black

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["policy_map", "decision_rules"])
    def test_policies(self, tmp_path: Path, name: str) -> None:
        """Without an argument what the demo's solvers have learned is drawn."""
        command = [sys.executable, str(ROOT / f"utils/plot_{name}.py"), "--out", "f.png"]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
        assert imread(tmp_path / "f.png").min() < 0.3

    def test_help(self) -> None:
        """Help of every script comes without torch."""
        code = (
            "import sys, runpy\n"
            f"for name in {SCRIPTS!r}:\n"
            f"    runpy.run_path(f'{ROOT}/utils/plot_{{name}}.py')\n"
            "assert 'torch' not in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


class TestScored:
    @pytest.mark.parametrize("name", SCORED)
    def test_files(self, tmp_path: Path, name: str) -> None:
        """Each figure is a PNG, a PDF and the list of the runs it shows, which were recorded."""
        root = experiment(tmp_path / "exp").root
        paths = SCORED[name]([root], ["mine"], ScoreChoice(), Output(tmp_path, tmp_path))
        assert [path.suffix for path in paths] == [".png", ".pdf", ".json"]
        [[source, parts]] = json.loads(paths[2].read_text()).items()
        assert source == str(root)
        assert parts and {n for part in parts for n in part["indices"]} <= set(range(8))

    @pytest.mark.parametrize("name", ["sensitivity", "heat_map", "parallel"])
    def test_all_diverged(self, tmp_path: Path, name: str) -> None:
        """A sweep of which every run diverged without an episode is drawn all the same."""
        empty = {"status": "diverged", "train_episode_rewards": np.empty(0)}
        empty["train_episode_steps"] = np.empty(0, np.int64)
        root = experiment(tmp_path / "exp", **empty).root
        assert SCORED[name]([root], None, ScoreChoice(), Output(tmp_path, tmp_path))

    def test_metric(self, tmp_path: Path) -> None:
        """A metric without a known direction needs one; the error says how."""
        root = experiment(tmp_path / "exp", eval_metrics={"r": np.array([1.0, 2.0])}).root
        output = Output(tmp_path, tmp_path)
        with pytest.raises(NthrunError, match="hint: give --direction"):
            plot_parallel([root], None, ScoreChoice("r"), output)
        assert plot_parallel([root], None, ScoreChoice("r", direction="minimize"), output)


class TestOthers:
    def test_parity(self, tmp_path: Path) -> None:
        """Two experiments are compared; any other number is an error."""
        roots = [experiment(tmp_path / name).root for name in "ab"]
        output = Output(tmp_path, tmp_path)
        assert len(plot_parity(roots, None, ScoreChoice(), output)) == 3
        with pytest.raises(NthrunError, match="got 1 data, allowed: 2"):
            plot_parity(roots[:1], None, ScoreChoice(), output)

    def test_resources(self, tmp_path: Path) -> None:
        """All runs of all settings are listed."""
        root = experiment(tmp_path / "exp").root
        *_, listing = plot_resources([root], None, Output(tmp_path, tmp_path))
        [parts] = json.loads(listing.read_text()).values()
        assert sorted(n for part in parts for n in part["indices"]) == list(range(8))

    def test_metrics(self, tmp_path: Path) -> None:
        """Recorded series and actions are drawn; where nothing was recorded, the error says so."""
        root = experiment(tmp_path / "exp", **recorded(0)).root
        assert len(plot_metrics([root], None, Output(tmp_path, tmp_path))) == 3
        bare = experiment(tmp_path / "bare").root
        with pytest.raises(NthrunError, match="no metrics or actions are recorded; hint: "):
            plot_metrics([bare], None, Output(tmp_path, tmp_path))

    def test_unknown_metric(self, tmp_path: Path) -> None:
        """A series that no run has is an error that names those there are, and a file that leaves
        them out one that says so; nothing is drawn."""
        found = experiment(tmp_path / "exp", **recorded(0))
        root, output = found.root, Output(tmp_path / "out", tmp_path / "out")
        with pytest.raises(
            NthrunError, match=r"series 'x' .* hint: there are: critic_loss, entropy"
        ):
            plot_metrics([root], None, output, ["x"])
        combine(found, root / "data.json")
        with pytest.raises(NthrunError, match="leaves out metrics and actions; hint: combine"):
            plot_metrics([root / "data.json"], None, output, ["entropy"])
        assert not (tmp_path / "out").exists()

    def test_stages(self, tmp_path: Path) -> None:
        """Of data with a confirmation the series of the stage asked for are drawn."""
        runs = [make_run(0, 0, 0, [-1.0], [100], stage=s, **recorded(s)) for s in (0, 1)]
        root = make_experiment(tmp_path / "exp", runs=runs).root
        output = Output(tmp_path, tmp_path)
        with pytest.raises(NthrunError, match="hint: give --stage"):
            plot_metrics([root], None, output)
        *_, listing = plot_metrics([root], None, output, which=Which(stage=1))
        [[part]] = json.loads(listing.read_text()).values()
        assert part["stage"] == 1
        assert plot_utils.multi_metric(open_data(root), stage=1).axes

    @pytest.mark.parametrize("name", ["heat_map", "parallel", "metrics"])
    @pytest.mark.parametrize("called", ["x", None])
    def test_one_name(self, tmp_path: Path, name: str, called: str | None) -> None:
        """Figures of one command that would be written to one file are refused before any is."""
        roots = [experiment(tmp_path / n, **recorded(0)).root for n in "ab"]
        output = Output(tmp_path / "out", tmp_path / "out", name=called)
        labels = None if called else ["a b", "a/b"]
        with pytest.raises(NthrunError, match=r"\.png: 2 figures would be written here"):
            if name == "metrics":
                plot_metrics(roots, labels, output)
            else:
                SCORED[name](roots, labels, ScoreChoice(), output)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("name", ["sensitivity", "distribution", "comparison"])
    def test_other_metrics(self, tmp_path: Path, name: str) -> None:
        """Experiments whose searches go by different metrics share no figure unless one is asked
        for."""
        roots = [experiment(tmp_path / n).root for n in "ab"]
        manifest = json.loads((roots[1] / "manifest.json").read_text())
        manifest["agent"]["search"] = {"metric": "train_time", "goal": "minimize"}
        (roots[1] / "manifest.json").write_text(json.dumps(manifest))
        output = Output(tmp_path, tmp_path)
        with pytest.raises(NthrunError, match=r"b: metric: got train_time .*; hint: give a --met"):
            SCORED[name](roots, None, ScoreChoice(), output)
        assert SCORED[name](roots, None, ScoreChoice("return"), output)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """A sweep with everything recorded."""
    return open_data(experiment(tmp_path_factory.mktemp("sweep"), **recorded(0)).root)


NAMES: dict[str, tuple[Any, ...]] = {
    "episode_steps": (),
    "hyper_sensitivity": ("critic_lr",),
    "multi_learning_curves": (("critic_lr", "activation"),),
    "multi_individual_runs": (),
    "multi_metric": (),
    "action_count": (),
    "mean_with_bootstrap_conf": (),
    "plot_mean_with_runs": (),
    "mean_with_stderr": (),
    "plot_mean_with_stderr_summary": (),
    "return_distribution": (),
}


class TestPlotUtils:
    @pytest.mark.parametrize("name", NAMES)
    def test_names(self, data: Data, name: str) -> None:
        """Every figure that earlier scripts had is drawn by a function of its name."""
        figure = getattr(plot_utils, name)(data, *NAMES[name])
        assert figure.axes
        figure.draw_without_rendering()

    def test_without_values(self, tmp_path: Path) -> None:
        """Runs and settings without a return are counted, and where none has one it is an error."""
        empty = {"train_episode_rewards": np.empty(0), "train_episode_steps": np.empty(0, np.int64)}
        runs = sweep()
        runs[0] = Run(runs[0] | empty)
        runs[2], runs[6] = (Run(runs[n] | empty | {"status": "diverged"}) for n in (2, 6))
        data = open_data(make_experiment(tmp_path / "some", 4, runs=runs).root)
        figure = plot_utils.multi_individual_runs(data)
        assert figure.get_suptitle() == "Pendulum-v1 (1 setting without a return left out)"
        texts = [text.get_text() for axes in figure.axes for text in axes.texts]
        assert "2 runs, 1 without a value" in texts
        figure = plot_utils.multi_learning_curves(data, ("critic_lr", "activation"))
        texts = [text.get_text() for axes in figure.axes for text in axes.texts]
        assert "2 without a value" in texts and "2 runs, 1 without a value" in texts
        none = open_data(
            experiment(
                tmp_path / "none",
                **empty,
                eval_episode_rewards=np.empty((0, 2)),
                timesteps_at_eval=np.empty(0, np.int64),
                eval_episode_steps=np.empty((0, 2), np.int64),
            ).root
        )
        with pytest.raises(NthrunError, match="no run of these settings has a finite return"):
            plot_utils.multi_individual_runs(none)
        with pytest.raises(NthrunError, match="no run of these settings has a finite return"):
            plot_utils.multi_learning_curves(none, ("critic_lr", "activation"))

    def test_three(self) -> None:
        """Sensitivity to three hyperparameters has a panel for each value of the third."""
        demo = open_data(ROOT / "docs/demo/MountainCar-v0_SoftmaxAC.json")
        figure = plot_utils.multi_hyper_sensitivity(demo, ("critic_lr", "actor_lr", "decay"))
        assert [axes.get_title() for axes in figure.axes] == ["decay 0", "decay 0.8"]
        [legend] = figure.legends
        labels = [text.get_text() for text in legend.get_texts()]
        assert labels[:3] == ["actor_lr 0.01", "actor_lr 0.1", "actor_lr 1"]
