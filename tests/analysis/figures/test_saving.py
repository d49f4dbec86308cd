"""Laws of the files that figures are saved to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from nthrun.analysis.curves import Curve
from nthrun.analysis.figures.curves import learning_curve_figure, runs_of_curves
from nthrun.analysis.figures.saving import Folders, safe_name, save_figure
from nthrun.errors import StorageError


def make_curve(num_runs: int = 3, source: str = "data.json") -> Curve:
    """A curve of straight runs."""
    grid = np.arange(1, 11)
    runs = np.outer(np.arange(1.0, num_runs + 1), grid)
    indices = tuple(range(7, 7 + 10 * num_runs, 10))
    statuses = ("completed",) * num_runs
    return Curve(source, 0, 7, indices, statuses, grid, runs)


class TestSaveFigure:
    def test_files(self, tmp_path: Path) -> None:
        """A PNG, a PDF, an SVG if asked for, and the list of runs, in directories made for them."""
        curves = {"one": make_curve(2, "a.json"), "two": make_curve(3, "b.json")}
        figure = learning_curve_figure(curves, "t")
        folders = Folders(tmp_path / "x/png", tmp_path / "x/pdf", tmp_path / "x/svg")
        png, pdf, svg, listing = save_figure(figure, "fig", folders, runs_of_curves(curves))
        assert svg == tmp_path / "x/svg/fig.svg" and b"<svg" in svg.read_bytes()
        assert png == tmp_path / "x/png/fig.png" and png.read_bytes().startswith(b"\x89PNG")
        assert pdf == tmp_path / "x/pdf/fig.pdf" and pdf.read_bytes().startswith(b"%PDF-")
        assert listing == tmp_path / "x/png/fig.runs.json"
        assert json.loads(listing.read_text())["a.json"] == [
            {"label": "one", "stage": 0, "setting_number": 7, "indices": [7, 17]}
        ]

    def test_same_bytes(self, tmp_path: Path) -> None:
        """The same data gives the same bytes, today and tomorrow."""
        curves = {"SAC": make_curve()}
        once, again = (
            save_figure(learning_curve_figure(curves, "t"), "f", Folders(*[tmp_path / n] * 3), [])
            for n in ("once", "again")
        )
        assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]
        assert not any(b"CreationDate" in path.read_bytes() for path in once)

    def test_fonts(self, tmp_path: Path) -> None:
        """The PDF embeds no Type 3 font, which publishers reject."""
        curves = {"SAC": make_curve()}
        figure = learning_curve_figure(curves, "t")
        _, pdf, _ = save_figure(figure, "f", Folders(tmp_path, tmp_path), [])
        assert b"/Type3" not in pdf.read_bytes()
        assert b"/TrueType" in pdf.read_bytes() or b"/CIDFontType2" in pdf.read_bytes()

    @pytest.mark.parametrize("kind", ["link", "named pipe"])
    def test_nothing_is_written_through(self, tmp_path: Path, kind: str) -> None:
        """What lies in the place of a figure is replaced: a link leads nothing to the file that it
        names, and nobody waits for who reads a named pipe."""
        outside = tmp_path / "outside"
        outside.write_text("kept")
        for place in (tmp_path / "f.png", tmp_path / "f.runs.json"):
            place.symlink_to(outside) if kind == "link" else os.mkfifo(place)
        files = save_figure(Figure(), "f", Folders(tmp_path, tmp_path), [])
        assert outside.read_text() == "kept"
        assert all(path.is_file() and not path.is_symlink() for path in files)

    def test_no_place(self, tmp_path: Path) -> None:
        """A place that cannot be written is an error that names the file and says what to do."""
        (tmp_path / "file").touch()
        with pytest.raises(StorageError, match=r"cannot write .*f\.png: .*; hint: "):
            save_figure(Figure(), "f", Folders(tmp_path / "file", tmp_path), [])

    @pytest.mark.parametrize(
        ("name", "safe"),
        [
            ("Pendulum-v1", "Pendulum-v1"),
            ("ALE/Pong-v5", "ALE-Pong-v5"),
            ("package.module:Class", "package.module-Class"),
            ("../../etc", "-..-etc"),
            ("..", "figure"),
            ("", "figure"),
        ],
    )
    def test_safe_name(self, name: str, safe: str) -> None:
        """A name becomes one visible file name, and a good one stays as it is."""
        assert safe_name(name) == safe
