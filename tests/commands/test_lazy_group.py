"""Laws of the group that imports a command when it is named."""

from __future__ import annotations

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
