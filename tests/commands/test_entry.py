"""How commands end where the system gives them nothing to print to, or no place to be in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from builders import make_experiment, make_run
from processes import ROOT, command


def test_a_full_disk_for_what_is_printed() -> None:
    """Where stdout is a file on a full disk, that is said in one line, and the exit is no good
    one."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command("main.py", "--help"),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: what is printed, or a file that is open: No space left on device"
    ]


def test_a_working_directory_that_is_gone(tmp_path: Path) -> None:
    """A command in a directory that was deleted says so in one line."""
    words = 'cd gone && rmdir ../gone && exec "$0" "$1" --status "$2"'
    make_experiment(tmp_path / "e", runs=[make_run(0, 0, 0)])
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        ["sh", "-c", words, sys.executable, str(ROOT / "schedule.py"), str(tmp_path / "e")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "error: the working directory: No such file or directory\n" in done.stderr
