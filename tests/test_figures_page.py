"""The commands of docs/figures.md are run."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import click
import pytest
from pages import blocks, copied_checkout, lines, run_commands
from plots import listed, plotted
from processes import ROOT

from nthrun.commands.plot import FIGURES

PAGE = ROOT / "docs/figures.md"
MAX_BYTES = 80_000
AGENT = "Sarsa"


@pytest.mark.slow
def test_commands_run(tmp_path: Path) -> None:
    """Every `bash` line and Python block of the page draws the pictures that it names."""
    checkout = copied_checkout(tmp_path, {})
    shutil.copytree(ROOT / "docs/demo", checkout / "docs/demo")
    page = PAGE.read_text()
    own, plain = blocks(page, "python")
    (checkout / "solved.py").write_text(own)
    run_commands(checkout, [*lines(page), f"python -c {shlex.quote(plain)}"])
    for name in re.findall(r"\]\(pictures/([^)]+)\)", page):
        assert (checkout / "plots" / "png" / name).exists() or (checkout / "plots" / name).exists()


def test_a_users_own_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own figure is drawn by its module's name, like one of the table: by environment,
    with its option, and with the list of the runs that it shows."""
    page = PAGE.read_text()
    assert "`solved.py`" in page
    (tmp_path / "solved.py").write_text(blocks(page, "python")[0])
    monkeypatch.syspath_prepend(tmp_path)
    demo = [ROOT / f"docs/demo/agents/{env}_{AGENT}.json" for env in ("CartPole-v1", "Acrobot-v1")]
    paths = plotted("solved:solved", *demo, "--threshold", "150", into=tmp_path)
    assert [path.name for path in paths if path.suffix == ".png"] == [
        "CartPole-v1_solved.png",
        "Acrobot-v1_solved.png",
    ]
    for path in paths:
        assert path.stat().st_size > 0
    assert list(listed(paths[:3])) == [str(demo[0])]
    with pytest.raises(click.UsageError, match="threshold"):
        plotted("solved:solved", *demo, into=tmp_path)


def test_links_and_pictures_are_there() -> None:
    """Everything that the page links to exists, and its pictures are small."""
    for link in re.findall(r"\]\(([^)]+)\)", PAGE.read_text()):
        path = PAGE.parent / link
        assert path.exists(), link
        assert path.suffix != ".png" or path.stat().st_size < MAX_BYTES, link


def test_figures_are_shown() -> None:
    """Every plotting script is told of, and so is every figure of the table."""
    page = PAGE.read_text()
    for script in (ROOT / "utils").glob("plot_*.py"):
        assert f"utils/{script.name}" in page
    for name in FIGURES:
        assert name in page
