"""Laws of the group that imports a command when it is named."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from nthrun.__main__ import COMMANDS, commands


@pytest.mark.parametrize("name", COMMANDS)
def test_every_target_is_a_command(name: str) -> None:
    """Every name of the table gives the command that it stands for."""
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    assert command.name == name
    assert command.help


def test_help_imports_no_command() -> None:
    """Help lists every command in a line of the table, and imports none of them."""
    code = (
        "import sys\n"
        "from nthrun.__main__ import COMMANDS, commands\n"
        "commands.main(['--help'], standalone_mode=False)\n"
        "modules = {target.partition(':')[0] for target, _ in COMMANDS.values()}\n"
        "assert not modules & {*sys.modules} and 'numpy' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name, (_, line) in COMMANDS.items():
        assert f"  {name}" in done.stdout and line in done.stdout


def test_an_unknown_name_is_an_error() -> None:
    """A name that is not in the table is refused."""
    result = CliRunner().invoke(commands, ["nothing"])
    assert result.exit_code == 2
    assert "No such command 'nothing'" in result.output


@pytest.mark.parametrize("words", ["nthrun ", "nthrun d", "nthrun run --a"])
def test_completion_is_as_quick_as_help(words: str) -> None:
    """What a shell is told imports no torch and no h5py, and of the names no command."""
    code = (
        "import sys\n"
        "from nthrun.__main__ import COMMANDS, main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "modules = {target.partition(':')[0] for target, _ in COMMANDS.values()}\n"
        "print([m for m in ('torch', 'h5py', 'scipy') if m in sys.modules])\n"
        "print(sorted(modules & {*sys.modules}))\n"
    )
    typed = words.split(" ")
    variables = {"COMP_WORDS": words, "COMP_CWORD": str(len(typed) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | variables | {"_NTHRUN_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        check=True,
    )
    *offered, heavy, imported = done.stdout.splitlines()
    assert offered and all(line.startswith(f"plain,{typed[-1]}") for line in offered)
    assert heavy == "[]"
    assert imported == ("[]" if len(typed) == 2 else "['nthrun.commands.run']")
