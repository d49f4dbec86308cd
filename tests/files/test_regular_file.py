"""Laws of opening: a regular file, or an error at once."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from nthrun.errors import DataFileError
from nthrun.files.regular_file import open_regular, read_regular


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def make_endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_loop(path: Path) -> None:
    path.symlink_to(path)


SPECIAL = (make_pipe, make_socket, make_endless, Path.mkdir, make_loop)


@pytest.mark.parametrize("make", SPECIAL, ids=lambda make: make.__name__)
def test_special_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    """What is no regular file is refused and named, without waiting for it or reading of it."""
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    path = Path("special")
    make(path)
    with pytest.raises((DataFileError, OSError)) as refused:
        open_regular(path)
    assert "special" in str(refused.value)


def test_link_to_a_file(tmp_path: Path) -> None:
    """A link to a regular file is read as the file."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == b"content"


def test_largest(tmp_path: Path) -> None:
    """A file of the largest size is read, one of a byte more is not, be it full of holes."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert len(read_regular(path, 100)) == 100
    with pytest.raises(DataFileError, match="holds 100 bytes, allowed: 99"):
        read_regular(path, 99)
    os.truncate(path, 2**40)
    with pytest.raises(DataFileError, match="holds"):
        read_regular(path)
