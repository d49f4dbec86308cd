"""What is said of a solver whose evaluations lack measures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from agents.solver_runs import HOUSEHOLDS, SMALL

from nthrun.commands.run import run as main
from nthrun.records.data import open_data
from nthrun.training.solver_program import Reasons


def trained(folder: Path, capsys: pytest.CaptureFixture[str], **values: float) -> tuple[Path, str]:
    """The experiment of two runs of euler_quadrature in an economy, and what was said."""
    agent = {"agent_name": "euler_quadrature", "parameters": SMALL["euler_quadrature"]}
    economy = {f"calibration.{name}": value for name, value in values.items()}
    arguments = ["--index", "0-1", "--save-dir", str(folder / "out")]
    for option, document in (("--env-json", HOUSEHOLDS | economy), ("--agent-json", agent)):
        file = folder / f"{option[2:]}.json"
        file.write_text(json.dumps(document))
        arguments += [option, str(file)]
    main.main(arguments, standalone_mode=False)
    (root,) = (folder / "out").iterdir()
    return root, capsys.readouterr().err


def test_it_is_said_once_why_measures_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no equilibrium, runs are completed without measures, and one line says of them
    all, once, from which step on and why."""
    root, said = trained(tmp_path, capsys, sigma=1e-7)
    runs = [entry.load(()) for entry in open_data(root).entries]
    assert {run["status"] for run in runs} == {"completed"}
    assert all(np.isnan(run["eval_metrics"]["oracle_gap"]).all() for run in runs)
    (line,) = [line for line in said.splitlines() if "missing" in line]
    assert "index 0-1: measures are missing at step 0: " in line
    assert "no equilibrium after 15 interest rates" in line


def test_another_reason_is_said_too() -> None:
    """A harmless reason does not silence a later one, of which numbers alone differ no more."""
    reasons = Reasons()
    assert reasons.new(["no law in state 1", ""]) == [([0], "no law in state 1")]
    assert reasons.new(["no law in state 2", "no law in state 0"]) == [([1], "no law in state 0")]
    assert reasons.new(["K is at its top, 71.5"] * 2) == [([0, 1], "K is at its top, 71.5")]
    assert reasons.new(["K is at its top, 70.25", ""]) == []


def test_very_risky_economies_are_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At ρ = .98, σ = .36, whose wealth goes beyond the usual top, the exact interest rate is found
    and every evaluation that has an equilibrium has its distance from it."""
    root, said = trained(tmp_path, capsys, rho=0.98, sigma=0.36)
    for entry in open_data(root).entries:
        measured = entry.load(())["eval_metrics"]
        np.testing.assert_array_equal(np.isnan(measured["oracle_gap"]), np.isnan(measured["r"]))
        assert np.isfinite(measured["oracle_gap"]).any() or "measures are missing" in said
