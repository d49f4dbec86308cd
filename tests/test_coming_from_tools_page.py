"""docs/coming_from_tools.md: its specs and commands work, with scripts as one has them there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pages import blocks, lines
from processes import ROOT
from warm import warm_process

from nthrun.records.data import open_data

PAGE = (ROOT / "docs/coming_from_tools.md").read_text()
SPECS = ("World", "ppo", "sb3", "hydra", "wandb", "seml", "utils")
FUNCTIONS = ("swept", "lab", "problem")
"""In the order of the page; the first of its Python is for the script of CleanRL's."""
PPO = """
import argparse, json, os
parser = argparse.ArgumentParser()
parser.add_argument("--env-id")
parser.add_argument("--learning-rate", type=float)
parser.add_argument("--seed", type=int)
args = parser.parse_args()
for global_step in range(50, 201, 50):
    episodic_return = args.learning_rate * global_step + args.seed
"""
APP = """
import os, sys
given = dict(word.split("=") for word in sys.argv[1:])
assert os.path.isdir(given["hydra.run.dir"])
print(given["lr"], given["depth"], given["seed"])
"""
EXPERIMENT = """
def main(lr, batch_size, seed):
    return {"accuracy": lr * batch_size + seed}
"""
RUNS = {"ppo": 4, "app": 8, "swept-train": 4, "lab-train": 4, "problem-train": 1}
"""Experiment of the page -> how many runs its commands record."""


def indented(text: str) -> str:
    """Lines of the page within a loop of the script."""
    return "".join(f"    {line}\n" for line in text.splitlines())


def test_what_is_typed_here_works(tmp_path: Path) -> None:
    """Every command ends well, and every run is recorded as completed, with what it reports; that
    of Stable-Baselines3, which has tests of its own, is described."""
    pytest.importorskip("stable_baselines3")
    reporting, *functions = blocks(PAGE, "python")
    files = {f"{name}.json": text for name, text in zip(SPECS, blocks(PAGE, "json"), strict=True)}
    files |= {f"{name}.py": text for name, text in zip(FUNCTIONS, functions, strict=True)}
    files |= {"ppo.py": PPO + indented(reporting), "app.py": APP, "experiment.py": EXPERIMENT}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "main.py").write_bytes((ROOT / "main.py").read_bytes())
    (tmp_path / "nthrun").symlink_to(ROOT / "nthrun")
    for line in lines(PAGE):
        words = line.split()[1:] + ["--describe"] * ("sb3.json" in line)
        done = warm_process().call(words, tmp_path, os.environ, 120)
        assert done.returncode == 0, (line, done.stderr)
    for name, number in RUNS.items():
        data = open_data(tmp_path / f"results/CartPole-v1_{name}")
        runs = [entry.load(()) for entry in data.entries]
        assert [run["status"] for run in runs] == ["completed"] * number
        if name == "app":
            said = {run["index"]: run["provenance"]["last_line"] for run in runs}
            assert said[7] == "0.1 2 1"  # setting 3 of 4, run 1
        else:
            assert all(
                len(run["train_episode_rewards"]) or len(run["eval_episode_rewards"])
                for run in runs
            ), name


def test_links_are_there() -> None:
    """Everything that the page links to exists."""
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
