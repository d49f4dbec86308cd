"""docs/games.md: its specs and programs work as they stand, and its table is what they find."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest
from in_process import ended
from pages import blocks, lines
from processes import ROOT, TIMEOUT
from warm import warm_process

from nthrun.commands.run import run

PAGE = ROOT / "docs/games.md"
TEXT = PAGE.read_text()
GAMES = sorted(path.stem for path in (ROOT / "config/environment").glob("MatrixGame*.json"))


def test_the_table_is_what_its_program_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every shipped game has a row with what uniform play earns, what it leaves to gain, and all
    equilibria."""
    monkeypatch.chdir(ROOT)
    program = blocks(TEXT, "python")[1]
    exec(program, {})
    printed = capsys.readouterr().out.splitlines()
    assert [row.split("`")[1] for row in printed] == GAMES
    assert printed == [line for line in TEXT.splitlines() if line.startswith("| `MatrixGame")]


def test_the_example_is_the_shipped_game() -> None:
    """The spec that the page shows is chicken."""
    [example] = blocks(TEXT, "json")
    shipped = json.loads((ROOT / "config/environment/MatrixGame_chicken.json").read_text())
    assert json.loads(example).items() <= shipped.items()


def test_commands_and_programs_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page's command trains four runs of uniform play, near what the table says of it, and its
    program prints three equilibria."""
    command, *_ = lines(TEXT)
    words = [str(ROOT / word) if "." in word else word for word in command.split()[1:]]
    words += ["--save-dir", str(tmp_path), "--backend", "eager"]
    done = warm_process().call(words, tmp_path, os.environ, TIMEOUT)
    returns = [float(number) for number in re.findall(r"return (\S+)", done.stdout + done.stderr)]
    assert len(returns) == 4, done.stderr
    assert all(abs(value - 3.75) < 0.5 for value in returns)
    program = blocks(TEXT, "python")[0]
    exec(program.replace('"config/', f'"{ROOT}/config/'), {})
    *equilibria, _ = capsys.readouterr().out.splitlines()
    assert len(equilibria) == 3


def test_the_tiny_game_is_worth_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands solve it with and without an importer, and the program prints the rows."""
    monkeypatch.chdir(tmp_path)
    for command in lines(TEXT)[1:]:
        words = [str(ROOT / w) if w.endswith(".json") else w for w in shlex.split(command)[2:]]
        assert ended(run, *words).code in (None, 0)
    capsys.readouterr()
    exec(blocks(TEXT, "python")[2], {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 4
    assert "\n".join(printed) in TEXT


def test_links_are_there() -> None:
    """Everything that the page links to exists."""
    for link in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (PAGE.parent / link).exists(), link
