"""What is shipped with nthrun beside its code: specs, cluster files, demo data, a new project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nthrun.errors import NthrunError

PACKAGE = Path(__file__).resolve().parents[1]
INSTALLED = PACKAGE / "shipped"
FOLDERS = {
    "config": "config",
    "clusters": "clusters",
    "demo": "docs/demo",
    "project": "docs/project",
}
"""Folder below `INSTALLED` -> folder of a checkout."""
TEMPLATE = "project"
"""The one that `nthrun new` writes."""
SUFFIXES = (".json", ".yaml", ".yml", ".h5")


def training_command() -> list[str]:
    """The words by which a user trains: a script of a checkout, or the installed command."""
    in_checkout = (PACKAGE.parent / "main.py").is_file()
    return ["python", "main.py"] if in_checkout else ["nthrun", "run"]


def shipped_folder(name: str) -> Path:
    """Where a folder of what is shipped lies, in an installed nthrun or in a checkout.

    Args:
        name: a key of `FOLDERS`.
    """
    installed = INSTALLED / name
    return installed if installed.is_dir() else PACKAGE.parent / FOLDERS[name]


def shipped_files() -> Iterator[tuple[str, Path]]:
    """Every spec, cluster file and file of demo data that is shipped.

    Yields:
        its name, such as "config/agent/template.json", and where it lies.
    """
    for name in sorted(FOLDERS.keys() - {TEMPLATE}):
        folder = shipped_folder(name)
        for path in sorted(folder.rglob("*")):
            if path.suffix in SUFFIXES:
                yield f"{name}/{path.relative_to(folder).as_posix()}", path


def demo_files(pattern: str) -> list[Path]:
    """Shipped demo data of a pattern of paths below docs/demo/, sorted.

    Raises:
        NthrunError: there are none.
    """
    folder = shipped_folder("demo")
    files = sorted(folder.glob(pattern)) if pattern else []
    if not files:
        raise NthrunError(f"{folder}: no demo data here", "give a data.json as an argument")
    return files
