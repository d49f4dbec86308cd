"""docs/extending.md: its classes, specs and commands work as they stand, compiled and in packs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packs import surroundings, train
from processes import ROOT

from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import experiment_spec_of
from nthrun.records.schema import first_difference

TEXT = (ROOT / "docs/extending.md").read_text()
FILES = ("linear_q.py", "LinearQ.json", "corridor.py", "Corridor.json")
SHORT = {"total_timesteps": 400, "eval_interval_timesteps": 200, "eval_episodes": 1}


def blocks(language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the files of the page beside main.py, whose CartPole trains for 400 steps."""
    shutil.copy(ROOT / "main.py", tmp_path)
    (tmp_path / "nthrun").symlink_to(ROOT / "nthrun")
    shutil.copytree(ROOT / "config", tmp_path / "config")
    cart = tmp_path / "config/environment/CartPole-v1.json"
    cart.write_text(json.dumps(json.loads(cart.read_text()) | SHORT))
    agent, environment = blocks("python")
    agent_spec, environment_spec = blocks("json")
    for name, text in zip(FILES, (agent, agent_spec, environment, environment_spec), strict=True):
        assert f"`{name}`" in TEXT
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_commands_run(checkout: Path) -> None:
    """Every `bash` line runs, in order, and every index is completed."""
    for command in "".join(blocks("bash")).splitlines():
        _, *arguments = command.split()
        done = subprocess.run(
            [sys.executable, *arguments], cwd=checkout, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert (done.stdout + done.stderr).count(": completed, ") == 4, done.stderr
        assert "eager" not in done.stderr
    assert {path.name for path in (checkout / "results").iterdir()} == {
        "CartPole-v1_LinearQ",
        "Corridor_LinearQ",
    }


@pytest.mark.parametrize("backend", ["eager", "compile"])
def test_a_users_classes_are_packed_bit_for_bit(checkout: Path, backend: str) -> None:
    """A user's agent in a user's environment has the same bits alone and in a pack, and learns the
    way: the last episodes are as short as steps astray allow."""
    documents = [json.loads((checkout / name).read_text()) for name in FILES[3:0:-2]]
    spec = experiment_spec_of(*documents, "test")
    around = surroundings(spec, backend)
    alone = train(spec, [1], around=around)[1]
    packed = train(spec, [0, 1, 2, 3], around=around)
    assert first_difference(alone, packed[1]) is None
    assert alone["train_episode_steps"][-20:].mean() < 12


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nowhere_at_all:Agent", "there is no module nowhere_at_all"),
        ("linear_q:Missing", "has no attribute 'Missing'"),
        ("linear_q:Field", "the class has no `hyperparameters`"),
        ("faulty:Agent", "its module cannot be imported (ZeroDivisionError"),
    ],
)
def test_a_class_that_cannot_be_used_is_told(checkout: Path, name: str, problem: str) -> None:
    """What is wrong with a user's class is one line that names it."""
    (checkout / "faulty.py").write_text("1 / 0")
    environment = json.loads((checkout / "Corridor.json").read_text())
    with pytest.raises(SpecError) as refused:
        experiment_spec_of(environment, {"agent_name": name, "parameters": {}}, "agent.json")
    [line] = refused.value.lines()
    assert line.startswith(f"agent.json: agent_name: got '{name}'")
    assert problem in line
