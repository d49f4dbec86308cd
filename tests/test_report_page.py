"""The commands of docs/report.md are run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from pages import lines
from processes import ROOT

from nthrun.__main__ import commands
from nthrun.commands.report import report

PAGE = ROOT / "docs/report.md"


def test_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `bash` line of the page writes the report that it names."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    for line in lines(PAGE.read_text()):
        program, module, name, *arguments = shlex.split(line)
        assert (program, module, name) == ("python", "-m", "nthrun")
        result = CliRunner().invoke(commands, arguments, catch_exceptions=False)
        assert result.exit_code == 0, (line, result.output)
        assert Path(result.stdout.strip()).stat().st_size > 10_000


def test_links_and_options_are_there() -> None:
    """Everything that the page links to exists, and it tells every option."""
    text = PAGE.read_text()
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (PAGE.parent / link).exists(), link
    for option in report.params:
        assert option.opts[0] in (*re.findall(r"--\w+", text), "experiments", "--debug")
