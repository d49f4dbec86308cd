"""The source: which code runs, told without torch."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
CODE = ("agents", "compiler", "environments", "planning", "specs", "training")
UNKNOWN = "unknown"
SNAPSHOT_FILE = "SNAPSHOT.json"
"""In the root of a snapshot of the code: the git state of what it was taken from."""


@cache
def code_hash(programs: tuple[str, ...] = ()) -> str:
    """SHA-256 over the source files that decide a run's numbers; a checkpoint keeps to it.

    Args:
        programs: "package.module:Class" of agent and environment, and the environment's name. Of a
            user's own its module counts too, or all of its package; names without a colon do not.
    """
    digest = hashlib.sha256()
    files = (path for part in CODE for path in (PACKAGE / part).rglob("*.[ph]*"))
    for path in sorted(path for path in files if path.suffix in (".py", ".hpp")):
        digest.update(f"{path.relative_to(PACKAGE)}\0".encode())
        digest.update(path.read_bytes())
    for path in _own_files(programs):
        digest.update(f"{path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _own_files(programs: tuple[str, ...]) -> list[Path]:
    """The source files of programs that are not nthrun's."""
    files: set[Path] = set()
    for program in (program for program in programs if ":" in program):
        package, _, _ = program.partition(":")[0].partition(".")
        found = importlib.util.find_spec(package)
        if package == PACKAGE.name or found is None or found.origin is None:
            continue
        origin = Path(found.origin)
        files |= set(origin.parent.rglob("*.py")) if found.submodule_search_locations else {origin}
    return sorted(files)


@cache
def git_state() -> dict[str, str]:
    """`checkout_state` of what nthrun runs from.

    The first call decides, so it is made before training starts: files edited later are not what
    runs.
    """
    return checkout_state(PACKAGE.parent)


def checkout_state(checkout: Path) -> dict[str, str]:
    """Commit, uncommitted difference and untracked files of a checkout.

    Each is "" where there is none, and UNKNOWN where git cannot tell. A snapshot of the code has
    them in a file.
    """
    asked = {
        "git_commit": ("rev-parse", "HEAD"),
        "git_diff": ("diff", "HEAD"),
        "git_untracked": ("ls-files", "--others", "--exclude-standard"),
    }
    snapshot = checkout / SNAPSHOT_FILE
    if snapshot.exists():
        told = json.loads(snapshot.read_bytes())
        return {name: str(told.get(name, UNKNOWN)) for name in asked}
    if not (checkout / ".git").exists():
        return dict.fromkeys(asked, "")
    return {name: _git(checkout, *arguments).strip() for name, arguments in asked.items()}


def _git(checkout: Path, *arguments: str) -> str:
    command = ["git", "-C", str(checkout), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return done.stdout.decode(errors="replace") if done.returncode == 0 else UNKNOWN
