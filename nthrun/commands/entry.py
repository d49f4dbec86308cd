"""How every entry point ends: one line per error on stderr, and an exit code.

0  done                  1  a run failed, or records conflict     2  bad input
3  not comparable (verify)                  130, 143  interrupted, to be continued
"""

from __future__ import annotations

import io
import sys
import traceback
from typing import NoReturn

import click

from nthrun.errors import NthrunError

UNEXPECTED = 1


def execute(command: click.Command) -> NoReturn:
    """Run a click command and exit; a traceback shows only with --debug."""
    debug = "--debug" in sys.argv
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # a path's bytes come out as typed
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
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        code = _report([f"unexpected {text}; hint: --debug shows where"], UNEXPECTED, debug)
    sys.exit(code if isinstance(code, int) else 0)


def _report(lines: list[str], code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    return code
