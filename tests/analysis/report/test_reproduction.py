"""Laws of provenance, and of the commands of a report, which are run."""

from __future__ import annotations

import base64
import json
import re
import shlex
from html import unescape
from pathlib import Path

import pytest
from analysis.report.report_sweep import page_of, summary_of, sweep
from builders import make_experiment, make_run
from processes import EXPERIMENT, ROOT, call, write_specs

from nthrun.analysis.report.experiment_summary import Question, summarise
from nthrun.analysis.report.reproduction import (
    BEST_FILE,
    commands,
    count_provenance,
    save_dir_of,
    spec_files,
)
from nthrun.records import Data, open_data
from nthrun.records.schema import first_difference


@pytest.mark.slow
@pytest.mark.parametrize("save_dir", ["results/deep/kept", "/elsewhere"])
def test_commands_reproduce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_dir: str) -> None:
    """The specs and commands of a page, saved and run as it says, train the same bits and verify
    the runs, wherever they were recorded."""
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / save_dir.lstrip("/")
    specs = write_specs(tmp_path, {"total_timesteps": 60}, {"actor_lr_scale": [0.1, 1.0]})
    made = call("main.py", *specs, "--index", "0-2", "--backend", "eager", "--save-dir", str(kept))
    assert made.returncode == 0, made.stderr
    page = page_of({"x": kept / EXPERIMENT}, tmp_path / "r.html").read_text()
    for name, content in re.findall(
        r'href="data:application/json;base64,([^"]+)" download="([^"]+)"', page
    ):
        (tmp_path / content).write_bytes(base64.b64decode(name))
    command_lines = [
        shlex.split(unescape(text))
        for text in re.findall(r'<pre class="copied">(python main\.py.*?)</pre>', page)
    ]
    assert sum("--verify" in line for line in command_lines) == 2
    for _, script, *arguments in command_lines:
        done = call(script, *arguments, cwd=tmp_path)
        assert done.returncode == 0, (arguments, done.stderr)
        assert ("--verify" in arguments) == ("equal" in done.stdout + done.stderr)
    again = open_data(tmp_path / "results/reproduced" / EXPERIMENT)
    for one, other in zip(open_data(kept / EXPERIMENT).entries, again.entries, strict=True):
        assert first_difference(one.load(()), other.load(())) is None


def test_stages(tmp_path: Path) -> None:
    """Each stage has its commands, with the indices recorded in it and no others."""
    lines = [command.line for command in commands(summary_of(sweep(tmp_path / "e")))]
    told = [re.search(r"--index (\S+)(?: --stage (\d))?", line) for line in lines]
    assert [match and match.groups() for match in told] == [
        ("4,10,16", None),
        ("0-14,16-17", None),
        ("4,10,16", "1"),
    ]


def test_best_setting_alone(tmp_path: Path) -> None:
    """The spec of the best setting has its values, each a list of one."""
    [text] = [t for n, t in spec_files(summary_of(sweep(tmp_path / "e"))).items() if "best" in n]
    assert json.loads(text)["parameters"] == {"critic_lr": [0.1], "decay": [0.9]}


def test_moved_directory(tmp_path: Path) -> None:
    """A directory whose name is not what its specs give has no command that finds it."""
    assert save_dir_of(summary_of(sweep(tmp_path / "renamed"))) is None


def test_suggested_settings() -> None:
    """Settings that a search suggested are not trained again by their indices, which would mean
    other settings in another directory."""
    whole = open_data(ROOT / "docs/demo/MountainCar-v0_SoftmaxAC.json")
    agent = whole["experiment"]["agent"] | {"search": {"method": "bayes", "capacity": 24}}
    experiment = {"agent": agent, "environment": whole["experiment"]["environment"]}
    found = summarise("x", Data(whole.source, experiment, whole.entries), Question())
    assert list(commands(found)) == []
    assert found.counts[0].num_missing == 0
    assert BEST_FILE in spec_files(found)


def test_provenance(tmp_path: Path) -> None:
    """Every value of provenance is counted, and how many different ones there are is told."""
    runs = [
        make_run(n, 0, n, provenance={"host": f"node{n % 3}", "git_diff": "", "git_commit": ""})
        for n in range(7)
    ]
    counts = {
        each.name: each
        for each in count_provenance(open_data(make_experiment(tmp_path, runs=runs).root))
    }
    assert counts["host"].values == {"node0": 3, "node1": 2, "node2": 2}
    assert counts["host"].num_distinct == 3
    assert counts["git commit"].values == {"none": 7}
