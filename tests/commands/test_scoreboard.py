"""Laws of the table above the bar, and of the line of each run."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import subprocess
import termios
from pathlib import Path

import pytest
from builders import make_experiment, make_run, make_solver_run
from packs import small_spec
from processes import command, write_specs
from rich.console import Console

from nthrun.commands.scoreboard import Scoreboard, recorded_news
from nthrun.commands.summary_file import write_summary
from nthrun.records.data import open_directory
from nthrun.records.experiment import Experiment
from nthrun.training.progress import Began, Recorded


def shown(board: Scoreboard) -> str:
    """The table as a terminal shows it."""
    file = io.StringIO()
    Console(file=file, width=200).print(board)
    return file.getvalue()


def swept(root: Path) -> Experiment:
    """Two settings: number 1 has the luckiest run, and number 0 the better mean."""
    values = {0: [-5.0, -5.0, -5.0], 1: [-1.0, -20.0, -20.0]}
    runs = [
        make_run(2 * run + setting, setting, run, [value], [100])
        for setting, of_setting in values.items()
        for run, value in enumerate(of_setting)
    ]
    return make_experiment(root, 2, runs=runs)


def test_one_number(tmp_path: Path) -> None:
    """The best so far is the best setting, by the mean of its runs, as the summary has it below,
    and never the luckiest run."""
    experiment = swept(tmp_path)
    board = Scoreboard(experiment, 0, 6)
    board.look()
    assert "0: return -5, mean of 3 runs  critic_lr 0.001" in shown(board)
    [_, first, *_] = write_summary(open_directory(experiment), experiment.root, 0)
    assert first.startswith("1. setting 0: return -5 (")
    document = json.loads((experiment.root / "summary.json").read_text())
    assert document["best_return"] == -5.0


def test_equals(tmp_path: Path) -> None:
    """It says how many other settings are as good."""
    runs = [make_run(n, n, 0, [-50.0], [100]) for n in range(3)]
    board = Scoreboard(make_experiment(tmp_path, 3, runs=runs), 0, 3)
    board.look()
    assert "0: return -50, mean of 1 run, as 2 others" in shown(board)


def test_lost_runs_are_not_counted(tmp_path: Path) -> None:
    """The runs that it says a mean is of are those that it is of: lost ones are not."""
    runs = [make_run(n, 0, n, [-float(n)], [100]) for n in range(3)]
    runs += [make_run(3, 0, 3, [-900.0], [100], status="diverged")]
    board = Scoreboard(make_experiment(tmp_path, 1, runs=runs), 0, 4)
    board.look()
    assert "0: return -1, mean of 3 runs" in shown(board)


def test_names(tmp_path: Path) -> None:
    """Values of hyperparameters are shown as they are: neither a terminal nor the table takes them
    for commands."""
    runs = [
        make_run(n, n, 0, [-float(n)], [100], agent_params={"name": value})
        for n, value in enumerate(["[red]\x1b[2J", "b"])
    ]
    board = Scoreboard(make_experiment(tmp_path, 2, runs=runs), 0, 2)
    board.look()
    assert r"name [red]\x1b[2J" in shown(board)


def test_pruned(tmp_path: Path) -> None:
    """With pruned runs the number is the one at the step that all runs reached."""
    runs = [make_run(0, 0, 0, [-9.0, 0.0], [100, 100])]
    runs += [make_run(1, 1, 0, [-5.0], [100], status="pruned")]
    board = Scoreboard(make_experiment(tmp_path, 2, runs=runs), 0, 2)
    board.look()
    assert "1: return -5, mean of 1 run" in shown(board)


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_nothing_to_compare(tmp_path: Path, status: str) -> None:
    """Before any run has a score, and where all were lost without one, no setting is named."""
    runs = [make_run(n, n, 0, [], [], status=status, eval_episode_rewards=[]) for n in range(2)]
    for name, recorded in (("none", []), ("lost", runs)):
        board = Scoreboard(make_experiment(tmp_path / name, 2, runs=recorded), 0, 2)
        board.look()
        assert board.best == ""


def test_looks_seldom(tmp_path: Path) -> None:
    """It does not look again at once, unless it is asked to."""
    experiment = swept(tmp_path)
    board = Scoreboard(experiment, 0, 7)
    board.look()
    experiment.write(0, [make_run(7, 1, 3, [900.0], [100])])
    board.look()
    assert board.best.startswith("0: ")
    board.look(at_once=True)
    assert board.best.startswith("1: return 214.75, mean of 4 runs")


def test_counts(tmp_path: Path) -> None:
    """Runs are counted as they are reported."""
    board = Scoreboard(make_experiment(tmp_path, 2), 0, 4)
    board.count(Began((0, 1), 0))
    board.count(Recorded(0, False, ""))
    board.count(Recorded(1, True, ""))
    board.count(Began((2, 3), 0))
    assert (board.done, board.failed, board.running) == (1, 1, 2)


def test_the_line_of_a_run() -> None:
    """A run's line tells its score by the metric that settings are compared by, which counts in the
    mean of its setting."""
    spec = small_spec({})
    done = recorded_news(spec, make_run(4, 1, 0, [-9.0, 0.0], [100, 200]))
    assert done.summary == "index 4: completed, 300 steps, return -3 of setting 1"
    solved = recorded_news(spec, make_solver_run(4, 1, 0, [9.0, 1.0, 4.0], [0, 100, 200]))
    assert re.fullmatch(r"index 4: completed, 200 steps, return 2.5 of setting 1", solved.summary)
    ended = recorded_news(spec, make_run(4, 1, 0, [-9.0], [100], status="pruned", reason="no hope"))
    assert ended.summary == "index 4: pruned, 100 steps, no hope, return -9 of setting 1"
    lost = recorded_news(spec, make_run(4, 1, 0, status="diverged", reason="NaN"))
    assert lost.summary == "index 4: diverged, 300 steps, NaN"


def on_a_terminal(*arguments: str) -> str:
    """What main.py prints on a terminal, in lines of 200 characters."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (50, 200))
    done = subprocess.Popen(command("main.py", *arguments), stdout=follower, stderr=follower)
    os.close(follower)
    printed = b""
    with contextlib.suppress(OSError):  # the terminal is closed with the process
        while part := os.read(leader, 65_536):
            printed += part
    os.close(leader)
    assert done.wait() == 0, printed.decode()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", printed.decode()).replace("\r", "\n")


@pytest.mark.slow
def test_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal the last table names the setting and the number that the summary begins with,
    which is the mean of what the lines of its runs say."""
    specs = write_specs(tmp_path, {"total_timesteps": 100, "eval_episodes": 0})
    printed = on_a_terminal(
        *specs, "--index", "0-11", "--backend", "eager", "--save-dir", str(tmp_path)
    )
    setting, shown_mean = re.findall(r"(\d+): return (\S+), mean of 2 runs", printed)[-1]
    assert f"1. setting {setting}: return {shown_mean} (" in printed
    runs = re.findall(
        rf"index \d+: completed, 100 steps, return (\S+) of setting {setting}\b", printed
    )
    values = {float(value) for value in runs}
    assert len(values) == 2
    assert float(shown_mean) == pytest.approx(sum(values) / 2, rel=1e-5)
