"""Writing HTML: everything that is not HTML already is escaped."""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

VOID = ("img", "input", "meta", "line", "rect", "path", "polyline", "circle")
NOTHING = "–"
MAX_TEXT = 300


class Html(str):
    """A text that is HTML already."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: object) -> Html:
    """An element.

    Args:
        name: of the tag.
        children: texts, which are escaped, and HTML, which is not.
        attributes: `_` stands for `-`, and is dropped at the end; those that are None or False
            are left out.
    """
    written = "".join(
        f' {_attribute_name(key)}="{html.escape(_attribute_text(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in VOID:
        return Html(f"<{name}{written}/>")
    return Html(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: str) -> Html:
    """Texts and HTML, one after the other."""
    return Html("".join(one if isinstance(one, Html) else html.escape(one) for one in children))


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], **attributes: object
) -> Html:
    """A table whose first column names its rows."""
    titles = [element("th", title, scope="col") for title in head]
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", cell) for cell in row[1:]),
        )
        for row in rows
    ]
    inner = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *titles)),
        element("tbody", *body),
        **attributes,
    )
    return element("div", inner, class_="wide", tabindex="0", role="region", aria_label=caption)


def details(summary: str, *children: str, **attributes: object) -> Html:
    """Something that is folded away."""
    return element("details", element("summary", summary), *children, **attributes)


def json_for_script(document: Any) -> str:
    """JSON that can stand in a `<script>`: none of it can end the element."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def data_address(content: bytes, kind: str) -> str:
    """Content as an address of its own.

    Args:
        content: of a file.
        kind: its media type.
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def number_text(number: float | None) -> str:
    """A number as tables show it."""
    return NOTHING if number is None or math.isnan(number) else f"{number:.6g}"


def shortened(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def _attribute_name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _attribute_text(value: object) -> str:
    return "" if value is True else str(value)
