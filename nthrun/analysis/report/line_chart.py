"""Learning curves as the page draws them: lines and bands of an SVG, and numbers for a script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nthrun.analysis.curves import Curve
from nthrun.analysis.figures.curves import legend_text, shown_runs
from nthrun.analysis.figures.style import Look
from nthrun.analysis.figures.value_scale import value_text
from nthrun.analysis.report.settings_table import rounded

LEFT, RIGHT, TOP, BOTTOM = 72, 704, 14, 292
"""The axes, in units of the SVG."""
NUM_TICKS = 5
STEP_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
NUM_THIN_POINTS = 160
MAX_THIN = 60
"""Lines of single runs in one chart."""
DASHES = {"-": None, "--": "7 4", ":": "2 3", "-.": "8 3 2 3"}


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One curve of a chart.

    Attributes:
        legend: what it is.
        colour, dash: of the line, as SVG says them; None is a solid line.
        runs: paths of single runs.
        band: the path around the band; empty where there is none.
        mean: the path of the mean.
    """

    legend: str
    colour: str
    dash: str | None
    runs: Sequence[str]
    band: str
    mean: str


@dataclass(frozen=True, slots=True, eq=False)
class LineChart:
    """A chart of learning curves.

    Attributes:
        summary: what it shows, for those who do not see it.
        lines: the curves, in their order.
        x_ticks, y_ticks: (position, text) of the values named on the axes.
        quantity: the name of the vertical axis.
        numbers: the numbers that a script shows at the pointer.
    """

    macro: ClassVar[str] = "line_chart"
    summary: str
    lines: Sequence[ChartLine]
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    quantity: str
    numbers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis.

    Attributes:
        low, high: the values at its ends, different.
        start, end: their positions.
        log: logarithmic, of positive values.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def positions(self, values: np.ndarray) -> np.ndarray:
        """Positions of values; NaN of those that are not finite, or not positive on a log axis."""
        with np.errstate(invalid="ignore", divide="ignore"):
            numbers = np.log10(np.where(values > 0, values, np.nan)) if self.log else values
        low, high = (math.log10(end) if self.log else end for end in (self.low, self.high))
        share = (np.where(np.isfinite(numbers), numbers, np.nan) - low) / (high - low)
        return np.asarray(self.start + share * (self.end - self.start))

    def ticks(self) -> list[tuple[float, float]]:
        """A few round values within it, and their positions."""
        values = self._round_values()
        return list(zip(values, self.positions(np.array(values)).tolist(), strict=True))

    def _round_values(self) -> list[float]:
        if not self.log:
            return linear_ticks(self.low, self.high)
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        every = max(1, (last - first) // NUM_TICKS)
        digits = (1.0,) if last - first > 2 else (1.0, 2.0, 5.0)
        ticks = [digit * 10.0**e for e in range(first, last + 1, every) for digit in digits]
        within = [tick for tick in ticks if self.low <= tick <= self.high]
        return within or [self.low, self.high]


def line_chart(
    summary: str, curves: Mapping[str, Curve], looks: Sequence[Look], log: bool = False
) -> LineChart:
    """The chart of learning curves.

    Args:
        summary: what it shows.
        curves: label -> curve.
        looks: the look of each.
        log: the vertical axis is logarithmic, of magnitudes.
    """
    drawn = [curve.magnitudes() if log else curve for curve in curves.values()]
    across = fitted([curve.grid.astype(float) for curve in drawn], LEFT, RIGHT)
    heights = [y for curve in drawn for y in (curve.runs, curve.mean, *curve.band)]
    up = fitted(heights, BOTTOM, TOP, log)
    num_thin = MAX_THIN // max(1, len(drawn))
    return LineChart(
        summary=summary,
        lines=[
            _line(legend_text(label, curve), curve, look, (across, up), num_thin)
            for label, curve, look in zip(curves, drawn, looks, strict=True)
        ],
        x_ticks=[(x, step_text(tick)) for tick, x in across.ticks()],
        y_ticks=[(y, value_text(tick)) for tick, y in up.ticks()],
        quantity=" or ".join(dict.fromkeys(curve.quantity for curve in drawn)),
        numbers=_numbers(list(curves), drawn, across),
    )


def fitted(values: Sequence[np.ndarray], start: float, end: float, log: bool = False) -> Scale:
    """The scale that holds all finite values, with a little room at both ends."""
    joined = np.concatenate([np.ravel(each) for each in values] or [np.empty(0)])
    kept = joined[np.isfinite(joined) & ((joined > 0) | (not log))]
    low, high = (float(kept.min()), float(kept.max())) if kept.size else (0.5, 1.0)
    if log:
        low, high = (low / 2, high * 2) if low == high else (low, high)
        room = (high / low) ** 0.03
        return Scale(low / room, high * room, start, end, True)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        spread = abs(low) / 2 or 1.0
        low, high = low - spread, high + spread
    room = 0.03 * (high - low)
    return Scale(low - room, high + room, start, end)


def linear_ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two values."""
    rough = (high - low) / NUM_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= 0.999 * rough)
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [float(f"{number * step:.12g}") for number in numbers]


def step_text(value: float) -> str:
    """A number of steps: 20k instead of 20000."""
    for unit, name in STEP_UNITS:
        if abs(value) >= unit:
            return f"{value / unit:.4g}{name}"
    return f"{value:.6g}"


def dash_of(look: Look) -> str | None:
    """A line style as SVG says it."""
    if isinstance(look.style, str):
        return DASHES[look.style]
    return " ".join(str(2 * length) for length in look.style[1])


def _line(
    legend: str, curve: Curve, look: Look, scales: tuple[Scale, Scale], num_thin: int
) -> ChartLine:
    across, up = scales
    x = across.positions(curve.grid.astype(float))
    few = np.unique(np.linspace(0, len(x) - 1, NUM_THIN_POINTS).round().astype(int))
    several = len(curve.runs) > 1
    runs = curve.runs[shown_runs(curve.runs)][:num_thin] if several else curve.runs[:0]
    return ChartLine(
        legend=legend,
        colour=look.colour,
        dash=dash_of(look),
        runs=[_path(x[few], up.positions(run[few])) for run in runs],
        band=_area(x, up.positions(curve.low), up.positions(curve.high)) if several else "",
        mean=_path(x, up.positions(curve.mean)),
    )


def _path(x: np.ndarray, y: np.ndarray) -> str:
    """A line through the finite points, broken at the others."""
    text, down = [], False
    for across, up in zip(x.tolist(), y.tolist(), strict=True):
        finite = math.isfinite(up)
        if finite:
            text.append(f"{'L' if down else 'M'}{across:.1f} {up:.1f}")
        down = finite
    return "".join(text)


def _area(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    """The outline of a band where it is finite; empty where that is no area."""
    kept = np.isfinite(low) & np.isfinite(high)
    if kept.sum() < 2:
        return ""
    upper = _path(x[kept], high[kept])
    lower = _path(x[kept][::-1], low[kept][::-1])
    return f"{upper}L{lower[1:]}Z"


def _numbers(labels: Sequence[str], curves: Sequence[Curve], across: Scale) -> dict[str, Any]:
    return {
        "steps": {"low": across.low, "high": across.high, "start": LEFT, "end": RIGHT},
        "curves": [
            {
                "label": label,
                "grid": curve.grid.tolist(),
                "mean": [rounded(v, 5) for v in curve.mean.tolist()],
                "low": [rounded(v, 5) for v in curve.low.tolist()],
                "high": [rounded(v, 5) for v in curve.high.tolist()],
            }
            for label, curve in zip(labels, curves, strict=True)
        ],
    }
