"""Pages of documentation: their code blocks, and a checkout to run them in."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from processes import ROOT

COPIED = (
    *("main.py", "schedule.py", "simple_combine.py"),
    *("nthrun", "utils", "config", "clusters"),
)


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def lines(page: str) -> list[str]:
    """The commands of a page's `bash` blocks, one a line."""
    return [line for block in blocks(page, "bash") for line in block.splitlines()]


def copied_checkout(copy: Path, changes: Mapping[str, Mapping[str, object]]) -> Path:
    """A copy of the project.

    Args:
        copy: an empty folder.
        changes: JSON file, relative to it -> what it then says instead.
    """
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    for name, change in changes.items():
        spec = copy / name
        spec.write_text(json.dumps(json.loads(spec.read_text()) | dict(change)))
    return copy


def run_commands(checkout: Path, commands: Iterable[str]) -> None:
    """Run commands one after the other in a checkout, each of which succeeds."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=checkout,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
