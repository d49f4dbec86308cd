"""What specs of agents of games may say, and what they need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from in_process import ended
from processes import ROOT

from nthrun.commands.run import run
from nthrun.planning.experiment_spec import experiment_spec_of, read_experiment_spec
from nthrun.planning.memory_estimate import lane_memory

FULL = (ROOT / "config/environment/RBC.json", ROOT / "config/agent/ppo_types_train_multi_exps.json")


def test_the_full_game_fits_into_two_gigabytes() -> None:
    """128 worlds of 100 consumers and 10 firms, with all that is recorded of 200,000 steps."""
    spec = read_experiment_spec([FULL[0]], [FULL[1]])
    assert 0.1e9 < lane_memory(spec, spec.sweep.setting(0)).host < 2e9


def test_memory_that_cannot_fit_is_told(tmp_path: Path) -> None:
    """In one line, before anything trains: how much a run of the full game needs, and what is
    left; of replay, which no game has, nothing is said."""
    words = ["--env-json", FULL[0], "--agent-json", FULL[1], "--save-dir", tmp_path / "out"]
    words += ["--set", "agent.num_worlds=[100000]", "--set", "environment.num_consumers=10000"]
    refused = ended(run, *words, "--index", "0")
    assert refused.code == 2
    [line] = refused.errors
    assert line.startswith("error: one run needs ") and " TB of memory: state " in line
    assert "available: " in line and "replay" not in line and "fewer worlds" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("agent", ["ppo_types", "pg_types"])
@pytest.mark.parametrize("game", ["RBC_tiny", "RBC_small", "MatrixGame", "MatrixGame_three_roles"])
def test_the_small_files_fit_every_game(agent: str, game: str) -> None:
    """Their lists are of one number for all roles, and nothing is masked."""
    files = (f"config/environment/{game}.json", f"config/agent/{agent}_tiny.json")
    environment, document = (json.loads((ROOT / file).read_text()) for file in files)
    assert experiment_spec_of(environment, document, "test").sweep.num_settings == 1


def test_lists_for_other_roles_say_which_option_helps(tmp_path: Path) -> None:
    """The options that the lines of a file for three roles name make it fit a game of two."""
    files = (f"{ROOT}/config/environment/RBC_tiny.json", f"{ROOT}/config/agent/ppo_types.json")
    words: list[Any] = ["--env-json", files[0], "--agent-json", files[1], "--index", "0"]
    refused = ended(run, *words, "--describe")
    assert refused.code == 2 and len(refused.errors) == 6
    options = [line.split("--set '")[1].split("'")[0] for line in refused.errors]
    sets = [word for option in options for word in ("--set", option)]
    assert ended(run, *words, *sets, "--describe").code in (None, 0)
