"""Listing: a directory that cannot be listed is an error, never an empty one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nthrun.errors import DataFileError, StorageError
from nthrun.records.listing import FOLDERS, is_file, is_there, names_in, paths_in, require_inside


def test_names_and_paths(tmp_path: Path) -> None:
    """All names are listed, hidden ones too; paths are those wanted by their ends, in order."""
    for name in ("b.h5", ".a", "a.h5", "c"):
        (tmp_path / name).touch()
    assert names_in(tmp_path) == {".a", "a.h5", "b.h5", "c"}
    assert [path.name for path in paths_in(tmp_path, suffix=".h5")] == ["a.h5", "b.h5"]
    assert [path.name for path in paths_in(tmp_path, "a", ".h5")] == ["a.h5"]


def test_what_is_not_there_is_empty(tmp_path: Path) -> None:
    """Only where there is no such directory does nothing found mean that nothing is there."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path / "none" / "below", tmp_path / "file" / "below"):
        assert names_in(path) == frozenset()
        assert not is_there(path)
        assert not is_file(path)
    with pytest.raises(StorageError, match="file: cannot be listed: Not a directory"):
        names_in(tmp_path / "file")


def test_a_link_to_itself_is_told(tmp_path: Path) -> None:
    """What cannot be followed is no sign that nothing is there."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for look in (names_in, is_there, is_file):
        with pytest.raises(StorageError, match="symbolic links"):
            look(tmp_path / "loop")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE])
def test_any_failure_stops(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer, too many open files, a missing permission: all are told."""

    def failing(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.listdir", failing)
    with pytest.raises(StorageError, match="cannot be listed") as caught:
        names_in(tmp_path)
    assert os.strerror(number) in str(caught.value)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing is written through a link that leads out of an experiment; one that stays within it,
    and one to the experiment as a whole, do no harm."""
    root, outside = tmp_path / "e", tmp_path / "outside"
    outside.mkdir()
    (root / name).parent.mkdir(parents=True)
    require_inside(root)
    (root / name).symlink_to(outside)
    with pytest.raises(DataFileError, match="a link out of the experiment"):
        require_inside(root)
    (root / name).unlink()
    (root / "own").mkdir()
    (root / name).symlink_to(root / "own")
    require_inside(root)
    (tmp_path / "link").symlink_to(root)
    require_inside(tmp_path / "link")
