"""How every entry point ends: one line per error on stderr, and an exit code.

0  done                  1  a run failed, or records conflict     2  bad input
3  not comparable (verify)                  130, 143  interrupted, to be continued
"""

from __future__ import annotations

import io
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import NoReturn

import click

from nthrun.errors import NthrunError, described, missing_torch
from nthrun.terminal import complain, printable, show_text

UNEXPECTED = 1
LOGS_OF_TORCH = "TORCH_LOGS"
"""A variable for who looks into torch, which does not load where it names what is not there."""


def execute(command: click.Command) -> NoReturn:
    """Run a click command and exit; a traceback shows only with --debug."""
    debug = "--debug" in sys.argv
    os.environ.pop(LOGS_OF_TORCH, None)
    warnings.formatwarning = _warning
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # a path's bytes come out as typed
    stdout = sys.stdout
    try:
        code = command.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        code = done.exit_code
    except NthrunError as error:
        code = _report(error.lines(), error.exit_code, debug)
    except click.ClickException as error:
        code = _report([" ".join(error.format_message().split())], error.exit_code, debug)
    except (KeyboardInterrupt, click.Abort):
        code = _report(["interrupted"], 130, debug)
    except BaseException as error:  # a user's own code may even ask Python to end
        # Where nobody reads any more, as behind `| head`, click exits with another stream there.
        told = sys.stdout is stdout
        if missing := missing_torch(error):
            sys.exit(_report(missing.lines(), missing.exit_code, debug))
        code = _report([_line_of(error)] * told, UNEXPECTED, debug and told)
    sys.exit(code if isinstance(code, int) else 0)


def called_as(program: str) -> str:
    """How to call an entry point again.

    Args:
        program: the first word of its command line, as `sys.argv` has it.
    """
    name = Path(program).name
    if name == "__main__.py":
        return "python -m nthrun"
    return f"python {name}" if name.endswith(".py") else name


def _warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """A warning of Python's on one line, its control characters written out."""
    return f"warning: {printable(f'{category.__name__}: {message}')}\n"


def _line_of(error: BaseException) -> str:
    """What ended a command though no code foresees it; a path that the system refuses is named."""
    if isinstance(error, OSError) and error.strerror:
        place = error.filename or _unnamed_place()
        return " ".join(f"{place}: {error.strerror}".split())
    return f"unexpected {described(error)}; hint: --debug shows where"


def _unnamed_place() -> str:
    """What an error of the system may be about that names no file."""
    try:
        os.getcwd()
    except OSError:
        return "the working directory"
    return "what is printed, or a file that is open"


def _report(lines: list[str], code: int, debug: bool) -> int:
    if debug:
        show_text(traceback.format_exc().rstrip(), sys.stderr)
    for line in lines:
        complain(line)
    return code
