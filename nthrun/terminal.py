"""What reaches a terminal: lines of ours, in which no text of others can pass for a command.

Names, reasons, paths and logs come from files that anybody may have written. A terminal obeys the
control characters in what it shows: it moves the cursor, changes its title, answers questions. So
everything that is printed goes through here, or is passed through `printable`.
"""

from __future__ import annotations

import contextlib
import sys
import unicodedata
from typing import TextIO

REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters by which a text is shown in another order than it is in."""
SEPARATORS = frozenset("\u2028\u2029")


def printable(text: object) -> str:
    r"""A text on one line, its control characters written out, as in `\x1b` or `\n`.

    Bytes of a path that are no text, which Python keeps as surrogates, come out as they are, but
    for those that are control characters of their own. Other surrogates cannot be printed at all.
    """
    return "".join(_escaped(letter) if _is_control(letter) else letter for letter in str(text))


def printable_text(text: str) -> str:
    """A text of several lines, its control characters written out but for newlines and tabs."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def readable_text(text: str) -> str:
    """As `printable_text`, for what takes no bytes of a path that are no text, such as a font: each
    is shown as a mark that stands for what cannot be read."""
    return printable_text(text).encode(errors="surrogateescape").decode(errors="replace")


def is_plain(text: str) -> bool:
    """Whether a text has no control character."""
    return not any(map(_is_control, text))


def show(line: object, file: TextIO | None = None) -> None:
    """Print a line, on stdout where no file is given."""
    print(printable(line), file=file or sys.stdout, flush=True)


def show_text(text: str, file: TextIO | None = None) -> None:
    """Print lines that may hold tabs: a table, or a text of ours."""
    print(printable_text(text), file=file or sys.stdout, flush=True)


def note(line: object) -> None:
    """Print a note on stderr; where nobody can read it any more, what is noted goes on."""
    with contextlib.suppress(OSError):
        print(f"note: {printable(line)}", file=sys.stderr)


def warn(line: object) -> None:
    """Print a warning on stderr."""
    print(f"warning: {printable(line)}", file=sys.stderr)


def complain(line: object) -> None:
    """Print an error on stderr."""
    print(f"error: {printable(line)}", file=sys.stderr)


def _is_control(letter: str) -> bool:
    if letter in REORDERING or letter in SEPARATORS:
        return True
    is_byte_of_path = "\udca0" <= letter <= "\udcff"
    return unicodedata.category(letter) in ("Cc", "Cs") and not is_byte_of_path


def _escaped(letter: str) -> str:
    if "\udc80" <= letter <= "\udc9f":
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()
