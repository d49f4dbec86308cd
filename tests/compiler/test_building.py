"""What building leaves behind, however it ends, and what is done with what cannot be loaded."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import small_disk

from nthrun.compiler.building import BEGUN, clear_away
from nthrun.compiler.library import compiler_version, load
from nthrun.errors import CompileError
from nthrun.planning.machine import compiler

SOURCE = 'extern "C" int run() { return 42; }'
LOADING = f"from nthrun.compiler.library import load; print(load({SOURCE!r}).run())"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder for libraries, found by the real rules; the compiler is asked anew."""
    monkeypatch.setenv("NTHRUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", os.environ.get("CXX", ""))
    compiler_version.cache_clear()
    yield tmp_path / "cache"
    compiler_version.cache_clear()


def script(path: Path, text: str) -> Path:
    """A shell script that may be called as a compiler."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\ncase $1 in --version) echo {path.name}; exit;; esac\n{text}\n")
    path.chmod(0o755)
    return path


def left(cache: Path) -> list[Path]:
    """What is built in, of this or a killed process."""
    return list(cache.rglob(f"{BEGUN}*"))


def libraries(cache: Path) -> list[Path]:
    """The libraries that are kept."""
    return list(cache.rglob("*.so"))


@contextlib.contextmanager
def building(
    folder: Path, cache: Path, program: str = LOADING
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that waits for its compiler, and the compiler's number."""
    number = folder / "number"
    text = f"echo $$ > {number}.new; mv {number}.new {number}; exec sleep 60"
    chosen = {"CXX": str(script(folder / "slow", text)), "NTHRUN_CACHE": str(cache)}
    # Behind `nohup` the signal of a closed terminal is ignored, which a process inherits.
    heeding = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    words = [sys.executable, "-c", heeding + program]
    process = subprocess.Popen(words, cwd=ROOT, env=os.environ | chosen, text=True)
    try:
        until = time.monotonic() + 60
        while not number.exists() and time.monotonic() < until:
            time.sleep(0.02)
        yield process, int(number.read_text())
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(int(number.read_text()), signal.SIGKILL)


def is_running(number: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_compiler_too(number: int, tmp_path: Path, cache: Path) -> None:
    """A process that is told to end while it waits for its compiler ends by that signal, and leaves
    neither a compiler nor a folder behind."""
    with building(tmp_path, cache) as (process, of_compiler):
        process.send_signal(number)
        assert process.wait(60) == -number
        assert not is_running(of_compiler)
        assert not left(cache)


def test_the_signal_after_one_that_was_noted_ends_it_too(tmp_path: Path, cache: Path) -> None:
    """Where the first SIGTERM only asks training to stop, the second ends the compiler too."""
    noting = "from nthrun.training.stopping import StopRequest; StopRequest().install(); "
    with building(tmp_path, cache, noting + LOADING) as (process, of_compiler):
        process.terminate()
        time.sleep(1.0)
        assert process.poll() is None
        process.terminate()
        assert process.wait(60) == -signal.SIGTERM
        assert not is_running(of_compiler)
        assert not left(cache)


def test_what_a_killed_process_was_building_is_cleared_away(tmp_path: Path, cache: Path) -> None:
    """The next process that loads anything from there deletes it; what a living process builds
    stays."""
    with building(tmp_path, cache) as (process, _):
        [begun] = left(cache)
        clear_away(begun.parent)
        assert left(cache) == [begun]
        process.kill()
        process.wait()
        assert left(cache) == [begun]
        assert load(SOURCE).run() == 42
        assert not left(cache)


def test_what_another_host_builds_is_left_for_a_day(tmp_path: Path) -> None:
    """Whose process is not to be asked for, its folder goes when it is a day old, whatever it is
    named after."""
    yesterday = time.time() - 90_000
    for name in ("1-otherhost-x", "x7k2", "99999999-otherhost-y"):
        for kind, moment in (("new", None), ("old", (yesterday, yesterday))):
            folder = tmp_path / f"{BEGUN}{name}{kind}"
            folder.mkdir()
            if moment:
                os.utime(folder, moment)
    clear_away(tmp_path)
    assert sorted(path.name[-3:] for path in left(tmp_path)) == ["new"] * 3


def test_what_cannot_be_loaded_is_not_kept(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that does not load is told with its compiler's name, and is nowhere afterwards."""
    junk = script(tmp_path / "junk", 'while [ "$1" != -o ]; do shift; done; echo junk > "$2"')
    monkeypatch.setenv("CXX", str(junk))
    with pytest.raises(CompileError, match="junk: what it builds cannot be loaded: ") as caught:
        load(SOURCE)
    assert "--backend eager" in caught.value.hint
    assert not libraries(cache)
    assert not left(cache)


def test_the_next_compiler_is_asked(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where none is chosen and what the first builds does not load, the next one builds, and what
    is recorded of the compiler is of that one."""
    sound = compiler()
    junk = 'while [ "$1" != -o ]; do shift; done; echo junk > "$2"'
    script(tmp_path / "bin/g++", junk)
    script(tmp_path / "bin/clang++", f'PATH="{os.environ["PATH"]}" exec "{sound}" "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    monkeypatch.delenv("CXX")
    assert compiler_version() == "g++"
    assert load(SOURCE).run() == 42
    assert compiler_version() == "clang++"
    assert len(libraries(cache)) == 1


def test_a_kept_library_that_does_not_load_any_more_is_built_anew(cache: Path) -> None:
    """One that is whole but of another system, as a shared home may hold, is replaced."""
    words = [sys.executable, "-c", LOADING]
    made = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    [path] = libraries(cache)
    path.write_bytes(b"junk" + hashlib.sha256(b"junk").digest())
    again = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert made.stdout == again.stdout == "42\n"
    assert path.stat().st_size > 1000


def test_a_file_system_that_runs_nothing_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """On a file system mounted noexec nothing is built; the note says that it cannot be loaded from
    there, and the next folder is used."""
    with small_disk("1m") as disk:
        command = ["mount", "-o", "remount,noexec", str(disk)]
        subprocess.run(command, check=True)
        monkeypatch.setenv("NTHRUN_CACHE", str(disk))
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        assert load(SOURCE).run() == 42
        assert not libraries(disk)
    assert "mounted noexec, so that no code can be loaded from it" in capfd.readouterr().err
