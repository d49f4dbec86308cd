"""The commands of docs/figures.md are run."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from pages import blocks, copied_checkout, lines, run_commands
from processes import ROOT

PAGE = ROOT / "docs/figures.md"
MAX_BYTES = 80_000


@pytest.mark.slow
def test_commands_run(tmp_path: Path) -> None:
    """Every `bash` line and Python block of the page draws the pictures that it names."""
    checkout = copied_checkout(tmp_path, {})
    shutil.copytree(ROOT / "docs/demo", checkout / "docs/demo")
    page = PAGE.read_text()
    commands = [f"python -c {shlex.quote(block)}" for block in blocks(page, "python")]
    run_commands(checkout, [*lines(page), *commands])
    for name in re.findall(r"\]\(pictures/([^)]+)\)", page):
        assert (checkout / "plots" / "png" / name).exists() or (checkout / "plots" / name).exists()


def test_links_and_pictures_are_there() -> None:
    """Everything that the page links to exists, and its pictures are small."""
    for link in re.findall(r"\]\(([^)]+)\)", PAGE.read_text()):
        path = PAGE.parent / link
        assert path.exists(), link
        assert path.suffix != ".png" or path.stat().st_size < MAX_BYTES, link


def test_scripts_are_shown() -> None:
    """Every plotting script is told of."""
    for script in (ROOT / "utils").glob("plot_*.py"):
        assert f"utils/{script.name}" in PAGE.read_text()
