"""The commands of docs/economies.md are run, on smaller models."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pages import copied_checkout, lines, run_commands
from processes import ROOT

PAGE = ROOT / "docs/economies.md"
SHORT = {"total_timesteps": 4, "eval_interval_timesteps": 2, "eval_episodes": 2}
SMALL = {"households": 8, "ability_states": 3, "steps_per_episode": 5}


@pytest.mark.slow
def test_commands_run(tmp_path: Path) -> None:
    """Every `bash` line runs, in order, in a checkout whose models are small, and the pictures that
    it asks for are drawn."""
    changes = {
        "config/environment/GHM_solver.json": SHORT,
        "config/environment/Bewley.json": SHORT | SMALL,
        "config/environment/KrusellSmith_jedc.json": SHORT | {"households": 8},
        "config/environment/KrusellSmith.json": SHORT | {"households": 8, "steps_per_episode": 5},
    }
    checkout = copied_checkout(tmp_path, changes)
    low_risk = checkout / "config/environment/Bewley_low_risk.yaml"
    kept = low_risk.read_text()
    low_risk.write_text(
        kept + "".join(f"{key}: {json.dumps(value)}\n" for key, value in SMALL.items())
    )
    run_commands(checkout, lines(PAGE.read_text()))
    for name in ("policy_map.png", "decision_rules.png"):
        assert (checkout / name).stat().st_size > 10_000


def test_links_and_pictures_are_there() -> None:
    """Everything that the page links to or shows exists."""
    for link in re.findall(r"\]\(([^)]+)\)", PAGE.read_text()):
        assert (PAGE.parent / link).exists(), link
