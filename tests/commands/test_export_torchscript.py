"""`nthrun export torchscript`: a file that acts as the recorded policy does, without nthrun."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from in_process import ended
from processes import ROOT
from program_experiments import ProgramExperiment

from nthrun import load_policy
from nthrun.__main__ import commands
from nthrun.commands import export_torchscript

BEFORE = ROOT / "tests/data/records_of_before"
LOAD = """
import json, sys, torch
observations = torch.tensor(json.loads(sys.argv[2]))
print(json.dumps(torch.jit.load(sys.argv[1])(observations).tolist()))
assert not [name for name in sys.modules if name.startswith("nthrun")]
"""


def experiment_of(name: str, folder: Path) -> Path:
    """A copy of an experiment that earlier code wrote."""
    [manifest] = BEFORE.glob(f"{name}/save/*/manifest.json")
    return shutil.copytree(manifest.parent, folder / name)


def test_a_file_gives_the_actions_of_the_policy(tmp_path: Path) -> None:
    """Torch alone, in another folder, gives the very actions for any number of observations."""
    file = tmp_path / "policy.pt"
    root = experiment_of("SAC-SquashedGaussian-continuous", tmp_path)
    done = ended(commands, "export", "torchscript", root, "--out", file)
    assert (done.code, done.out) == (0, f"{file}\n"), done.err
    policy = load_policy(root, 0)
    seen = np.random.default_rng(0).standard_normal((5, 3), np.float32)
    words = [sys.executable, "-W", "ignore", "-c", LOAD, str(file), json.dumps(seen.tolist())]
    loaded = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert np.array_equal(json.loads(loaded.stdout), policy.act(seen))


def test_a_file_is_named_after_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its stage, index and step, unless it is named; a folder is no file."""
    monkeypatch.chdir(tmp_path)
    root = experiment_of("linearAC-continuous", tmp_path)
    step = load_policy(root, 0).learned.step
    done = ended(commands, "export", "torchscript", root)
    assert (done.code, done.out) == (0, f"policy_stage0_index0_step{step}.pt\n"), done.err
    assert f"index 0, after {step:,} steps: the same actions" in done.err
    done = ended(commands, "export", "torchscript", root, "--out", tmp_path)
    refused = f"--out {tmp_path}: is a directory, allowed: a file; hint: name a file in it"
    assert (done.code, refused in done.err) == (2, True)


@pytest.mark.parametrize(
    "name",
    [
        *("SAC-SquashedGaussianMixture-continuous", "SAC-Beta-continuous", "VAC-Softmax-discrete"),
        *("epsgreedy-Argmax-discrete", "Sarsa-discrete", "linearAC-continuous"),
        *("euler_quadrature-continuous", "mc_pg-continuous", "SAC-hosted-pendulum"),
    ],
)
def test_policies_of_every_kind_are_written(tmp_path: Path, name: str) -> None:
    """Networks of one head or several, values, tiles and rules of solvers."""
    assert export_torchscript.script_of(load_policy(experiment_of(name, tmp_path)))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("random-Uniform-continuous", "it has no network, nor anything else that it learned"),
        ("epsgreedy_SGD-GradientAscent-continuous", "it takes gradients as it acts, which"),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path: Path, name: str, why: str) -> None:
    """An agent that learns nothing, and one that searches by gradients as it acts."""
    done = ended(commands, "export", "torchscript", experiment_of(name, tmp_path))
    assert (done.code, done.out) == (2, "")
    assert "its policy cannot be written as TorchScript" in done.err
    assert f": {why}" in done.err
    assert done.err.endswith("; hint: nthrun.load_policy(DIR, index) gives the policy itself\n")
    assert len(done.err.splitlines()) == 1


def test_a_file_that_acts_otherwise_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was followed once is compared with what the policy does with other observations."""
    policy = load_policy(experiment_of("VAC-Softmax-discrete", tmp_path))
    other = load_policy(experiment_of("SAC-Softmax-discrete", tmp_path))
    content = export_torchscript.script_of(other)
    monkeypatch.setattr(export_torchscript, "_traced", lambda _: content)
    with pytest.raises(Exception, match="it would give other actions"):
        export_torchscript.script_of(policy)


def test_how_a_program_acts_is_its_own_affair(tmp_path: Path) -> None:
    """Its policy is refused in a line."""
    experiment = ProgramExperiment(tmp_path, "walk")
    assert experiment.run("--index", "0").code == 0
    done = ended(commands, "export", "torchscript", experiment.root, "--trust")
    assert done.code == 2
    assert "how a program acts is its own affair" in done.err
