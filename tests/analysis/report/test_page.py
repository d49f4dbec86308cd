"""Laws of the page: its texts are escaped, and those who cannot see it can read it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from analysis.report.report_sweep import page_of, sweep
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from nthrun.analysis.report.page import templates
from nthrun.terminal import printable_text

TABLES, CHARTS = (templates().get_template(name).module for name in ("tables.html", "charts.html"))
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"))


class Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(text: str) -> Reader:
    """HTML as a browser would see it."""
    reader = Reader()
    reader.feed(str(text))
    reader.close()
    return reader


@settings(deadline=None)  # the first call compiles the template
@given(texts, texts)
def test_any_text(text: str, caption: str) -> None:
    """Any text is seen as it is, within an element and in an attribute, but that control characters
    are written out; it is never a tag."""
    seen = read(TABLES.table(caption, [text], [[text, text]]))  # type: ignore[attr-defined]
    names = "div table caption thead tr th tbody tr th td"
    assert [tag for tag, _ in seen.tags] == names.split()
    shown, captioned = printable_text(text), printable_text(caption)
    assert seen.tags[0][1]["aria-label"] == captioned
    assert "".join(seen.text.split()) == "".join((captioned + 3 * shown).split())


@settings(deadline=None)
@given(st.recursive(texts | st.none() | st.booleans(), st.lists))
def test_any_json(document: object) -> None:
    """JSON in a script reads back the same and cannot end the script."""
    seen = read(CHARTS.numbers(document))  # type: ignore[attr-defined]
    assert seen.tags == [("script", {"type": "application/json"})]
    assert json.loads(seen.text) == document


def test_missing_name() -> None:
    """A name that a template lacks is an error, not an empty place."""
    with pytest.raises(UndefinedError):
        templates().from_string("<p>{{ summary }}</p>").render()


def test_accessible(tmp_path: Path) -> None:
    """Pictures have texts, drawings names, headers scopes, and headings leave no level out; nothing
    points outside the page."""
    seen = read(page_of({"x": sweep(tmp_path / "e")}, tmp_path / "r.html").read_text())
    for tag, attributes in seen.tags:
        if tag == "img":
            assert attributes["alt"]
        if tag == "th":
            assert attributes["scope"] in ("row", "col")
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden")
        for name in ("src", "href"):
            assert str(attributes.get(name, "#")).startswith(("#", "data:"))
    levels = [int(tag[1]) for tag, _ in seen.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert max(np.diff(levels)) == 1


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_contrast(scheme: str) -> None:
    """Texts stand out from their ground by a factor of 4.5, as WCAG 2 asks."""
    css = resources.files("nthrun.analysis.report").joinpath("templates/page.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    block = dict(zip(["light", "dark", "print"], blocks, strict=True))[scheme]
    colours = dict(re.findall(r"--(\w+): (#\w{6})", block))
    for text in ("ink", "quiet", "link", "warning"):
        for ground in ("ground", "stripe"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def contrast(one: str, other: str) -> float:
    """(L1 + .05) / (L2 + .05) of relative luminances (WCAG 2)."""
    lights = sorted(luminance(colour) for colour in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour (WCAG 2)."""
    parts = np.array([int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
