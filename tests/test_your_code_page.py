"""docs/your_code.md: its files, specs and commands work as they stand."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pages import blocks, lines
from processes import ROOT
from warm import warm_process

from nthrun.programs.report_lines import KEYS
from nthrun.programs.run import Run
from nthrun.records.data import open_data
from nthrun.specs.program_spec import COMMAND_KEYS, GIVEN, RESULT_KEYS

PAGE = (ROOT / "docs/your_code.md").read_text()
FILES = ("my_lab.py", "Bandit.json", "World.json", "walk.py", "Walk.json")
"""In the order of the page; the last specs are of Stable-Baselines3, which has tests of its own."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the files of the page beside main.py."""
    (tmp_path / "main.py").write_bytes((ROOT / "main.py").read_bytes())
    (tmp_path / "nthrun").symlink_to(ROOT / "nthrun")
    scripts, specs = iter(blocks(PAGE, "python")), iter(blocks(PAGE, "json"))
    for name in FILES:
        assert f"`{name}`" in PAGE
        (tmp_path / name).write_text(next(scripts if name.endswith(".py") else specs))
    return tmp_path


def test_the_commands_of_the_page_work(project: Path) -> None:
    """Each ends well, and what they record is what the page says."""
    said = []
    for line in lines(PAGE):
        words = line.split()[1:]
        done = warm_process().call(words, project, os.environ, 120)
        assert done.returncode == 0, (line, done.stderr)
        said.append(done.stdout)
    assert said[1] == "index 5: equal\n"
    assert "--stride 1 --seed 1" in said[-1]
    bandit = open_data(project / "results/Bandit_my_lab-train")
    runs = [entry.load(()) for entry in bandit.entries]
    assert len(runs) == 8
    assert all(len(run["train_episode_rewards"]) == 500 for run in runs)
    assert "values.npy" in runs[0]["provenance"]["artifacts"]
    walk = open_data(project / "results/Bandit_walk")
    assert [len(entry.load(())["train_episode_rewards"]) for entry in walk.entries] == [50] * 4


def test_the_page_names_all_there_is() -> None:
    """Attributes of a run, keys of a spec, placeholders and keys of report lines are documented."""
    public = {name for name in vars(Run) if not name.startswith("_")} - {"finish", "stop"}
    names = public | set(COMMAND_KEYS) | set(KEYS) | set(RESULT_KEYS)
    assert not [name for name in names if not re.search(rf"\b{name}\b", PAGE)]
    assert not [name for name in GIVEN if f"{{{name}}}" not in PAGE]
