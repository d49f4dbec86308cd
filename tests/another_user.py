"""Entry points called as a user who is not root, in folders that such a user can reach."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from nthrun.commands.entry import execute

USER = 12_345
"""Of nobody on this machine."""
IMPORTED = (
    *(f"nthrun.commands.{name}" for name in ("best", "combine", "forget", "report", "status")),
    *("nthrun.commands.schedule", "nthrun.commands.submit", "nthrun.commands.train"),
    *("nthrun.analysis.report.page", "nthrun.training.backends", "logging.config", "torch._dynamo"),
    "encodings.cp437",
)
"""What commands import late, which that user cannot where root's Python lies in root's home."""


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A new folder that every user can enter."""
    path = Path(tempfile.mkdtemp(prefix="nthrun-test-", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def give_away(folder: Path) -> None:
    """Make a folder and all in it that user's, where this process is root's."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, USER, USER)


def call_as_another_user(command: click.Command, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command in a process that is not root's."""
    for name in IMPORTED:
        importlib.import_module(name)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if not child:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            _be(command, arguments)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return os.waitstatus_to_exitcode(status), out.read(), err.read()


def _be(command: click.Command, arguments: tuple[str, ...]) -> None:
    """Become a process of that user's that runs a command."""
    code = 70
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(USER)
            os.setuid(USER)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        sys.argv = ["command", *arguments]
        execute(command)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 71
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
