"""The examples of docs/records.md are run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from pages import blocks, copied_checkout, lines, run_commands
from processes import ROOT

PAGE = ROOT / "docs/records.md"
SHORT = {
    **{"total_timesteps": 300, "eval_interval_timesteps": 300, "eval_episodes": 2},
    "steps_per_episode": 30,
}


@pytest.mark.slow
def test_examples_run(tmp_path: Path) -> None:
    """Every line runs, in order, and leaves the files that it names; so do the Python examples."""
    page = PAGE.read_text()
    checkout = copied_checkout(tmp_path, {"config/environment/CartPole-v1.json": SHORT})
    run_commands(checkout, lines(page))
    for file in ("cart.gif", "runs.csv", "episodes.csv", "evaluations.csv"):
        assert (checkout / file).stat().st_size > 0
    for example in blocks(page, "python"):
        run_commands(checkout, [f"python -c {shlex.quote(example)}"])


def test_links_are_there() -> None:
    """Everything that the page links to exists."""
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE.read_text()):
        assert (PAGE.parent / link).exists(), link
