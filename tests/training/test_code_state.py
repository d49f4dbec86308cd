"""What records say of the code that made them, and what `--verify` makes of it."""

from __future__ import annotations

import json
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from processes import call

import nthrun
from nthrun.records.data import open_data
from nthrun.records.distributions import (
    DISTRIBUTIONS,
    changed_versions,
    distributions_hash,
    installed_distributions,
    keep_distributions,
    read_distributions,
)
from nthrun.training.comparability import NUMBERS, PACKAGES, VERSION, difference

COIN = """
import numpy as np
from nthrun import Interface

class Coin:
    interface = Interface(observation_low=(0.0,), observation_high=(1.0,), num_actions=2)
    on_host = True
    def __init__(self, spec): ...
    def reset(self, seed):
        return np.zeros(1, np.float32)
    def step(self, action):
        return np.ones(1, np.float32), float(action[0]), False, False
"""
OPTIONS = ("--env-json", "environment.json", "--agent-json", "agent.json", "--index", "0")


def install(site: Path, version: str) -> None:
    """Install a version of a distribution whose package is an environment."""
    for old in site.glob("toy_coins-*/METADATA"):
        old.parent.rename(site / f"toy_coins-{version}.dist-info")
    about = site / f"toy_coins-{version}.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    metadata = f"Metadata-Version: 2.1\nName: toy-coins\nVersion: {version}\n"
    (about / "METADATA").write_text(metadata)
    (about / "top_level.txt").write_text("toycoins\n")
    (site / "toycoins.py").write_text(COIN)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`main.py` on the specs of a folder, which sees the installed environment."""
    site = str(folder.parent / "site-packages")
    return call("main.py", *OPTIONS, *words, cwd=folder, PYTHONPATH=site)


def test_whose_code_ran(tmp_path: Path) -> None:
    """A record has the state of the user's repository, nthrun's version, and the hash of all that
    is installed, which is kept once an experiment; under another version of the environment's
    package it is not comparable, which is named."""
    folder = tmp_path / "project"
    folder.mkdir()
    environment: dict[str, Any] = {"env_name": "toycoins:Coin", "total_timesteps": 20}
    environment |= {"steps_per_episode": 10}
    (folder / "environment.json").write_text(json.dumps(environment))
    (folder / "agent.json").write_text(json.dumps({"agent_name": "Sarsa", "parameters": {}}))
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "agent.json"], ["commit", "-q", "-m", "a"]):
        subprocess.run([*git, *words], check=True)
    install(tmp_path / "site-packages", "1.0")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    root = folder / "results/Coin_Sarsa"
    [entry] = open_data(root).entries
    made = entry.load(())["provenance"]
    assert made["project"]["git_untracked"].splitlines()[0] == "environment.json"
    assert len(made["project"]["git_commit"]) == 40
    assert made["nthrun"] == nthrun.__version__
    [path] = (root / "distributions").iterdir()
    assert path.stem == made["distributions"]
    assert read_distributions(path)["toy-coins"] == "1.0"
    assert {"numpy", "click"} <= read_distributions(path).keys()
    assert made[PACKAGES] == {"toy-coins": "1.0"}
    assert "index 0: equal" in run(folder, "--verify").stdout
    install(tmp_path / "site-packages", "2.0")
    done = run(folder, "--verify")
    assert done.returncode == 3
    assert "index 0: not comparable, made with other toy-coins (1.0, here 2.0)" in done.stdout


def test_packages_that_were_not_recorded_are_not_known_to_differ() -> None:
    """A record of before such packages were recorded is compared without them; one of another
    package names both."""
    here = {VERSION: NUMBERS, PACKAGES: {"b": "2"}}
    assert difference({VERSION: NUMBERS}, here) == ""
    assert difference(here, here) == ""
    others = difference({VERSION: NUMBERS, PACKAGES: {"a": "1"}}, here)
    assert others == "made with other a (1, here none), b (none, here 2)"


def test_other_versions_are_named(tmp_path: Path) -> None:
    """What is installed otherwise than a record says is named with both versions; a record without
    a list of it, or with a damaged one, is not known to differ."""
    installed = installed_distributions()
    keep_distributions(tmp_path, [{"provenance": {DISTRIBUTIONS: distributions_hash(installed)}}])
    [path] = (tmp_path / DISTRIBUTIONS).iterdir()
    assert changed_versions(tmp_path, {DISTRIBUTIONS: path.stem}) == []
    before = installed | {"numpy": "0.1", "gone": "2"}
    other = path.with_stem(distributions_hash(before))
    other.write_text(json.dumps(before))
    here = installed["numpy"]
    said = ["gone (2, here none)", f"numpy (0.1, here {here})"]
    assert changed_versions(tmp_path, {DISTRIBUTIONS: other.stem}) == said
    other.write_text("{}")
    assert changed_versions(tmp_path, {DISTRIBUTIONS: other.stem}) == []
    assert changed_versions(tmp_path, {}) == []


def test_what_is_installed_is_what_python_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names and versions are those that `importlib.metadata` parses, whatever holds them and
    whatever a description says."""
    files = {
        "new-1.0.dist-info/METADATA": "Name: new\nVersion: 1.0\n\nName: another\n",
        "small-2.dist-info/METADATA": "name: small\nversion: 2\nName: twice\n",
        "older-3.egg-info/PKG-INFO": "Metadata-Version: 1.1\r\nName: older\r\nVersion: 3\r\n\r\n",
        "oldest-4.egg-info": "Name: oldest\nVersion: 4\n",
        "empty-5.dist-info/METADATA": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    named = [each for each in metadata.distributions() if each.metadata["Name"]]
    said = {str(each.metadata["Name"]): each.version for each in named}
    assert installed_distributions.__wrapped__() == dict(sorted(said.items()))
    assert said.keys() == {"new", "small", "older", "oldest"}
