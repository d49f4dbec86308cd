"""The page on one's own repository: every command of it runs, with an installed nthrun."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from installed import installation
from pages import lines
from processes import ROOT

PAGE = (ROOT / "docs/your_repository.md").read_text()


@pytest.mark.slow
def test_every_command_runs(tmp_path: Path) -> None:
    """In an empty folder every command of the page runs, in order, and does what the page says."""
    commands = lines(PAGE)
    assert len(commands) >= 10
    printed = {}
    for command in commands:
        done = installation().call("bash", "-c", command, cwd=tmp_path)
        assert done.returncode == 0, (command, done.stderr)
        printed[command] = done.stdout
    [status] = [out for command, out in printed.items() if "nthrun status" in command]
    assert re.search(r"corridor_q_learning-train +0 +12 +12 ", status)
    finished = printed["cd lab && nthrun schedule first --trust --yes"].splitlines()
    assert finished[1].split()[1:4] == ["20", "0", "0"]
    assert "'git_commit': ''" in printed[commands[-1]]


def test_links_lead_somewhere() -> None:
    """Every link of the page is to a file, and to a section of it that is there."""
    for path, _, section in (t.partition("#") for t in re.findall(r"\]\(([^)]+)\)", PAGE)):
        text = (ROOT / "docs" / path).read_text()
        titles = [
            re.sub(r"[^\w -]", "", t).lower().replace(" ", "-")
            for t in re.findall(r"^#+ (.*)", text, re.M)
        ]
        assert not section or section in titles
