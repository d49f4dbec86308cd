"""Temporary files: their names say who writes them, and what nobody writes any more is stale."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nthrun.records.writer import STALE_SECONDS, filesystem_now, stale_files, temporary_path

WRITE = """
import sys
from pathlib import Path
from nthrun.records.writer import temporary_path
path = temporary_path(Path(sys.argv[1]))
path.touch()
print(path.name, flush=True)
input()
"""


def aged(path: Path, seconds: float) -> Path:
    """A file that was last written so long ago."""
    path.touch()
    moment = filesystem_now(path.parent) - seconds
    os.utime(path, (moment, moment))
    return path


def test_a_file_is_stale_once_its_writer_is_gone(tmp_path: Path) -> None:
    """While the process lives that writes a file, it is nobody else's, however old it is; when the
    process is gone it is stale at once."""
    own = aged(temporary_path(tmp_path / "data.json"), 10 * STALE_SECONDS)
    words = [sys.executable, "-c", WRITE, str(tmp_path / "x.h5")]
    with subprocess.Popen(words, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert list(stale_files(tmp_path)) == []
        process.kill()
    assert [path.name for path in stale_files(tmp_path)] == [name]
    assert own.exists()


@pytest.mark.parametrize(
    "name",
    [
        ".writing-0123abcd-data.json",  # of an earlier version
        ".writing-00000000-1-00000000-0123abcd-data.json",  # of another host
        ".writing-",
        ".writing-x",
    ],
)
def test_of_an_unknown_writer_a_day_decides(tmp_path: Path, name: str) -> None:
    """A file whose writer this host cannot ask about is stale after a day by the clock of its file
    system."""
    aged(tmp_path / name, STALE_SECONDS - 60)
    assert list(stale_files(tmp_path)) == []
    aged(tmp_path / name, STALE_SECONDS + 60)
    assert list(stale_files(tmp_path)) == [tmp_path / name]
    aged(tmp_path / name, -1e9)
    assert list(stale_files(tmp_path)) == []


def test_only_temporary_files_are_stale(tmp_path: Path) -> None:
    """Other names, folders and links are none, whatever they lead to."""
    aged(tmp_path / "data.json", 10 * STALE_SECONDS)
    (tmp_path / ".writing-folder").mkdir()
    (tmp_path / ".writing-link").symlink_to(tmp_path / "data.json")
    os.mkfifo(tmp_path / ".writing-fifo")
    for path in tmp_path.glob(".writing-*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    assert list(stale_files(tmp_path)) == []


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "x" * 250 + ".json"])
def test_the_longest_name_has_a_temporary_file(tmp_path: Path, name: str) -> None:
    """Whatever name a file may have, so may what it is written under; its suffix stays."""
    path = temporary_path(tmp_path / name)
    path.touch()
    assert path.suffix == Path(name).suffix
