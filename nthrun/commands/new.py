"""`nthrun new`: write a small project of one's own, which runs at once."""

from __future__ import annotations

import re
from pathlib import Path

import click

from nthrun.commands.options import Command, debug_option
from nthrun.errors import DataFileError
from nthrun.records.durable_file import write_durably
from nthrun.specs.shipped import TEMPLATE, shipped_folder
from nthrun.terminal import show

NAME = re.compile(r"[\w.-]{1,64}")
PLACEHOLDER = "NAME"
HIDDEN = {"gitignore": ".gitignore"}
"""File of the template -> its name in a project."""
IGNORED = "__pycache__"


@click.command(cls=Command)
@click.argument("folder", metavar="NAME")
@debug_option
def new(folder: str, debug: bool) -> int:
    """Write a small project into the new folder NAME: a function that learns, its specs, a cluster
    file, and a README that says how to run it."""
    root = Path(folder)
    if not NAME.fullmatch(root.name):
        raise click.UsageError(f"NAME: got {folder[:80]!r}, allowed: letters, digits, _ . and -")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DataFileError(f"{root}: there already, and not an empty folder", "give another name")
    for path in sorted(shipped_folder(TEMPLATE).iterdir()):
        if path.name != IGNORED:
            text = path.read_text().replace(PLACEHOLDER, root.name)
            place = root / HIDDEN.get(path.name, path.name)
            write_durably(place, lambda file, text=text: file.write(text.encode()))  # type: ignore[misc]
            show(place)
    return 0
