"""Figures: their colours, how they are saved, and learning curves.

Only this package draws. Figures are made and saved without pyplot, so that no global state,
window or backend is touched.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from itertools import cycle, product
from pathlib import Path
from textwrap import fill

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from nthrun.analysis.statistics import CONFIDENCE, Curve
from nthrun.errors import NthrunError, StorageError

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#F0E442",
)
"""The palette of Okabe and Ito, which colour-blind readers can tell apart; the palest last."""
LINE_STYLES = ("-", "--", ":", "-.")

SIZE_INCHES = (6.4, 4.4)
DOTS_PER_INCH = 200
MAX_THIN_LINES = 30
NUM_PER_GROUP = 5
LEGEND_CHARACTERS = 80
KINDS = ("png", "pdf", "svg")
"""Files that a figure can be saved as."""


def learning_curve_figure(curves: Mapping[str, Curve], title: str) -> Figure:
    """Learning curves: the mean over runs, its band, and thin lines for the runs.

    Of more than 30 runs only the best five, the middle five and the worst five are drawn. One
    run is drawn as one line without a band.

    Args:
        curves: label -> curve, drawn in this order.
        title: above the axes.
    """
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    looks = cycle((colour, style) for style, colour in product(LINE_STYLES, COLOURS))
    for (label, curve), (colour, style) in zip(curves.items(), looks, strict=False):
        _draw_curve(axes, curve, _legend_text(label, curve), colour, style)
    axes.set_title(title)
    axes.set_xlabel("training step")
    axes.set_ylabel(" or ".join(dict.fromkeys(curve.quantity for curve in curves.values())))
    axes.margins(x=0.01)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    figure.legend(loc="outside lower center", fontsize="small", frameon=False, **_heading(curves))
    return figure


def _draw_curve(axes: Axes, curve: Curve, text: str, colour: str, style: str) -> None:
    marker = "o" if len(curve.grid) == 1 else None
    axes.plot(
        curve.grid, curve.mean, color=colour, ls=style, lw=1.4, marker=marker, label=text, zorder=3
    )
    if len(curve.runs) > 1:
        axes.fill_between(
            curve.grid, curve.low, curve.high, color=colour, alpha=0.35, lw=0, zorder=2
        )
        thin = curve.runs[shown_runs(curve.runs)]
        axes.plot(curve.grid, thin.T, color=colour, lw=0.4, alpha=0.2, zorder=1)


def shown_runs(runs: np.ndarray) -> np.ndarray:
    """Rows of `runs` to draw one by one, best first.

    Args:
        runs: `(num_runs, num_points)`; rows without a finite value are never drawn.

    Returns:
        all rows if they are at most 30; else the five of the highest mean over the grid, the
        five around the median, the five of the lowest.
    """
    rows = np.flatnonzero(np.isfinite(runs).any(1))
    means = np.array([runs[row][np.isfinite(runs[row])].mean() for row in rows])
    order = rows[np.argsort(-means, kind="stable")]
    if len(order) <= MAX_THIN_LINES:
        return order
    middle = (len(order) - NUM_PER_GROUP) // 2
    groups = order[:NUM_PER_GROUP], order[middle : middle + NUM_PER_GROUP], order[-NUM_PER_GROUP:]
    return np.concatenate(groups)


def _legend_text(label: str, curve: Curve) -> str:
    """What a line is: label, setting, number of runs, and how many of them ended early."""
    num_runs = len(curve.indices)
    text = f"{label}, setting {curve.setting_number}, {num_runs} run{'s' * (num_runs != 1)}"
    stage = f", stage {curve.stage}" if curve.stage else ""
    early = Counter(status for status in curve.statuses if status != "completed")
    notes = [f"{count} {status}" for status, count in early.items()]
    if empty := int((~np.isfinite(curve.runs).any(1)).sum()):
        notes.append(f"{empty} without a finished episode")
    text += stage + (f" ({', '.join(notes)})" if notes else "")
    return fill(text, LEGEND_CHARACTERS)


def _heading(curves: Mapping[str, Curve]) -> dict[str, str]:
    """The legend's title: what line and band are; nothing where there is one run only."""
    if all(len(curve.runs) == 1 for curve in curves.values()):
        return {}
    band = f"{CONFIDENCE:.0%}".replace("%", " %")
    return {
        "title": f"mean over runs, {band} bootstrap band; thin: single runs",
        "title_fontsize": "small",
    }


def save_figure(
    figure: Figure, name: str, png_dir: Path, pdf_dir: Path, curves: Mapping[str, Curve]
) -> list[Path]:
    """Write `<png_dir>/<name>.png`, `<pdf_dir>/<name>.pdf` and `<png_dir>/<name>.runs.json`.

    The last lists what was plotted: source -> label, stage, setting number and indices of each
    of its curves. The same figure gives the same bytes.

    Args:
        figure: what to save.
        name: of the files; characters that a file name cannot hold become `-`.
        png_dir, pdf_dir: created if need be.
        curves: what the figure shows, by label.

    Returns:
        the three paths.

    Raises:
        StorageError: a file could not be written.
    """
    name = safe_name(name)
    files = {
        png_dir / f"{name}.png": _rendered(figure, "png"),
        pdf_dir / f"{name}.pdf": _rendered(figure, "pdf"),
        png_dir / f"{name}.runs.json": json.dumps(_plotted(curves), indent=1).encode(),
    }
    for path, content in files.items():
        _write(path, content)
    return list(files)


def save_as(figure: Figure, path: Path) -> None:
    """Write one file, of the kind that its suffix says. The same figure gives the same bytes.

    Raises:
        NthrunError: a suffix that is none of `KINDS`.
        StorageError: the file could not be written.
    """
    require_kind(path)
    _write(path, _rendered(figure, path.suffix[1:]))


def require_kind(path: Path) -> None:
    """Check the suffix of a file to be.

    Raises:
        NthrunError: it is none of `KINDS`.
    """
    if path.suffix[1:] not in KINDS:
        allowed = ", ".join(f".{kind}" for kind in KINDS)
        raise NthrunError(f"{path}: got suffix {path.suffix!r}, allowed: {allowed}")


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}",
            "free space or choose another directory for the figures",
        ) from error


def safe_name(name: str) -> str:
    """A name as one file name: `/` and all but letters, digits and `._+-` become `-`."""
    return re.sub(r"[^\w.+-]+", "-", name).lstrip(".") or "figure"


def _plotted(curves: Mapping[str, Curve]) -> dict[str, list[dict[str, object]]]:
    """Source -> what was plotted from it."""
    plotted: dict[str, list[dict[str, object]]] = {}
    for label, curve in curves.items():
        entry = {"label": label, "stage": curve.stage, "setting_number": curve.setting_number}
        plotted.setdefault(curve.source, []).append(entry | {"indices": list(curve.indices)})
    return plotted


def _rendered(figure: Figure, kind: str) -> bytes:
    """The figure as the bytes of a file without its date; a PDF with fonts as publishers ask."""
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
    buffer = io.BytesIO()
    with mpl.rc_context({"pdf.fonttype": 42, "svg.hashsalt": "nthrun"}):
        figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()
