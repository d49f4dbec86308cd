"""docs/walkthrough.md is walked, from its specs to its report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pages import blocks, copied_checkout, lines, run_commands
from processes import ROOT

PAGE = (ROOT / "docs/walkthrough.md").read_text()
SPECS = ("sac_search.json", "firm_search.json")


@pytest.mark.slow
def test_the_walks(tmp_path: Path) -> None:
    """Every command runs, in order, with the specs the page shows; the settings that it names are
    those that are chosen, and what it says is written is there."""
    checkout = copied_checkout(tmp_path, {})
    for name, spec in zip(SPECS, blocks(PAGE, "json"), strict=True):
        (checkout / name).write_text(spec)
    run_commands(checkout, lines(PAGE))
    summary = json.loads((checkout / "results/walk/GHM_mc_pg/summary.json").read_text())
    assert summary["results"][0]["trial_num"] == 1
    best = json.loads((checkout / "SAC_best_Pendulum-v1.json").read_text())["parameters"]
    assert (best["critic_lr"], best["alpha"]) == ([0.003], [0.5])
    for name in ("walk.html", "walk_policy.png", "plots/png/walk_parallel.png"):
        assert (checkout / name).stat().st_size > 10_000
