"""Compiled code lies where its user alone can write; anything else is passed over, never run."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nthrun.compiler.library import load
from nthrun.errors import CompileError
from nthrun.files.cache_folder import NOTED_VARIABLE

SOURCE = 'extern "C" int run() { return 42; }'
OWN = f"nthrun-{os.getuid()}"
STRANGER = 12_345
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


@pytest.fixture(autouse=True)
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that $NTHRUN_CACHE names; the temporary folder is `temporary` beside it."""
    (tmp_path / "above").mkdir(mode=0o755)
    monkeypatch.setenv("NTHRUN_CACHE", str(tmp_path / "above" / "chosen"))
    (tmp_path / "temporary").mkdir(mode=0o755)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv(NOTED_VARIABLE, "")
    yield tmp_path / "above" / "chosen"


def libraries(folder: Path) -> list[str]:
    return [path.suffix for path in folder.iterdir()]


def test_a_shared_folder_is_used_in_a_folder_of_ones_own(chosen: Path) -> None:
    """In a folder where everybody may write, each user's libraries lie in a folder of their own."""
    chosen.mkdir()
    chosen.chmod(0o1777)
    assert load(SOURCE).run() == 42
    assert libraries(chosen / OWN) == [".so"]


@pytest.mark.parametrize("umask", [0, 0o002, 0o277, 0o777])
def test_folders_are_made_for_their_user_alone(chosen: Path, umask: int) -> None:
    """Whatever the umask is, all folders that are made have mode 700, and their files are used."""
    before = os.umask(umask)
    try:
        assert load(SOURCE).run() == 42
        assert load(SOURCE + "\n").run() == 42
    finally:
        os.umask(before)
    for folder in (chosen, chosen / OWN):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert libraries(chosen / OWN) == [".so", ".so"]


def writable(own: Path) -> None:
    own.mkdir(parents=True)
    own.chmod(0o777)


def writable_by_the_group(own: Path) -> None:
    own.mkdir(parents=True)
    own.chmod(0o770)


def in_a_writable_folder(own: Path) -> None:
    own.mkdir(parents=True, mode=0o700)
    own.parent.chmod(0o777)


def below_a_writable_folder(own: Path) -> None:
    own.mkdir(parents=True, mode=0o700)
    own.parent.parent.chmod(0o777)


def reached_through_a_writable_folder(own: Path) -> None:
    """What a link leads to is safe, but anybody may put another link there."""
    (own.parent.parent / "safe").mkdir()
    (own.parent.parent / "open").mkdir()
    (own.parent.parent / "open").chmod(0o777)
    (own.parent.parent / "open" / "link").symlink_to(own.parent.parent / "safe")
    own.parent.symlink_to(own.parent.parent / "open" / "link")
    os.environ["NTHRUN_CACHE"] = str(own.parent.parent / "open" / "link")


def link(own: Path) -> None:
    own.parent.mkdir()
    (own.parent / "elsewhere").mkdir()
    own.symlink_to(own.parent / "elsewhere")


def dangling_link(own: Path) -> None:
    own.parent.mkdir()
    own.symlink_to(own.parent / "nowhere")


def fifo(own: Path) -> None:
    own.parent.mkdir()
    os.mkfifo(own)


def file(own: Path) -> None:
    own.parent.mkdir()
    own.write_text("")


def file_above(own: Path) -> None:
    own.parent.write_text("")


def fifo_above(own: Path) -> None:
    os.mkfifo(own.parent)


def of_a_stranger(own: Path) -> None:
    own.mkdir(parents=True)
    os.chown(own, STRANGER, STRANGER)


@pytest.mark.parametrize(
    "spoil",
    [
        writable,
        writable_by_the_group,
        in_a_writable_folder,
        below_a_writable_folder,
        reached_through_a_writable_folder,
        link,
        dangling_link,
        fifo,
        file,
        file_above,
        fifo_above,
        pytest.param(of_a_stranger, marks=as_root),
    ],
)
def test_a_folder_that_others_could_fill_is_passed_over(
    chosen: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
) -> None:
    """It is named once in a note, nothing is written there, and the program is built elsewhere."""
    spoil(chosen / OWN)
    assert load(SOURCE).run() == 42
    assert load(SOURCE + "\n").run() == 42
    assert libraries(tmp_path / "temporary" / OWN) == [".so", ".so"]
    assert not [path for path in tmp_path.rglob("*.so") if "temporary" not in path.parts]
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("note: ")
    assert "not used for compiled code" in said[0]


@pytest.mark.parametrize("spoil", [link, writable, fifo])
def test_the_temporary_folder_is_looked_at_too(
    tmp_path: Path, chosen: Path, spoil: Callable[[Path], None]
) -> None:
    """Where it fails as well, the program is built in a new folder, which goes again."""
    chosen.write_text("")
    os.rmdir(tmp_path / "temporary")
    spoil(tmp_path / "temporary" / OWN)
    (tmp_path / "temporary").chmod(0o1777)
    before = {*(tmp_path / "temporary").iterdir()}
    assert load(SOURCE).run() == 42
    assert {*(tmp_path / "temporary").iterdir()} == before


def test_where_there_is_no_safe_folder_nothing_is_run(
    tmp_path: Path, chosen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every place open to others, the error says what to set."""
    chosen.write_text("")
    (tmp_path / "temporary").chmod(0o777)
    monkeypatch.setattr("nthrun.files.cache_folder.TEMPORARY_FOLDERS", ())
    with pytest.raises(CompileError, match="kept nowhere") as caught:
        load(SOURCE)
    assert "NTHRUN_CACHE" in caught.value.hint


def planted(path: Path) -> None:
    path.chmod(0o666)


def swapped_for_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def swapped_for_a_link(path: Path) -> None:
    path.rename(path.with_suffix(".else"))
    path.symlink_to(path.with_suffix(".else"))


def given_away(path: Path) -> None:
    os.chown(path, STRANGER, STRANGER)


@pytest.mark.parametrize(
    "spoil",
    [
        planted,
        swapped_for_a_fifo,
        swapped_for_a_link,
        pytest.param(given_away, marks=as_root),
    ],
)
def test_a_library_that_others_could_have_written_is_built_anew(
    chosen: Path, spoil: Callable[[Path], None]
) -> None:
    """Only a regular file of the user's that nobody else may write is loaded; others are not."""
    load(SOURCE)
    [path] = (chosen / OWN).iterdir()
    spoil(path)
    assert load(SOURCE).run() == 42
    found = path.lstat()
    assert stat.S_ISREG(found.st_mode)
    assert (found.st_uid, stat.S_IMODE(found.st_mode) & 0o022) == (os.getuid(), 0)


def test_libraries_go_to_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is chosen they lie in `nthrun` there, or else in the temporary folder."""
    monkeypatch.delenv("NTHRUN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    load(SOURCE)
    assert libraries(tmp_path / "home" / "nthrun") == [".so"]
    (tmp_path / "blocked").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "blocked"))
    load(SOURCE)
    assert libraries(tmp_path / "temporary" / OWN) == [".so"]


def test_a_folder_that_others_can_read_is_closed(chosen: Path) -> None:
    """Who can open the folder could hold its lock for ever; so nobody else can from then on."""
    (chosen / OWN).mkdir(parents=True, mode=0o755)
    load(SOURCE)
    assert stat.S_IMODE((chosen / OWN).stat().st_mode) == 0o700
