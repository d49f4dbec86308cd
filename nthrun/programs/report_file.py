"""The report file of an attempt: read while it is written, on top of what went before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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

READ_BYTES = 2**22


class ReportFile:
    """What an attempt reports.

    An attempt that begins anew counts alone. One that says from where it goes on, by `continue` in
    its first line, keeps what earlier ones reported up to there.

    Args:
        scratch: of the run.
        attempt: its number.

    Attributes:
        reports: what counts so far.
        continues: whether an earlier attempt is continued.
        continued_step: the step from which it is; 0 of one that begins anew.
    """

    def __init__(self, scratch: Scratch, attempt: int) -> None:
        self.reports = Reports()
        self.continues = False
        self.continued_step = 0
        self._scratch, self._attempt = scratch, attempt
        self._path = scratch.report(attempt)
        self._read_bytes = 0
        self._rest = b""
        self._num_lines = 0
        _truncate(self._path)

    def read(self) -> None:
        """Take in the lines that were written since.

        Raises:
            ReportError: a line cannot be; the message has its number.
        """
        for content in _content_from(self._path, self._read_bytes):
            self._read_bytes += len(content)
            *lines, self._rest = (self._rest + content).split(b"\n")
            for line in lines:
                self._take(line)
            if len(self._rest) > MAX_LINE_BYTES:
                self._take(self._rest)

    def finish(self) -> None:
        """Take in a last line that has no end.

        Raises:
            ReportError: as `read`.
        """
        self.read()
        rest, self._rest = self._rest, b""
        self._take(rest)

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
    content = b"".join(_content_from(path, 0))
    return (line for line in content.split(b"\n") if line.strip())


def _content_from(path: Path, start: int) -> Iterator[bytes]:
    """What a file holds from a place on; nothing where it is not there or no regular file."""
    try:
        if not path.is_file() or path.stat().st_size <= start:
            return
        with open(path, "rb") as file:
            file.seek(start)
            while content := file.read(READ_BYTES):
                yield content
    except OSError:
        return


def _truncate(path: Path) -> None:
    """Make an empty file; a program may find the name before it writes there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    os.close(descriptor)
