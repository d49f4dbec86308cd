"""How figures are saved: as which files, and with the list of the runs they show."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

from nthrun.errors import NthrunError, StorageError
from nthrun.records.durable_file import write_durably
from nthrun.terminal import readable_text

KINDS = ("png", "pdf", "svg")
"""Files that a figure can be saved as."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the files of a figure go; created if need be.

    Attributes:
        png: and the list of runs.
        pdf: of PDF files.
        svg: None writes none.
    """

    png: Path
    pdf: Path
    svg: Path | None = None


@dataclass(frozen=True, slots=True)
class PlottedRuns:
    """Runs of one setting that a figure shows.

    Attributes:
        source: the file or directory they were read from.
        label: what the figure calls them.
        stage, setting_number, indices: which runs.
    """

    source: str
    label: str
    stage: int
    setting_number: int
    indices: tuple[int, ...]


def save_figure(
    figure: Figure, name: str, folders: Folders, shown: Iterable[PlottedRuns]
) -> list[Path]:
    """Write `<png>/<name>.png`, `<pdf>/<name>.pdf`, on request the SVG, `<png>/<name>.runs.json`.

    The last lists what was plotted: source -> label, stage, setting number and indices of each
    part. The same figure gives the same bytes.

    Args:
        figure: what to save.
        name: of the files; characters that a file name cannot hold become `-`.
        folders: of the files.
        shown: the runs it shows.

    Returns:
        the paths.

    Raises:
        StorageError: a file could not be written.
    """
    name = safe_name(name)
    files = {
        folders.png / f"{name}.png": _rendered(figure, "png"),
        folders.pdf / f"{name}.pdf": _rendered(figure, "pdf"),
    }
    if folders.svg is not None:
        files[folders.svg / f"{name}.svg"] = _rendered(figure, "svg")
    files[folders.png / f"{name}.runs.json"] = json.dumps(_listed(shown), indent=1).encode()
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


def save_arrays(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Write arrays by name, for `numpy.load`. The same arrays give the same bytes.

    Raises:
        StorageError: the file could not be written.
    """
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    _write(path, content.getvalue())


def require_kind(path: Path) -> None:
    """Check the suffix of a file to be.

    Raises:
        NthrunError: it is none of `KINDS`.
    """
    if path.suffix[1:] not in KINDS:
        allowed = ", ".join(f".{kind}" for kind in KINDS)
        raise NthrunError(f"{path}: got suffix {path.suffix!r}, allowed: {allowed}")


def safe_name(name: str) -> str:
    """A name as one file name: `/` and all but letters, digits and `._+-` become `-`."""
    return re.sub(r"[^\w.+-]+", "-", name).lstrip(".") or "figure"


def _write(path: Path, content: bytes) -> None:
    try:
        write_durably(path, lambda file: file.write(content))
    except StorageError as error:
        hint = "free space or choose another directory for the figures"
        raise StorageError(error.message, hint) from error


def _listed(shown: Iterable[PlottedRuns]) -> dict[str, list[dict[str, object]]]:
    """Source -> what was plotted from it."""
    listed: dict[str, list[dict[str, object]]] = {}
    for part in shown:
        entry: dict[str, object] = {
            "label": part.label,
            "stage": part.stage,
            "setting_number": part.setting_number,
            "indices": list(part.indices),
        }
        listed.setdefault(part.source, []).append(entry)
    return listed


def _rendered(figure: Figure, kind: str) -> bytes:
    """The figure as the bytes of a file without its date; a PDF with fonts as publishers ask."""
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
    for text in figure.findobj(Text):
        text.set_text(readable_text(text.get_text()))  # names come from files of anybody's
    buffer = io.BytesIO()
    with mpl.rc_context({"pdf.fonttype": 42, "svg.hashsalt": "nthrun"}):
        figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()
