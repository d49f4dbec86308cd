"""Laws of what the page is written and drawn with."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from analysis.report.made import found_in, page_of, sweep
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from nthrun.analysis.ranking import ranked_settings
from nthrun.analysis.report import coordinates
from nthrun.analysis.report.markup import element, json_for_script
from nthrun.analysis.report.pictures import distribution
from nthrun.analysis.report.scale import fitted, linear_ticks
from nthrun.analysis.report.standing import standing

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"))
numbers = st.floats(-1e9, 1e9, allow_subnormal=False)


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
    reader.feed(text)
    reader.close()
    return reader


@given(texts, texts)
def test_any_text(text: str, attribute: str) -> None:
    """Any text is seen as it is, within an element and in an attribute, and is never a tag."""
    seen = read(element("p", text, title=attribute))
    assert seen.tags == [("p", {"title": attribute})]
    assert seen.text == text


@given(st.recursive(texts | st.none() | st.booleans(), st.lists))
def test_any_json(document: object) -> None:
    """JSON in a script reads back the same and cannot end the script."""
    text = json_for_script(document)
    assert json.loads(text) == document
    assert "<" not in text


@given(st.lists(numbers, min_size=1), st.booleans())
def test_scale(values: list[float], log: bool) -> None:
    """All values stand within the axis, in order, and so do its ticks, of which there are some."""
    kept = np.unique([abs(v) + 1e-6 if log else v for v in values])
    scale = fitted([kept, np.array([np.nan, np.inf])], 300.0, 10.0, log)
    places = scale.places(kept)
    assert (places >= 10 - 1e-6).all() and (places <= 300 + 1e-6).all()
    assert (np.diff(places) <= 0).all()
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 25
    assert all(10 - 1e-3 <= place <= 300 + 1e-3 for place in scale.places(np.array(ticks)))


def test_ticks() -> None:
    """Ticks are round."""
    assert linear_ticks(0, 20_000) == [0, 5000, 10_000, 15_000, 20_000]
    assert linear_ticks(-0.31, 0.12) == [-0.3, -0.2, -0.1, 0, 0.1]


def test_colours() -> None:
    """Colours of settings are those of the other figures."""
    steps = np.linspace(0, 1, len(coordinates.COLOURS))
    assert [to_hex(mpl.colormaps["cividis"](step)) for step in steps] == list(coordinates.COLOURS)


@pytest.mark.parametrize("number", [1, 600, 601, 10_000])
def test_drawn_rows(number: int) -> None:
    """At most 600 settings are drawn, each once, the best and the worst among them."""
    rows = coordinates.drawn_rows(number)
    assert rows == sorted(set(rows))
    assert len(rows) == min(number, 600)
    assert (rows[0], rows[-1]) == (0, number - 1)


def test_parallel_lines(tmp_path: Path) -> None:
    """Every setting is a line: higher where it is better, dotted where it lost runs."""
    found = found_in(sweep(tmp_path / "e"))
    settings = ranked_settings(found.scores)
    html, told = coordinates.draw("p", settings, standing(settings, found.choice))
    lines = {int(a["data-row"] or 0): a for tag, a in read(html).tags if tag == "polyline"}
    heights = told["axes"][-1]["y"]
    assert [axis["name"] for axis in told["axes"]] == ["critic_lr", "decay", "return"]
    assert heights[:5] == sorted(heights[:5])
    assert [row for row, line in lines.items() if "stroke-dasharray" in line] == [5]


def test_long_names(tmp_path: Path) -> None:
    """Two long names of which a picture shows the same beginning and end are drawn apart, and
    dollar signs are no mathematics."""
    found = found_in(sweep(tmp_path / "e"))
    labels = ["$x^$" + "a" * 80 + middle + "b" * 80 for middle in "12"]
    plot = distribution(dict.fromkeys(labels, (found, found.scores)))
    assert plot
    [address] = re.findall(r"base64,([^\"]+)", plot.body)
    texts = re.findall(r"<!-- (.*?) -->", base64.b64decode(address).decode())
    assert [text[:4] for text in texts if "…" in text] == ["1: $", "2: $"]


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
    css = resources.files("nthrun.analysis.report").joinpath("page.css").read_text()
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
