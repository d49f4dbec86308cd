"""`nthrun specs`: list the specs, cluster files and demo data that are shipped, or copy them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import click

from nthrun.commands.options import Command, debug_option
from nthrun.errors import NthrunError
from nthrun.records.durable_file import write_unless_other
from nthrun.specs.shipped import shipped_files
from nthrun.terminal import show


@click.command(cls=Command)
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@click.option("--copy-to", metavar="DIR", help="Copy them into DIR, each under its name.")
@click.option("--overwrite", is_flag=True, help="Replace files of DIR that say otherwise.")
@debug_option
def specs(patterns: Sequence[str], copy_to: str | None, overwrite: bool, debug: bool) -> int:
    """List the specs, cluster files and demo data that are shipped with nthrun, or copy them.

    PATTERN is a part of a name, such as CartPole or config/agent/SAC, or a pattern of the whole
    name, such as 'clusters/*.json'; without any, all are listed.
    """
    chosen = {
        name: path
        for name, path in shipped_files()
        if not patterns or any(_fits(name, pattern) for pattern in patterns)
    }
    if not chosen:
        raise NthrunError(
            f"{' '.join(patterns)}: no shipped file has such a name",
            "`nthrun specs` lists all of them",
        )
    if copy_to is None:
        for name in chosen:
            show(name)
        return 0
    texts = {Path(copy_to, name): path.read_bytes() for name, path in chosen.items()}
    write_unless_other(texts, overwrite, "give --overwrite, or another DIR")
    for place in texts:
        show(place)
    return 0


def _fits(name: str, pattern: str) -> bool:
    return pattern.lower() in name.lower() or fnmatch(name.lower(), pattern.lower())
