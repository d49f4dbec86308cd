"""The examples of docs/logging.md are run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from pages import blocks, copied_checkout, lines, run_commands
from processes import ROOT

PAGE = ROOT / "docs/logging.md"
SHORT = {"total_timesteps": 600, "eval_interval_timesteps": 300, "eval_episodes": 2}


@pytest.mark.slow
def test_examples_run(tmp_path: Path) -> None:
    """Every `bash` line runs, in order; what is there afterwards is where the page says, and the
    Python example reads it."""
    page = PAGE.read_text()
    environment = "config/environment/PendulumContinuous-v1.json"
    checkout = copied_checkout(tmp_path, {environment: SHORT})
    run_commands(checkout, lines(page))
    for viewer in re.findall(r"^(?:tensorboard --logdir|wandb sync) (\S+)", page, re.MULTILINE):
        assert list(checkout.glob(viewer)), viewer
    (example,) = blocks(page, "python")
    run_commands(checkout, [f"python -c {shlex.quote(example)}"])


def test_links_are_there() -> None:
    """Everything that the page links to exists."""
    for link in re.findall(r"\]\(([^)]+)\)", PAGE.read_text()):
        assert (PAGE.parent / link).exists(), link
