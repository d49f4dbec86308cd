"""`python -m nthrun best` from the outside."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from builders import make_experiment, make_run, rewrite_agent
from click.testing import CliRunner, Result
from processes import ROOT

from nthrun.commands.best import best, spec_path, spec_text
from nthrun.errors import NthrunError
from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.records import open_data
from nthrun.records.experiment import open_experiment

PENDULUM = str(ROOT / "config/environment/PendulumContinuous-v1.json")


def sweep(root: Path, env_name: str = "Pendulum-v1", num_runs: int = 3, stage: int = 0) -> Path:
    """An experiment of three settings, of which number 1 is the best by far."""
    runs = [
        make_run(3 * n + s, s, n, [-100.0 * abs(s - 1) - 10 * n], [100], stage=stage)
        for s in range(3)
        for n in range(num_runs)
    ]
    return make_experiment(root, 3, env_name, runs).root


def call(*arguments: str | Path, folder: Path | None = None) -> Result:
    """Run the command, and write to `folder` or nowhere."""
    where = ["--no-write"] if folder is None else ["--out", str(folder)]
    return CliRunner().invoke(best, [*map(str, arguments), *where])


def refusal(*arguments: str | Path, folder: Path | None = None) -> str:
    """The error that the command ends with, having printed nothing."""
    result = call(*arguments, folder=folder)
    assert isinstance(result.exception, NthrunError)
    assert result.stdout == ""
    return str(result.exception)


class TestReport:
    def test_winner(self, tmp_path: Path) -> None:
        """It tells the winner with an interval that holds for all settings at once, runs and lost
        ones, what would be chosen again, and that the figure is biased."""
        text = call(sweep(tmp_path / "e")).stdout
        assert f"{tmp_path / 'e'}: setting 1 is the best of 3\n" in text
        assert (
            "return in stage 0: -10 (at least 95 % Student interval for any of 3 settings -54."
            in text
        )
        assert "95 %" in text and "bootstrap" not in text
        assert "biased towards the better: these runs chose it" in text
        assert "resamples of runs, drawn together by seed" in text
        assert "    1        1.0000        -10   3     0     0       0.002\n" in text
        assert text.endswith("critic_lr       0.001, 0.002, 0.003  0.002\n")

    def test_lost_runs(self, tmp_path: Path) -> None:
        """Runs lost are told, of the winner and of all."""
        runs = [make_run(n, n % 2, n // 2, status="diverged") for n in range(3)]
        text = call(make_experiment(tmp_path, 2, runs=[*runs, make_run(3, 1, 1)]).root).stdout
        assert "(too few runs for an interval; 2 runs, 1 lost)" in text
        assert "runs compared: 4, 3 lost" in text

    def test_all_lost(self, tmp_path: Path) -> None:
        """Where all runs were lost nothing is chosen or written, one line says so, and the status
        is 1; another experiment's choice stands."""
        runs = [make_run(n, n % 2, n // 2, status="diverged") for n in range(4)]
        lost = make_experiment(tmp_path / "lost", 2, "Lost-v0", runs).root
        result = call(lost, sweep(tmp_path / "e"), folder=tmp_path / "out")
        assert result.exit_code == 1
        assert f"{lost}: all 4 runs were lost: nothing is chosen" in result.stderr
        assert f"{lost}: none of 2 settings is the best" in result.stdout
        assert "nan" not in result.stdout and "setting 1 is the best of 3" in result.stdout
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["SAC_best_Pendulum-v1.json"]

    def test_one_run(self, tmp_path: Path) -> None:
        """Of one run a setting there is neither an interval nor a chance of being chosen again, and
        it says so."""
        text = call(sweep(tmp_path, num_runs=1)).stdout
        assert "too few runs for an interval" in text
        assert "fewer than two completed runs a setting do not tell how firm the choice is" in text
        assert "chosen again" not in text

    def test_all_formats_say_the_same(self, tmp_path: Path) -> None:
        """As CSV and as LaTeX the table is all that stdout has, and the report goes to stderr; CSV
        has every setting with all of its hyperparameters, the best first."""
        path = sweep(tmp_path)
        found = {kind: call(path, "--format", kind) for kind in ("csv", "latex")}
        rows = [*csv.DictReader(io.StringIO(found["csv"].stdout))]
        assert [row["setting"] for row in rows] == ["1", "0", "2"]
        assert [row["critic_lr"] for row in rows] == ["0.002", "0.001", "0.003"]
        assert (rows[0]["mean"], rows[0]["runs"], rows[0]["lost"]) == ("-10.0", "3", "0")
        assert float(rows[0]["low"]) < -10 < float(rows[0]["high"])
        assert rows[0]["chosen_again"] == "1.0"
        assert {row["experiment"] for row in rows} == {str(path)}
        assert found["latex"].stdout.splitlines() == [
            r"\begin{tabular}{lll}",
            r"\hline",
            r"hyperparameter & values & Pendulum-v1 \\",
            r"\hline",
            r"critic\_lr & 0.001, 0.002, 0.003 & 0.002 \\",
            r"\hline",
            r"\end{tabular}",
        ]
        assert all("setting 1 is the best" in each.stderr for each in found.values())

    def test_metric(self, tmp_path: Path) -> None:
        """Metric, direction and last percent are those asked for."""
        runs = [make_run(n, n, 0, [0.0, float(n)], [50, 50], train_time=5.0 - n) for n in range(3)]
        path = make_experiment(tmp_path, 3, runs=runs).root
        assert "setting 2 is the best" in call(path, "--metric", "train_time").stdout
        assert "return in stage 0: 2 (" in call(path, "--last", "50").stdout
        assert "setting 0 is the best" in call(path, "--direction", "minimize").stdout
        told = "no run has metric 'x'; hint: there are: episodes, eval_time"
        assert told in refusal(path, "--metric", "x")

    def test_shortest(self, tmp_path: Path) -> None:
        """Runs of different lengths are told of, and compared by what all have on request."""
        runs = [make_run(0, 0, 0, [-2.0, -9.0], [300, 200]), make_run(1, 1, 0, [-3.0], [300])]
        path = make_experiment(tmp_path, 2, runs=runs).root
        text = call(path).stdout
        assert "setting 1 is the best" in text
        assert "runs of different lengths are compared, 300 to 500 steps" in text
        text = call(path, "--shortest").stdout
        assert "setting 0 is the best" in text
        assert "compared by their first 300 steps" in text and "lengths" not in text

    def test_pruned(self, tmp_path: Path) -> None:
        """Pruned runs are compared by what all had when the first was ended, and counted; none of
        them is lost."""
        runs = [make_run(n, 0, n // 2, [-9.0, 0.0], [100, 200]) for n in (0, 2)]
        runs += [make_run(n, 1, n // 2, [-5.0 - n], [100], status="pruned") for n in (1, 3)]
        text = call(make_experiment(tmp_path, 2, runs=runs).root).stdout
        assert "setting 1 is the best" in text
        assert "runs compared: 4, 0 lost, 2 pruned" in text
        assert "2 runs, 0 lost, 2 pruned)" in text

    def test_confirmed_by_all_steps(self, tmp_path: Path) -> None:
        """Runs that confirm count with all their steps where those that chose were pruned, which is
        said, and on request with as many as those."""
        runs = [make_run(n, 0, n, [-9.0, 0.0], [100, 200]) for n in (0, 1)]
        runs += [make_run(2, 0, 2, [-5.0], [100], status="pruned")]
        experiment = make_experiment(tmp_path, 1, runs=runs)
        experiment.write(1, [make_run(0, 0, 0, [-6.0, -3.0], [100, 200], stage=1)])
        text = call(experiment.root, "--stage", "0", "--confirm", "1").stdout
        assert "confirmation, stage 1, unbiased, by all steps: -4 (" in text
        text = call(experiment.root, "--stage", "0", "--confirm", "1", "--shortest").stdout
        assert "confirmation, stage 1, unbiased: -6 (" in text

    def test_equals(self, tmp_path: Path) -> None:
        """Where others are as good as the winner, its line says so, and they share the chance."""
        runs = [make_run(n, n % 3, n // 3, [-50.0], [100]) for n in range(9)]
        text = call(make_experiment(tmp_path, 3, runs=runs).root).stdout
        assert "setting 0 is the best of 3, with 2 others of the same mean\n" in text
        assert "settings 1, 2 have the same mean" in text
        assert text.count("0.3333") == 3


class TestStages:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """Both stages, of which the second has another best setting."""
        runs = [make_run(n, n % 3, n // 3, [float(n % 3)], [10]) for n in range(6)]
        runs += [make_run(n, n % 3, n // 3, [-float(n % 3)], [10], stage=1) for n in range(5)]
        return make_experiment(tmp_path, 3, runs=runs).root

    def test_refusal(self, path: Path) -> None:
        """Runs that choose and runs that confirm are not mixed unless it is asked for."""
        assert "runs of stages 0, 1 are recorded" in refusal(path)
        assert "setting 2 is the best" in call(path, "--stage", "0").stdout
        assert "setting 0 is the best" in call(path, "--stage", "1").stdout
        assert "return in stage 0 and 1: 0.666667 (" in call(path, "--stage", "all").stdout

    def test_confirmation(self, path: Path) -> None:
        """The winner's fresh runs stand beside those that chose it, whose stage need not be told;
        runs cannot do both."""
        text = call(path, "--confirm", "1").stdout
        assert "return in stage 0: 2 (" in text
        assert "confirmation, stage 1, unbiased: -2 (" in text
        assert "1 run, 0 lost, 1 missing)" in text
        assert "--confirm: got stage 1, whose runs choose" in refusal(
            path, "--stage", "1", "--confirm", "1"
        )
        assert (
            "stage 7: no run of setting 2 yet; train some with main.py --stage 7"
            in call(path, "--stage", "0", "--confirm", "7").stdout
        )

    def test_only_stage(self, tmp_path: Path) -> None:
        """The runs of the only stage there is do not confirm the setting they choose."""
        text = refusal(sweep(tmp_path), "--confirm", "0")
        assert "--confirm: got stage 0, the only one recorded" in text

    def test_bad_stage(self, path: Path) -> None:
        """Another word for a stage is refused."""
        result = call(path, "--stage", "first")
        assert result.exit_code == 2
        assert "got 'first', allowed: 0, 1, 2, ... or all" in result.stderr


class TestAcross:
    def test_one_for_all(self, tmp_path: Path) -> None:
        """One setting is chosen for all, with its figures in each, and written once."""
        paths = [sweep(tmp_path / name, name) for name in ("A-v0", "B-v0")]
        result = call("--across", *paths, folder=tmp_path / "out")
        assert result.stdout.count("setting 1 is the best for all the experiments") == 2
        assert "mean rank over environments, 0 to 1: 0.83" in result.stdout
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["SAC_best_A-v0+B-v0.json"]

    def test_other_sweep(self, tmp_path: Path) -> None:
        """Experiments of other sweeps or agents are one error that names what differs."""
        path = sweep(tmp_path / "A-v0", "A-v0")
        other = make_experiment(tmp_path / "other", 2, "B-v0", [make_run(0, 0, 0)]).root
        expected = "other: critic_lr: got 0.001, 0.002, allowed: 0.001, 0.002, 0.003, as in"
        assert expected in refusal("--across", path, other)
        shutil.rmtree(other / "runs")
        rewrite_agent(other, agent_name="FKL")
        open_experiment(other).write(0, [make_run(0, 0, 0)])
        assert "agent_name: got 'FKL', allowed: 'SAC'" in refusal("--across", path, other)


class TestSpec:
    def test_written(self, tmp_path: Path) -> None:
        """The winner's hyperparameters go to a file named after agent and environment; the same
        again leaves it, and other text in its place is not overwritten unless asked."""
        path, out = sweep(tmp_path / "e"), tmp_path / "out"
        written = out / "SAC_best_Pendulum-v1.json"
        assert call(path, folder=out).stdout.endswith(f"{written}\n")
        assert json.loads(written.read_text()) == {
            "agent_name": "SAC",
            "parameters": {"critic_lr": [0.002]},
        }
        assert call(path, folder=out).stdout.endswith(f"{written} (unchanged)\n")
        written.write_text("mine")
        assert "there already, and says otherwise; hint: give --overwrite" in refusal(
            path, folder=out
        )
        assert written.read_text() == "mine"
        call(path, "--overwrite", folder=out)
        assert "critic_lr" in written.read_text()

    def test_no_write(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """With --no-write nothing is."""
        monkeypatch.chdir(tmp_path)
        assert call(sweep(tmp_path / "e")).exit_code == 0
        assert [path.name for path in tmp_path.iterdir()] == ["e"]

    def test_one_path(self, tmp_path: Path) -> None:
        """Two experiments that would be written to one file are refused, and nothing is."""
        paths = [sweep(tmp_path / name) for name in ("a", "b")]
        assert "several of the experiments would be" in refusal(*paths, folder=tmp_path / "out")
        assert not (tmp_path / "out").exists()
        assert call(*paths).exit_code == 0

    def test_names(self) -> None:
        """A name of a class or with a slash is a file name still."""
        path = spec_path(Path("out"), "mine.agents:Best", ["dm/walker", "b"])
        assert path == Path("out/Best_best_dm-walker+b.json")

    @pytest.mark.parametrize("name", ["SAC_classic_sweep", "linearAC_example", "mc_pg_search"])
    def test_round_trip(self, tmp_path: Path, name: str) -> None:
        """main.py reads a setting's file as a sweep of that setting alone, whatever is in it."""
        environment = PENDULUM.replace("PendulumContinuous-v1", "GHM_solver")
        environment = environment if name.startswith("mc_pg") else PENDULUM
        whole = read_experiment_spec([environment], [str(ROOT / f"config/agent/{name}.json")])
        setting = whole.sweep.setting(whole.sweep.num_settings - 1)
        file = tmp_path / "best.json"
        file.write_text(spec_text(whole.agent.agent_name, setting))
        found = read_experiment_spec([environment], [str(file)]).sweep
        assert found.num_settings == 1
        assert found.setting(0) == setting


def test_without_torch_and_matplotlib(tmp_path: Path) -> None:
    """The command loads neither torch nor matplotlib."""
    path = sweep(tmp_path)
    code = "import atexit, runpy, sys;"
    code += "atexit.register(lambda: print({'torch', 'matplotlib'} & {*sys.modules}));"
    code += f"sys.argv = ['nthrun', 'best', {str(path)!r}, '--no-write'];"
    code += "runpy.run_module('nthrun', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("set()\n")
    assert "setting 1 is the best of 3" in done.stdout


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    """A file that cannot be read is named, and the others are chosen from."""
    path = sweep(tmp_path)
    (path / "runs" / "broken.h5").write_bytes(b"x" * 3000)
    assert open_data(path).unreadable
    result = call(path)
    assert "broken.h5" in result.stderr
    assert "left out" in result.stderr
    assert "setting 1 is the best" in result.stdout


def test_a_spec_that_would_be_refused_is_told(tmp_path: Path) -> None:
    """Where records have hyperparameters that the agent does not, as imported ones may, the spec is
    written as they are, and each key that main.py would refuse is named."""
    odd = {"critic_lr": 0.002, "critic_lrs": 1, "alpha": -1.0}
    runs = [make_run(n, 0, n, agent_params=odd) for n in range(3)]
    root = make_experiment(tmp_path / "e", 1, runs=runs).root
    result = call(root, folder=tmp_path)
    assert result.exit_code == 0, result.output
    path = spec_path(tmp_path, "SAC", ["Pendulum-v1"])
    assert json.loads(path.read_text())["parameters"] == {k: [v] for k, v in odd.items()}
    lines = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert len(lines) == 2
    for line, key in zip(sorted(lines), ("alpha", "critic_lrs"), strict=True):
        assert line.startswith(f"warning: {path}: parameters.{key}: ")
        assert line.endswith("; main.py refuses the file with that")
