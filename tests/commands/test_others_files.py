"""Files of somebody else: reading one runs no code that it names, and commands no terminal."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_run
from in_process import ended

from nthrun.__main__ import commands
from nthrun.errors import SpecError
from nthrun.records.experiment import Experiment, Manifest, create_experiment, open_experiment
from nthrun.specs.fingerprint import fingerprint
from nthrun.training.saved_policy import load_policy

MODULE = """
from pathlib import Path
Path({marker!r}).write_text("run")

class C:
    hyperparameters = ()

class E:
    interface = None
"""
NAMES = [
    ({"agent_name": "evilmod:C"}, {"env_name": "evilmod:E"}),
    ({"agent_name": "evilmod:C"}, {}),
    ({}, {"env_name": "evilmod:E"}),
    ({}, {"env_name": "evilmod:Id-v0", "platform": "gymnasium"}),
    (
        {},
        {
            "env_name": "GymV26Environment-v0",
            "platform": "gymnasium",
            "kwargs": {"env_id": "evilmod:Id-v0"},
        },
    ),
]
ESCAPE = "\x1b]0;owned\x07\x9b31m\u202e"


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that is there once the module `evilmod`, which lies beside the data, was imported."""
    marker = tmp_path / "ran"
    (tmp_path / "evilmod.py").write_text(MODULE.format(marker=str(marker)))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield marker
    sys.modules.pop("evilmod", None)


def sweep(root: Path, agent: dict[str, Any], environment: dict[str, Any], **changes: Any) -> Path:
    """An experiment of two settings, recorded by specs that say what is given."""
    agent = {"agent_name": "SAC", "parameters": {"critic_lr": [0.1, 0.2]}} | agent
    environment = {"env_name": "Pendulum-v1", "total_timesteps": 300} | environment
    specs = agent, environment
    manifest = Manifest(fingerprint(*specs), 2, *specs, "cpu", "eager", 1)
    experiment = Experiment(root, manifest)
    create_experiment(root, manifest)
    runs = [make_run(i, i % 2, i // 2, [-3.0 + i, -2.0, i], **changes) for i in range(6)]
    for run in runs:
        run["metrics"] = {"loss": np.arange(5.0)}
    experiment.write(0, runs)
    return root


READERS = [
    ("combine", "DATA"),
    ("best", "DATA", "--no-write"),
    ("best", "DATA", "--out", "chosen"),
    ("report", "DATA", "--out", "report.html"),
    ("plot", "sensitivity", "DATA"),
    ("plot", "comparison", "DATA"),
    ("schedule", "--status", "DATA"),
    ("export", "wandb", "DATA"),
    ("forget", "DATA", "--index", "0"),
]


@pytest.mark.parametrize("names", NAMES)
def test_reading_imports_nothing_that_a_file_names(
    tmp_path: Path, ran: Path, names: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """Combining, choosing, reporting, drawing, status, exporting and forgetting do their work on
    the records of a class that is not known here, and never import it."""
    root = sweep(tmp_path / "data", *names)
    readers = READERS if names is NAMES[0] else READERS[:1] + READERS[3:4]
    for command, *rest in readers:
        if command == "export" and importlib.util.find_spec("wandb") is None:
            continue
        arguments = [str(root) if word == "DATA" else word for word in rest]
        outcome = ended(commands, command, *arguments)
        assert (outcome.code, ran.exists()) == (0, False), (command, rest, outcome)
        assert outcome.out
    page = (tmp_path / "report.html").read_text()
    assert "6 of 6" in page or "6 runs" in page or "completed" in page
    for name in ("data.json", "manifest.json"):
        assert (root / name).exists()
    outcome = ended(commands, "report", root / "data.json")
    assert (outcome.code, ran.exists()) == (0, False), outcome


def test_what_needs_the_class_says_so(tmp_path: Path, ran: Path) -> None:
    """A policy cannot act without its class: that is refused in one line, until the user asks for
    it by an option or an argument."""
    root = sweep(tmp_path / "data", {"agent_name": "evilmod:C"}, {})
    outcome = ended(commands, "plot", "policy_map", root)
    assert (outcome.code, ran.exists()) == (2, False)
    [error] = outcome.errors
    assert "code that a file names is not run to read it" in error
    with pytest.raises(SpecError, match="is not run to read it"):
        load_policy(root)
    assert not ran.exists()
    ended(commands, "plot", "policy_map", root, "--trust")
    assert ran.exists()


@pytest.mark.parametrize("place", ["records", "folder"])
def test_no_name_reaches_the_terminal_raw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Control characters in any name, value or reason that records hold, and in a path, are written
    out in all that is printed and in the page."""
    monkeypatch.chdir(tmp_path)
    hostile = f"a{ESCAPE}b"
    if place == "folder":
        root = sweep(tmp_path / hostile, {}, {})
    else:
        root = sweep(tmp_path / "data", {"agent_name": hostile}, {"env_name": hostile})
        _vary(root, hostile)
    printed = ""
    for command, *rest in READERS:
        if command == "export":
            continue
        arguments = [str(root) if word == "DATA" else word for word in rest]
        outcome = ended(commands, command, *arguments)
        assert "unexpected" not in outcome.err
        printed += outcome.out + outcome.err
    printed += (tmp_path / "report.html").read_text()
    assert not re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", printed)
    assert r"\x1b]0;owned" in printed or "\\u001b]0;owned" in printed


def _vary(root: Path, hostile: str) -> None:
    """Record more runs: of hyperparameters of a hostile name and value, and one that diverged for a
    hostile reason."""
    experiment = open_experiment(root)
    for index, params in ((6, {hostile: 1}), (7, {"critic_lr": f"{hostile}2"})):
        run = make_run(index, index % 2, index // 2, agent_params=params)
        experiment.write(0, [run])
    experiment.write(0, [make_run(8, 0, 4, status="diverged", reason=hostile)])
