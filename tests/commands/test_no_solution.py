"""What the main command says of economies without a solution."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from agents.solver_runs import HOUSEHOLDS

from nthrun.commands.run import run as main
from nthrun.errors import NoSolutionError

UNSOLVED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (
        {},
        {"wealth_top": 15.0},
        r"the grid cuts wealth off at r = 0\.0\d+: 0\.\d+ of households are at its top 15, allowed "
        r"is 1e-06; hint: raise the hyperparameter wealth_top, with more num_masses",
    ),
    (
        {"calibration.sigma": 1e-7},
        {},
        r"no equilibrium after 15 interest rates between -0\.06 and 0\.0416667: at r = 0\.0416\d* "
        r"households supply \S+ more log K/L than firms want, allowed is 1e-08; hint: take .*",
    ),
]


@pytest.mark.parametrize(("environment", "parameters", "told"), UNSOLVED, ids=["top", "risk"])
def test_an_economy_without_a_solution_is_told_with_its_numbers(
    environment: dict[str, Any], parameters: dict[str, Any], told: str, tmp_path: Path
) -> None:
    """Where the exact solver does not find the equilibrium, or the grid of wealth is too low for
    it, the command ends with one line that has the numbers and what to do."""
    agent = {"agent_name": "egm", "parameters": {"num_masses": 100} | parameters}
    arguments = ["--index", "0", "--backend", "eager", "--save-dir", str(tmp_path)]
    for option, document in (("--env-json", HOUSEHOLDS | environment), ("--agent-json", agent)):
        file = tmp_path / f"{option[2:]}.json"
        file.write_text(json.dumps(document))
        arguments += [option, str(file)]
    with pytest.raises(NoSolutionError) as caught:
        main.main([*arguments, "--workers", "1"], standalone_mode=False)
    (line,) = caught.value.lines()
    assert re.fullmatch(told, line), line
