"""What is printed: nothing that a file, a path or a log says can command the terminal."""

from __future__ import annotations

import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nthrun.errors import DataFileError
from nthrun.terminal import complain, is_plain, note, printable, show, show_text, warn

ESCAPE = "\x1b]0;title\x07"
LETTERS = st.text(st.characters(codec=None), max_size=30)


@given(LETTERS)
def test_no_control_character_is_left(text: str) -> None:
    """Of any text nothing is left that moves a cursor, ends a line or turns a direction; what has
    none of that stays as it is."""
    shown = printable(text)
    assert is_plain(shown)
    assert not [letter for letter in shown if unicodedata.category(letter) == "Cc"]
    assert (shown == text) == is_plain(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x9b1m", r"\x9b1m"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
        ("a\u2028b", r"a\u2028b"),
        ("é 名 😀 \u3000", "é 名 😀 \u3000"),
        ("caf\udce9", "caf\udce9"),
        ("\udc9b1m", r"\x9b1m"),
        ("\ud800", r"\ud800"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    """As Python writes them; letters of any language and bytes of a path stay."""
    assert printable(text) == shown


def test_every_line_goes_through_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines, notes, warnings and errors are one line each; a table keeps its own lines and tabs."""
    for say in (show, note, warn, complain):
        say(f"a{ESCAPE}\nb")
    show_text(f"a{ESCAPE}\tb\n  c")
    output, errors = capsys.readouterr()
    assert output == "a\\x1b]0;title\\x07\\nb\na\\x1b]0;title\\x07\tb\n  c\n"
    starts = [line.partition(":")[0] for line in errors.splitlines()]
    assert starts == ["note", "warning", "error"]
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", errors)
    file = io.StringIO()
    show("x", file)
    assert file.getvalue() == "x\n"


def test_errors_say_what_they_got() -> None:
    """An error's own text holds what it was given, so that it is what prints it that escapes."""
    assert ESCAPE.split("\x07", maxsplit=1)[0] in str(DataFileError(ESCAPE))
