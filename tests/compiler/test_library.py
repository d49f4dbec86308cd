"""Compiled code is built once, found again, and rebuilt where it is damaged."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import run

import pytest
from disks import small_disk

from nthrun.compiler import library
from nthrun.compiler.library import compiler_version, load
from nthrun.errors import CompileError
from nthrun.planning.machine import compiler

SOURCE = 'extern "C" int run() { return 42; }'


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder for libraries; what is known of the compiler is asked anew."""
    monkeypatch.setenv("NTHRUN_CACHE", str(tmp_path / "cache"))
    compiler_version.cache_clear()
    yield tmp_path / "cache" / f"nthrun-{os.getuid()}"
    compiler_version.cache_clear()


def use_compiler(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> Path:
    """Make a shell script the compiler; every call that builds adds a line to `calls`."""
    script, calls = folder / "my compiler", folder / "calls"
    calls.write_text("")
    script.write_text(
        f"#!/bin/sh\ncase $1 in --version) echo mine; exit;; esac\necho x >> '{calls}'\n{text}\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    return calls


def test_a_library_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same source is not compiled again; another one is."""
    calls = use_compiler(monkeypatch, tmp_path, f'exec "{compiler()}" "$@"')
    assert load(SOURCE).run() == load(SOURCE).run() == 42
    assert calls.read_text().count("x") == 1
    assert load(SOURCE.replace("42", "43")).run() == 43
    assert calls.read_text().count("x") == 2


def test_a_folder_without_room_for_the_compiler_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a folder is full before the compiler has written what it builds, its temporary files
    among it, the next one is used, with a note."""
    with small_disk("16k") as disk:
        disk.chmod(0o1777)
        monkeypatch.setenv("NTHRUN_CACHE", str(disk))
        monkeypatch.setenv("TMPDIR", str(disk))
        assert load(SOURCE.replace("42", "44")).run() == 44
        said = capsys.readouterr().err
        assert said.startswith(f"note: {disk}/nthrun-{os.getuid()}: not used for compiled code: No")
        assert said.count("\n") == 1
        assert not list(disk.glob("nthrun-*/*"))


def test_processes_that_build_at_once_leave_one_file(cache: Path) -> None:
    """All of them get a library that works, and nothing else stays behind."""
    program = f"from nthrun.compiler.library import load; print(load({SOURCE!r}).run())"
    with ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(run, [sys.executable, "-c", program], capture_output=True, text=True)
            for _ in range(4)
        ]
    assert [call.result().stdout for call in calls] == ["42\n"] * 4
    assert [path.suffix for path in cache.iterdir()] == [".so"]


@pytest.mark.parametrize("damage", ["empty", "cut", "changed"])
def test_a_damaged_library_is_built_anew(cache: Path, damage: str) -> None:
    """A file that a full disk or a crash left is replaced, never run."""
    program = f"from nthrun.compiler.library import load; print(load({SOURCE!r}).run())"
    words = [sys.executable, "-c", program]
    run(words, check=True)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    middle = len(whole) // 2
    changed = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    path.write_bytes({"empty": b"", "cut": whole[:middle], "changed": changed}[damage])
    assert run(words, capture_output=True, text=True, check=True).stdout == "42\n"
    assert path.stat().st_size == len(whole)


def test_without_a_compiler_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """No compiler on $PATH and none in $CXX."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(CompileError, match=r"no C\+\+ compiler") as caught:
        load(SOURCE)
    assert "module load gcc" in caught.value.hint
    assert "--backend eager" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("echo 'first line' >&2; echo 'x.cpp: error: no' >&2; exit 1", "x.cpp: error: no"),
        ("echo one >&2; echo two >&2; exit 1", "one two"),
        ("exit 3", "exit status 3"),
    ],
)
def test_a_compiler_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, problem: str, cache: Path
) -> None:
    """In one line, with what it said; nothing is left behind."""
    use_compiler(monkeypatch, tmp_path, text)
    with pytest.raises(CompileError) as caught:
        load(SOURCE)
    assert caught.value.message == f"{tmp_path / 'my compiler'} failed: {problem}"
    assert len(caught.value.lines()) == 1
    assert not list(cache.iterdir())


def test_a_compiler_that_cannot_be_started_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not the folder that is to blame."""
    script = tmp_path / "broken"
    script.write_bytes(b"\x7fELF")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    with pytest.raises(CompileError, match="broken failed: "):
        load(SOURCE)


def test_the_file_name_says_what_the_code_is_for(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another source, compiler, option or processor is another file."""
    load(SOURCE)
    load(SOURCE + "\n")
    for name, value in (
        ("compiler_version", lambda: "another"),
        ("cpu_model", lambda: "another"),
        ("FLAGS", (*library.FLAGS, "-g")),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(library, name, value)
            load(SOURCE)
    assert len(list(cache.iterdir())) == 5


@pytest.mark.parametrize("name", ["x" * 300, "a\nb\x1b[2J", os.fsdecode(b"\xff\xfe")])
def test_a_folder_of_any_name_ends_no_training(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever $NTHRUN_CACHE says, the library is built: there, or elsewhere with a note."""
    monkeypatch.setenv("NTHRUN_CACHE", str(tmp_path / name))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert load(SOURCE.replace("42", "45")).run() == 45
    said = capsys.readouterr().err
    assert said.count("\n") == (len(name) > 255)
    assert "\x1b" not in said
