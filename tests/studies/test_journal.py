"""Laws of the journal of a study: a line is there whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from disks import small_disk
from hypothesis import given
from hypothesis import strategies as st
from warm import ROOT

from nthrun.errors import DataFileError, StorageError
from nthrun.studies import journal as module
from nthrun.studies.journal import Journal

EVENTS = st.lists(
    st.dictionaries(
        st.text(max_size=3),
        st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        max_size=3,
    ),
    max_size=6,
)


def add(journal: Journal, *events: dict[str, Any]) -> None:
    """Add events at once."""
    with journal.writing() as writer:
        writer.add(events)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty one."""
    return Journal(tmp_path)


@pytest.fixture(scope="module")
def shared() -> Iterator[Journal]:
    """One whose file the examples of a law write as they like."""
    with tempfile.TemporaryDirectory() as directory:
        yield Journal(Path(directory))


def written(journal: Journal, events: list[dict[str, Any]]) -> bytes:
    """The file that holds nothing but some events."""
    journal.path.unlink(missing_ok=True)
    add(journal, *events)
    return journal.path.read_bytes()


@given(events=EVENTS, more=EVENTS, data=st.data())
def test_a_journal_cut_anywhere_has_its_whole_lines(
    shared: Journal, events: list[dict[str, Any]], more: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Cut at any byte, every line that ended before is read, and none that did not, then or ever;
    what is added then is read too."""
    content = written(shared, events)
    cut = data.draw(st.integers(0, len(content)))
    shared.path.write_bytes(content[:cut])
    whole = events[: content[:cut].count(b"\n")]
    assert shared.events() == whole
    add(shared, *more)
    assert shared.events() == whole + more


@given(
    events=EVENTS.filter(bool),
    place=st.floats(0, 1, exclude_max=True),
    byte=st.integers(0, 255),
)
def test_a_corrupt_byte_costs_at_most_the_lines_it_touches(
    shared: Journal, events: list[dict[str, Any]], place: float, byte: int
) -> None:
    """Whatever a byte becomes, all other lines are read, and nothing that was not written."""
    content = bytearray(written(shared, events))
    at = int(place * len(content))
    touched = {content[:at].count(b"\n")}
    if content[at : at + 1] == b"\n":
        touched.add(min(touched) + 1)
    same = content[at] == byte
    content[at] = byte
    shared.path.write_bytes(content)
    left = [event for number, event in enumerate(events) if number not in touched]
    assert shared.events() == (events if same else left)


def test_a_torn_line_swallows_no_other(journal: Journal) -> None:
    """Of a line whose end a killed writer owes nothing is read; those before and after are."""
    add(journal, {"a": 1})
    with open(journal.path, "ab") as file:
        file.write(b'0123abcd {"b":')
    add(journal, {"c": 3})
    add(journal, {"d": 4})
    assert journal.events() == [{"a": 1}, {"c": 3}, {"d": 4}]


def test_reading_goes_on_where_it_stopped(journal: Journal) -> None:
    """A reader that saw half a line sees it whole the next time, and no event twice."""
    assert journal.events_from(0) == ([], 0)
    add(journal, {"a": 1})
    first, place = journal.events_from(0)
    whole = journal.path.read_bytes()
    add(journal, {"b": 2})
    added = journal.path.read_bytes()[len(whole) :]
    seen = list(first)
    for length in range(len(added) + 1):
        journal.path.write_bytes(whole + added[:length])
        found, place = journal.events_from(place)
        seen += found
    assert seen == [{"a": 1}, {"b": 2}]
    with open(journal.path, "ab") as file:
        file.write(b"torn")
    assert journal.events_from(place) == ([], place)
    add(journal, {"c": 3})
    found, place = journal.events_from(place)
    assert (found, journal.events_from(place)) == ([{"c": 3}], ([], place))


WRITER = """
import sys
from pathlib import Path
from nthrun.studies.journal import Journal
journal, name = Journal(Path(sys.argv[1])), sys.argv[2]
sys.stdin.readline()
for number in range(20):
    with journal.writing() as writer:
        before = len(journal.events())
        writer.add([{"of": name, "number": number, "filling": "x" * 3000}] * 2)
        assert len(journal.events()) == before + 2
"""


def test_processes_add_at_once(journal: Journal) -> None:
    """Lines of processes that write at the same time are all there, in each one's order, two that
    were added together beside each other; nobody adds while another holds the journal."""
    command = [sys.executable, "-c", WRITER, str(journal.path.parent.parent)]
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    writers = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, env=variables, text=True)
        for name in "abc"
    ]
    time.sleep(0.5)  # so that all have started
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    events = journal.events()
    assert len(events) == 3 * 40
    assert events[::2] == events[1::2]
    for name in "abc":
        numbers = [event["number"] for event in events[::2] if event["of"] == name]
        assert numbers == list(range(20))


def test_a_full_disk_is_told_and_loses_nothing() -> None:
    """Where a line does not fit, one error says so, and all before it stays; what was written of it
    takes no room from the next, which fits."""
    with small_disk("64k") as disk:
        journal = Journal(disk)
        add(journal, {"a": 1})
        with pytest.raises(StorageError, match="No space left on device; hint") as told:
            add(journal, {"b": "x" * 200_000})
        assert len(told.value.lines()) == 1
        assert journal.events() == [{"a": 1}]
        add(journal, {"c": 3})
        assert journal.events() == [{"a": 1}, {"c": 3}]


@pytest.mark.parametrize("length", [1, 70_000])
def test_what_was_not_finished_never_counts(journal: Journal, length: int) -> None:
    """A line that lacks its end alone does not count, nor once others are added after it."""
    add(journal, {"a": 1})
    kept = journal.path.read_bytes()
    add(journal, {"b": "x" * length})
    journal.path.write_bytes(journal.path.read_bytes()[:-1])
    assert journal.events() == [{"a": 1}]
    add(journal, {"c": 3})
    assert journal.events() == [{"a": 1}, {"c": 3}]
    assert journal.path.read_bytes().startswith(kept)


def test_what_is_added_is_on_disk(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are in the file when it is fsynced, and it is when adding returns; the name of a new
    journal is too."""
    synced: list[tuple[str, int]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        synced.append((path, os.fstat(descriptor).st_size))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    add(journal, {"a": 1})
    assert synced[-1] == (str(journal.path), journal.path.stat().st_size)
    assert str(journal.path.parent) in [path for path, _ in synced]


def test_a_file_system_without_locks_is_refused(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says why, and what to do; nothing is added."""

    def flock(file: object, operation: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(module.fcntl, "flock", flock)
    with pytest.raises(StorageError, match=r"has no locks, .*; hint: .* random, sobol, halton"):
        add(journal, {"a": 1})
    assert journal.events() == []


def test_a_failure_to_read_is_called_that(tmp_path: Path) -> None:
    """A journal that cannot be read is named with the system's reason, not as one that could not be
    written."""
    journal = Journal(tmp_path)
    journal.path.parent.mkdir()
    journal.path.symlink_to(journal.path)
    with pytest.raises(DataFileError, match=r"search/journal: cannot be read: .*symbolic links"):
        journal.events()


def test_what_lies_in_its_place_is_not_written_to(tmp_path: Path) -> None:
    """A link in the journal's place does not lead to another file, nor is a FIFO waited for."""
    journal, outside = Journal(tmp_path / "e"), tmp_path / "outside"
    journal.path.parent.mkdir(parents=True)
    outside.write_text("kept")
    journal.path.symlink_to(outside)
    with pytest.raises(StorageError), journal.writing():
        pass
    assert outside.read_text() == "kept"
    journal.path.unlink()
    os.mkfifo(journal.path)
    with pytest.raises(StorageError, match="no regular file"), journal.writing():
        pass


def test_a_long_wait_is_told(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever may read a journal can hold it for ever: who waits for it says for what, once, and
    goes on when it is let go of."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.2)
    add(journal, {"a": 1})
    with open(journal.path) as held, ThreadPoolExecutor(1) as pool:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = pool.submit(add, journal, {"a": 2})
        time.sleep(0.5)
        assert not waiting.done()
        fcntl.flock(held, fcntl.LOCK_UN)
        waiting.result(timeout=60)
    assert journal.events() == [{"a": 1}, {"a": 2}]
    said = capsys.readouterr().err
    assert said.count("another process holds it") == 1
    assert str(journal.path) in said
