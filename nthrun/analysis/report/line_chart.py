"""Learning curves as an SVG, and the numbers that a pointer over them shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nthrun.analysis.curves import Curve
from nthrun.analysis.figures.bands import band_of
from nthrun.analysis.figures.curves import legend_text, shown_runs
from nthrun.analysis.figures.saving import Shown
from nthrun.analysis.figures.style import Look
from nthrun.analysis.report.markup import Html, element
from nthrun.analysis.report.scale import Scale, fitted, step_text, tick_text
from nthrun.analysis.report.standing import rounded

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 72, 704, 14, 292
NUM_THIN_POINTS = 160
MAX_THIN = 60
"""Lines of single runs in one chart."""
DASHES = {"-": None, "--": "7 4", ":": "2 3", "-.": "8 3 2 3"}


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """What is drawn.

    Attributes:
        name: of the chart, unique on the page.
        summary: what it shows, for those who do not see it.
        curves: label -> curve.
        looks: of each.
        log: the vertical axis is logarithmic, of magnitudes.
    """

    name: str
    summary: str
    curves: Mapping[str, Curve]
    looks: Sequence[Look]
    log: bool = False

    def shown(self) -> list[Shown]:
        """The runs it shows."""
        return [
            Shown(c.source, label, c.stage, c.setting_number, c.indices)
            for label, c in self.curves.items()
        ]


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """A curve as it is drawn: magnitudes on a logarithmic axis."""

    grid: np.ndarray
    runs: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def draw(chart: Chart) -> tuple[Html, dict[str, Any]]:
    """The SVG with its legend, and the numbers for a script."""
    drawn = [_drawn(curve, chart.log) for curve in chart.curves.values()]
    across = fitted([one.grid.astype(float) for one in drawn], LEFT, RIGHT)
    values = [part for one in drawn for part in (one.runs, one.mean, one.low, one.high)]
    up = fitted(values, BOTTOM, TOP, chart.log)
    thin = MAX_THIN // max(1, len(drawn))
    lines = [
        _curve(number, one, look, (across, up), thin)
        for number, (one, look) in enumerate(zip(drawn, chart.looks, strict=True))
    ]
    quantity = " or ".join(dict.fromkeys(curve.quantity for curve in chart.curves.values()))
    svg = element(
        "svg",
        _grid(across, up, f"|{quantity}|" if chart.log else quantity),
        *lines,
        element("line", class_="cursor", x1=LEFT, x2=LEFT, y1=TOP, y2=BOTTOM, visibility="hidden"),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=chart.summary,
    )
    keys = [
        element("li", _swatch(look), " ", legend_text(label, curve), data_curve=number)
        for number, ((label, curve), look) in enumerate(
            zip(chart.curves.items(), chart.looks, strict=True)
        )
    ]
    whole = element(
        "div",
        element("div", svg, class_="paper"),
        element("ul", *keys, class_="legend"),
        element("output", class_="hover"),
        class_="curves",
        data_chart=chart.name,
    )
    return whole, _numbers(chart, drawn, across)


def dash_of(look: Look) -> str | None:
    """A line style as SVG says it."""
    if isinstance(look.style, str):
        return DASHES[look.style]
    return " ".join(str(2 * part) for part in look.style[1])


def axis_label(x: float, y: float, text: str, turned: bool = False) -> Html:
    """The name of an axis."""
    rotation = f"rotate(-90 {x} {y})" if turned else None
    return element("text", text, x=x, y=y, text_anchor="middle", transform=rotation)


def _drawn(curve: Curve, log: bool) -> _Drawn:
    if not log:
        return _Drawn(curve.grid, curve.runs, curve.mean, curve.low, curve.high)
    runs = np.abs(curve.runs)
    band = band_of(runs)
    return _Drawn(curve.grid, runs, band.centre, band.low, band.high)


def _grid(across: Scale, up: Scale, quantity: str) -> Html:
    parts: list[str] = []
    x_ticks, y_ticks = across.ticks(), up.ticks()
    for tick, y in zip(y_ticks, up.places(np.array(y_ticks)).tolist(), strict=True):
        parts.append(
            element("line", class_="rule", x1=LEFT, x2=RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}")
        )
        parts.append(
            element("text", tick_text(tick), x=LEFT - 6, y=f"{y + 4:.1f}", text_anchor="end")
        )
    for tick, x in zip(x_ticks, across.places(np.array(x_ticks)).tolist(), strict=True):
        parts.append(
            element("text", step_text(tick), x=f"{x:.1f}", y=BOTTOM + 18, text_anchor="middle")
        )
    parts.append(element("line", class_="axis", x1=LEFT, x2=RIGHT, y1=BOTTOM, y2=BOTTOM))
    parts.append(axis_label((LEFT + RIGHT) / 2, HEIGHT - 8, "training step"))
    parts.append(axis_label(14, (TOP + BOTTOM) / 2, quantity, turned=True))
    return element("g", *parts, class_="axes")


def _curve(number: int, one: _Drawn, look: Look, scales: tuple[Scale, Scale], thin: int) -> Html:
    across, up = scales
    x = across.places(one.grid.astype(float))
    few = np.unique(np.linspace(0, len(x) - 1, NUM_THIN_POINTS).round().astype(int))
    runs = one.runs[shown_runs(one.runs)][:thin] if len(one.runs) > 1 else one.runs[:0]
    parts: list[str] = [
        element("path", class_="thin", d=_path(x[few], up.places(run[few]))) for run in runs
    ]
    if len(one.runs) > 1:
        parts.append(
            element("path", class_="band", d=_area(x, up.places(one.low), up.places(one.high)))
        )
    parts.append(
        element(
            "path", class_="mean", d=_path(x, up.places(one.mean)), stroke_dasharray=dash_of(look)
        )
    )
    return element("g", *parts, data_curve=number, stroke=look.colour, fill=look.colour)


def _path(x: np.ndarray, y: np.ndarray) -> str:
    """A line through the finite points, broken at the others."""
    text, down = [], False
    for place, height in zip(x.tolist(), y.tolist(), strict=True):
        finite = math.isfinite(height)
        if finite:
            text.append(f"{'L' if down else 'M'}{place:.1f} {height:.1f}")
        down = finite
    return "".join(text)


def _area(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    kept = np.isfinite(low) & np.isfinite(high)
    if kept.sum() < 2:
        return ""
    there = _path(x[kept], high[kept])
    back = _path(x[kept][::-1], low[kept][::-1])
    return f"{there}L{back[1:]}Z"


def _swatch(look: Look) -> Html:
    line = element(
        "line",
        x1=0,
        x2=28,
        y1=5,
        y2=5,
        stroke=look.colour,
        stroke_width=3,
        stroke_dasharray=dash_of(look),
    )
    return element("svg", line, viewBox="0 0 28 10", class_="swatch", aria_hidden="true")


def _numbers(chart: Chart, drawn: Sequence[_Drawn], across: Scale) -> dict[str, Any]:
    return {
        "name": chart.name,
        "steps": {"low": across.low, "high": across.high, "start": LEFT, "end": RIGHT},
        "curves": [
            {
                "label": label,
                "grid": one.grid.tolist(),
                "mean": [rounded(v, 5) for v in one.mean.tolist()],
                "low": [rounded(v, 5) for v in one.low.tolist()],
                "high": [rounded(v, 5) for v in one.high.tolist()],
            }
            for label, one in zip(chart.curves, drawn, strict=True)
        ],
    }
