"""The lock: one submission at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT

from nthrun.errors import StorageError
from nthrun.scheduling.locking import scheduling_lock
from nthrun.scheduling.plan import plan_paths

HOLD = """
import sys
from pathlib import Path
from nthrun.scheduling.locking import scheduling_lock
with scheduling_lock(Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


def test_only_one_holds_it(tmp_path: Path) -> None:
    """While a process holds the lock another is refused at once, by name and with what to do; when
    the holder is killed it is free."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(StorageError, match=f"{tmp_path}: another.*wait"), scheduling_lock(tmp_path):
        pass
    process.kill()
    process.communicate()
    with scheduling_lock(tmp_path):
        pass


def test_it_is_let_go(tmp_path: Path) -> None:
    """It ends with its block, also by an error, and is no plan."""
    with pytest.raises(ZeroDivisionError), scheduling_lock(tmp_path / "new"):
        raise ZeroDivisionError
    with scheduling_lock(tmp_path / "new"):
        assert plan_paths(tmp_path / "new") == []


def test_it_cannot_be_made(tmp_path: Path) -> None:
    """Where nothing can be written, that is said."""
    (tmp_path / "plans").touch()
    with pytest.raises(StorageError, match="cannot write"), scheduling_lock(tmp_path):
        pass
