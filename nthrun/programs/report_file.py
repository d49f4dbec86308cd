"""The report file of an attempt: read while it is written, on top of what went before."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from nthrun.programs.report_lines import (
    ATTEMPT,
    CONTINUE,
    LINES,
    MAX_LINE_BYTES,
    ReportError,
    Reports,
    parse_line,
)
from nthrun.programs.scratch import Scratch

READ_BYTES = 2**18
READ_SECONDS = 0.2
"""Time for which lines are taken in before something else is looked at."""
TAIL_BYTES = 256
"""By so much of what was read last a file is known not to have been written anew."""
BEGIN = b"\n"
"""What the file begins with, so that one that is written anew is noticed."""
GONE = "its scratch directory was deleted: leave that, and {scratch}/.nthrun, to nthrun"
FILE_GONE = "its report file was deleted, so that lines are lost: leave it where it is"
WRITTEN_ANEW = "the report file was written anew, so that lines are lost: open it to append"


class ReportFile:
    """What an attempt reports.

    An attempt that begins anew counts alone. One that says from where it goes on, by `continue` in
    its first line, keeps what earlier ones reported up to there.

    Args:
        scratch: of the run.
        attempt: its number.

    Attributes:
        reports: what counts so far.
        is_written_anew: whether the file was emptied before a line of it was read.
        continues: whether an earlier attempt is continued.
        continued_step: the step from which it is; 0 of one that begins anew.
    """

    def __init__(self, scratch: Scratch, attempt: int) -> None:
        self.reports = Reports()
        self.continues = False
        self.continued_step = 0
        self.is_written_anew = False
        self._scratch, self._attempt = scratch, attempt
        self._path = scratch.report(attempt)
        self._read_bytes = len(BEGIN)
        self._tail = BEGIN
        self._seen: tuple[int, int] | None = None
        self._rest = b""
        self._num_lines = 0
        _begin(self._path)

    def read(self) -> bool:
        """Take in lines that were written since, for a while.

        Returns:
            whether there are no more for now.

        Raises:
            ReportError: a line cannot be; the message has its number. Or lines are lost.
        """
        until = time.monotonic() + READ_SECONDS
        status = _status(self._path)
        if status is None and not self._scratch.own.is_dir():
            raise ReportError(GONE)
        if status is None or status == self._seen:
            return True
        try:
            with open(self._path, "rb") as file:
                self._go_to_unread(file)
                while content := file.read(READ_BYTES):
                    self._add(content)
                    if time.monotonic() > until:
                        return False
        except OSError:
            return True
        self._seen = status if status[0] == self._read_bytes else None
        return True

    def finish(self) -> None:
        """Take in all that is left, a last line that has no end too.

        Raises:
            ReportError: as `read`.
        """
        while not self.read():
            pass
        if _status(self._path) is None:
            raise ReportError(FILE_GONE)
        rest, self._rest = self._rest, b""
        self._take(rest)

    def _go_to_unread(self, file: BinaryIO) -> None:
        """Go to what was not read yet.

        Raises:
            ReportError: the file is not the one that was read any more.
        """
        file.seek(self._read_bytes - len(self._tail))
        if file.read(len(self._tail)) == self._tail:
            return
        if self._num_lines or self._rest:
            raise ReportError(WRITTEN_ANEW)
        self.is_written_anew = True
        self._read_bytes, self._tail = 0, b""
        file.seek(0)

    def _add(self, content: bytes) -> None:
        self._read_bytes += len(content)
        self._tail = (self._tail + content)[-TAIL_BYTES:]
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._rest) > MAX_LINE_BYTES:
            self._take(self._rest)

    def _take(self, text: bytes) -> None:
        if not text.strip():
            return
        self._num_lines += 1
        try:
            line = parse_line(text)
            if CONTINUE in line:
                self._continue(line)
            else:
                self.reports.add(line)
        except ReportError as error:
            raise ReportError(f"report line {self._num_lines}: {error}") from None

    def _continue(self, line: dict[str, Any]) -> None:
        if self._num_lines > 1:
            raise ReportError(f"{CONTINUE}: allowed in the first line alone")
        step = line[CONTINUE]
        earlier = line.get(ATTEMPT, self._attempt - 1)
        if not 0 <= earlier < self._attempt:
            raise ReportError(f"{CONTINUE}: there is no earlier attempt")
        self.reports = _reported(self._scratch, earlier, line.get(LINES), step)
        self.continues, self.continued_step = True, step


def _reported(scratch: Scratch, attempt: int, num_lines: int | None, step: int) -> Reports:
    """What an earlier attempt reported, with what it went on from.

    Args:
        scratch: of the run.
        attempt: its number.
        num_lines: of its file that count; None are those up to a step.
        step: of training.
    """
    reports, taken = Reports(), 0
    for text in _lines_of(scratch.report(attempt)):
        try:
            line = parse_line(text)
        except ReportError:
            break  # cut short
        if num_lines is not None and taken == num_lines:
            break
        taken += 1
        if CONTINUE in line:
            earlier = line.get(ATTEMPT, attempt - 1)
            if 0 <= earlier < attempt:
                reports = _reported(scratch, earlier, line.get(LINES), line[CONTINUE])
            continue
        if num_lines is None and line.get("step", 0) > step:
            break
        reports.add(line)
    return reports


def _lines_of(path: Path) -> Iterator[bytes]:
    try:
        content = path.read_bytes() if _status(path) else b""
    except OSError:
        return iter(())
    return (line for line in content.split(b"\n") if line.strip())


def _status(path: Path) -> tuple[int, int] | None:
    """Size of a regular file, and when it was written; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def _begin(path: Path) -> None:
    """Make a file without lines; a program may find the name before it writes there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    with open(descriptor, "wb") as file:
        file.write(BEGIN)
