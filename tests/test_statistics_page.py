"""The commands and the code of docs/statistics.md are run, on short runs."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from pages import blocks, lines
from processes import ROOT, call

from nthrun.__main__ import commands

PAGE = (ROOT / "docs/statistics.md").read_text()
SHORT = {
    "total_timesteps": 200,
    "steps_per_episode": 50,
    "eval_interval_timesteps": 100,
    "eval_episodes": 1,
}
EAGER = ("--backend", "eager")
"""What trains so little that compiling would take longer."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: it has the shipped specs, of short runs."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    for name in ("PendulumContinuous-v1", "MountainCarContinuous-v1"):
        spec = tmp_path / f"config/environment/{name}.json"
        spec.write_text(json.dumps(json.loads(spec.read_text()) | SHORT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_commands_and_code_run(folder: Path) -> None:
    """Every `bash` line and `python` block runs, in order, and the specs it tells of are there."""
    for line in lines(PAGE):
        program, *arguments = shlex.split(line.removeprefix("python "))
        if program == "main.py":
            done = call(program, *arguments, *EAGER, cwd=folder)
            assert done.returncode == 0, (line, done.stderr)
        else:
            assert (program, arguments[0]) == ("-m", "nthrun"), line
            result = CliRunner().invoke(commands, arguments[1:], catch_exceptions=False)
            assert result.exit_code == 0, (line, result.output)
    for code in blocks(PAGE, "python"):
        exec(code, {})
    for name in ("Pendulum-v1", "Pendulum-v1+MountainCarContinuous-v0"):
        spec = json.loads((folder / f"config/agent/linearAC_best_{name}.json").read_text())
        assert all(len(values) == 1 for values in spec["parameters"].values())
