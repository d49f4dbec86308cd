"""Entry points called in this process, up to where they end."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from unittest import mock

import click
import submitit  # noqa: F401 - see below

from nthrun.commands.entry import execute

# submitit is imported here because its import ends what logging writes to. absl, which dm_control
# brings, then closes the stream that it took for stderr, unless that is stderr still: within
# `ended` it would not be, and that of pytest would be closed.


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended and what it printed; bytes of stdout that are no UTF-8 as surrogates."""

    code: object
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines on stderr."""
        return self.err.removesuffix("\n").split("\n") if self.err else []


def ended(command: click.Command, *words: str | Path) -> Outcome:
    """Call an entry point with a command line, its streams as strict as a terminal's."""
    out = TextIOWrapper(BytesIO(), "utf-8", errors="strict", write_through=True)
    err = TextIOWrapper(BytesIO(), "utf-8", errors="backslashreplace", write_through=True)
    argv = mock.patch.object(sys, "argv", ["nthrun", *map(str, words)])
    code: object = "did not exit"
    with argv, redirect_stdout(out), redirect_stderr(err):
        try:
            execute(command)
        except SystemExit as done:
            code = done.code
    printed, complaints = (
        stream.detach().getvalue().decode("utf-8", "surrogateescape") for stream in (out, err)
    )
    return Outcome(code, printed, complaints)
