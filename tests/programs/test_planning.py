"""Planning programs: what runs need of a task, and whose command may be run."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
from in_process import ended
from processes import ROOT
from program_experiments import ProgramExperiment

from nthrun import load_policy, open_data
from nthrun.commands.best import best
from nthrun.commands.check import check
from nthrun.commands.combine import combine
from nthrun.commands.report import report
from nthrun.commands.schedule import schedule
from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import recorded_spec
from nthrun.planning.width import PROCESS_BYTES
from nthrun.scheduling import slurm as slurm_module


def cluster(folder: Path, **fields: object) -> str:
    """A cluster file."""
    path = folder / "cluster.json"
    path.write_text(json.dumps({"account": "a", "time": "1:00:00", "cores": 4, **fields}))
    return str(path)


def planned(experiment: ProgramExperiment, spec: str, *words: str) -> str:
    """What `schedule.py --dry-run` says."""
    folder = experiment.folder
    files = [folder / "environment.json", folder / "out", folder / "agent.json"]
    done = ended(schedule, "--dry-run", "--runs", "8", spec, "main.py", ROOT, *files, *words)
    assert done.code == 0, done.err
    return done.out


def test_needs_decide_memory_and_time(tmp_path: Path) -> None:
    """Tasks have as many runs as fit their time, and the memory that these need."""
    agent = {"agent_name": "lab:walk", "needs": {"memory_gb": 3, "minutes": 25}}
    experiment = ProgramExperiment(tmp_path, agent)
    shown = planned(experiment, cluster(tmp_path, memPerCpu="2G"))
    assert "needs: 25 minutes" in shown
    assert "makes a file of records a run, 8 in all" in shown
    assert "#SBATCH --mem-per-cpu=3243M" in shown
    assert "--array" not in shown  # four cores, two runs each in an hour
    agent["needs"] = {"memory_gb": 1, "minutes": 50}
    shown = planned(ProgramExperiment(tmp_path, agent), cluster(tmp_path, memPerCpu="4G"))
    assert "#SBATCH --mem-per-cpu=4G" in shown
    assert "#SBATCH --array=0-1" in shown


def test_more_memory_is_asked_for_after_it_ran_out(tmp_path: Path) -> None:
    """What records show is asked for where the spec says nothing, and twice that after a kill."""
    experiment = ProgramExperiment(tmp_path, "starves")
    assert experiment.run("--index", "0").code == 1
    reason = "killed by signal 9 (Killed, as where memory runs out)"
    assert experiment.records()[0]["reason"].endswith(reason)
    spec = cluster(tmp_path, memPerCpu="100M")
    first = planned(experiment, spec)
    again = planned(experiment, spec, "--retry-failed")
    memory = [re.search(r"--mem-per-cpu=(\d+)M", shown) for shown in (first, again)]
    known, raised = (int(found[1]) - PROCESS_BYTES / 2**20 for found in memory if found)
    assert known > 0
    assert raised > 1.9 * known


def test_a_login_node_is_warned_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever trains where jobs are submitted is told how to submit it; who only looks is not,
    nor who has all recorded."""
    (tmp_path / "bin").mkdir()
    for command in ("sbatch", "squeue", "srun"):
        (tmp_path / "bin" / command).touch(0o755)
    (tmp_path / "slurm.conf").touch()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    monkeypatch.setattr(slurm_module, "PROCESSES", tmp_path / "none")
    experiment = ProgramExperiment(tmp_path, "walk")
    assert "login node" not in experiment.run("--index", "0-1", "--dry-run").err
    done = experiment.run("--index", "0-1")
    assert (done.code, done.err.count("login node")) == (0, 1)
    assert "login node" not in experiment.run("--index", "0-1").err


def test_a_program_is_run_by_a_plan_on_this_machine(tmp_path: Path) -> None:
    """A plan without Slurm runs programs in workers, each of its indices once."""
    agent = {"agent_name": "lab:walk", "parameters": {"stride": [1, 2]}}
    experiment = ProgramExperiment(tmp_path, agent)
    spec = cluster(tmp_path, scheduler="local", account="", cores=2)
    folder = experiment.folder
    files = [folder / "environment.json", folder / "out", folder / "agent.json"]
    done = ended(schedule, "--yes", "--runs", "1", spec, "main.py", ROOT, *files)
    assert done.code == 0, done.err
    assert {run["status"] for run in experiment.records().values()} == {"completed"}


@pytest.mark.parametrize("kind", ["command", "function"])
def test_who_reads_an_experiment_runs_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody's experiment names as a command or a function is not run to look at it."""
    marker = tmp_path / "ran"
    (tmp_path / "hostile.py").write_text(
        f"open({str(marker)!r}, 'w')\ndef train(run): run.episode(1.0, 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    agents = {
        "command": {"agent_name": "command", "name": "x", "command": ["touch", str(marker)]},
        "function": {"agent_name": "hostile:train"},
    }
    experiment = ProgramExperiment(tmp_path, agents[kind])
    assert experiment.run("--index", "0").code == 0
    sys.modules.pop("hostile", None)
    marker.unlink()
    page, specs = ("--out", str(tmp_path / "page.html")), ("--out", str(tmp_path))
    for command, *words in ((check,), (combine,), (best, *specs), (report, *page)):
        ended(command, experiment.root, *words)
    assert ended(schedule, "--status", experiment.root).code == 0
    finish = ended(schedule, experiment.root, "--yes", "--runs", "2", "--cluster", "local")
    assert finish.code == 2
    assert "code that a file names is not run to read it" in finish.err
    data = open_data(experiment.root)
    with pytest.raises(SpecError, match="code that a file names is not run to read it"):
        recorded_spec(data["experiment"], "manifest.json")
    with pytest.raises(SpecError):
        load_policy(experiment.root, 0)
    assert not marker.exists()
