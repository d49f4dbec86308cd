"""`--settings`, `--where`, `--runs` and `--set` of `main.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import EXPERIMENT, ROOT, call, recorded, write_specs

ENV = ["--env-json", "config/environment/PendulumContinuous-v1.json"]
GRID = [*ENV, "--agent-json", "config/agent/SAC_classic_sweep.json"]
RATE = {"critic_lr": {"loguniform": [1e-4, 1e-2]}, "alpha": [0.1]}
RANDOM = {"method": "random", "capacity": 1000}


def described(*arguments: str) -> list[str]:
    """The lines of a description."""
    done = call("main.py", *arguments, "--describe")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def index_line(lines: list[str]) -> str:
    """The indices, as `--index` reads them."""
    (line,) = (line for line in lines if line.startswith("indices: "))
    return line.removeprefix("indices: ")


def search_of(directory: Path, **search: Any) -> None:
    """Give the small experiment a search."""
    path = directory / "agent.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"search": search}))


def test_reverse_look_up() -> None:
    """`--where` finds the indices of values, all of them in one line that `--index` takes back."""
    lines = described(*GRID, "--where", "critic_lr=0.001", "--runs", "3")
    told = [line for line in lines if line.startswith("index ")]
    assert len(told) == 20
    assert all("critic_lr 0.001" in line for line in told)
    indices = index_line(lines)
    again = described(*GRID, "--index", indices)
    assert [line for line in again if line.startswith("index ")] == told
    assert index_line(again) == indices
    everything = described(*GRID, "--index", "0-239")
    shown = {line.split(":")[0] for line in told}
    assert shown <= {f"index {index}" for index in range(240)}
    assert index_line(everything) == "0-239"


def test_settings_and_runs() -> None:
    """`--settings` and `--runs` name runs 0 to N-1 of the settings."""
    assert index_line(described(*GRID, "--settings", "0-2,79", "--runs", "2")) == "0-2,79-82,159"
    assert index_line(described(*GRID, "--runs", "2")) == "0-159"
    lines = described(*GRID, "--settings", "7")
    assert [line[:17] for line in lines if line.startswith("index ")] == ["index 7: setting "]


REFUSED = {
    "both": (["--index", "0", "--runs", "2"], "--index names runs one by one"),
    "both too": (["--index", "0", "--where", "alpha=1"], "--index names runs one by one"),
    "beyond": (["--settings", "80"], "--settings: setting 80: allowed 0 to 79"),
    "nothing": (["--where", "alpha > 99"], "--where alpha > 99: no setting has that"),
    "unknown": (["--where", "alhpa > 99"], "no hyperparameter 'alhpa'; hint: did you mean alpha?"),
    "no sense": (["--where", "activation > 99"], "makes no sense with activation"),
    "no runs": (["--runs", "0"], "--runs"),
    "no field": (["--set", "gamma=1"], "--set gamma=1: allowed: environment.FIELD=VALUE"),
    "unknown field": (["--set", "environment.gama=1"], "hint: did you mean gamma?"),
    "wrong value": (["--set", "agent.alpha=-1"], "--set agent.alpha=-1: parameters.alpha: got -1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """What cannot be selected or set is refused in one line, with exit code 2."""
    options, said = REFUSED[case]
    done = call("main.py", *GRID, "--describe", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_more_settings_train_only_the_new(tmp_path: Path) -> None:
    """Settings of a drawn search are trained by number, with the values that `--describe` tells;
    asking for more settings or runs trains only those that are missing; what was set is in the
    manifest, and other values are another experiment."""
    specs = write_specs(tmp_path, parameters=RATE)
    search_of(tmp_path, **RANDOM)
    fields = ["--set", "environment.gamma=0.5", "--set", "agent.tau=[0.25]"]
    run = [*specs, "--backend", "eager", "--save-dir", str(tmp_path / "out"), *fields]
    for selected, expected in (
        (("--settings", "0-1"), [0, 1]),
        (("--settings", "0-2", "--runs", "2"), [0, 1, 2, 1000, 1001, 1002]),
    ):
        done = call("main.py", *run, *selected)
        assert done.returncode == 0, done.stderr
        runs = recorded(tmp_path / "out")
        assert sorted(index for _, index in runs) == expected
    lines = described(*specs, *fields, "--settings", "0-2")
    for number in range(3):
        values = runs[0, number]["agent_params"]
        assert values == runs[0, 1000 + number]["agent_params"]
        assert f"critic_lr {values['critic_lr']}" in "\n".join(lines)
        assert values["tau"] == 0.25
    manifest = json.loads((tmp_path / "out" / EXPERIMENT / "manifest.json").read_text())
    assert manifest["environment"]["gamma"] == 0.5
    assert manifest["agent"]["parameters"]["tau"] == [0.25]
    assert manifest["agent"]["search"] == {**RANDOM, "seed": 0}
    done = call("main.py", *run, "--set", "search.seed=1", "--settings", "0")
    assert done.returncode == 2
    assert "search.seed" in done.stderr


def test_cheap_commands_import_no_scipy() -> None:
    """--help, and the description of a grid, filtered or not, of lists and of random draws, start
    without scipy and torch; only Sobol and Halton points need scipy."""
    settings = ["--set", 'agent.alpha={"uniform": [0.1, 1]}', "--set", "search.capacity=99"]
    commands = [
        ["--help"],
        [*GRID, "--describe", "--where", "critic_lr > 0"],
        [*GRID, "--describe", "--set", 'search.constraints=["alpha > 0.1"]'],
        [*GRID, "--describe", *settings, "--set", "search.method=random", "--settings", "0-9"],
    ]
    program = (
        "import json, sys\n"
        "from nthrun.commands.run import run\n"
        "for arguments in json.loads(sys.argv[1]):\n"
        "    run.main(arguments, standalone_mode=False)\n"
        "assert not {'scipy', 'torch', 'optuna'} & sys.modules.keys()\n"
    )
    command = [sys.executable, "-c", program, json.dumps(commands)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
