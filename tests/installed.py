"""nthrun installed from its wheel into a virtualenv of its own, as users have it."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path

from warm import ROOT

SOURCES = ("nthrun", "config", "clusters", "docs/demo", "docs/project")
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


class Installation:
    """A virtualenv that has nthrun from a wheel, and sees this environment's other packages.

    Args:
        folder: where it is made.
    """

    def __init__(self, folder: Path) -> None:
        source, self.wheels, self.virtualenv = (folder / name for name in ("source", "wheels", "v"))
        for name in (*SOURCES, "pyproject.toml", "setup.py", "README.md", "LICENSE"):
            _copy(ROOT / name, source / name)
        self.wheels.mkdir()
        _run(sys.executable, "-c", BUILD, str(self.wheels), cwd=source)
        shutil.rmtree(source)
        (self.wheel,) = self.wheels.glob("*.whl")
        _run(sys.executable, "-m", "venv", "--without-pip", str(self.virtualenv))
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        _run(*pip, "--no-deps", "--no-index", "--no-compile", str(self.wheel))
        (site,) = self.virtualenv.glob("lib/python*/site-packages")
        (site / "tested.pth").write_text(sysconfig.get_path("purelib") + "\n")

    @property
    def python(self) -> Path:
        """The virtualenv's interpreter."""
        return self.virtualenv / "bin" / "python"

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of a shell in which the virtualenv is active."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "NTHRUN_"))}
        return kept | {"PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"}

    def call(self, *words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Call a command, such as `nthrun run ...`, to its end."""
        return subprocess.run(
            list(map(str, words)),
            cwd=cwd,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@cache
def installation() -> Installation:
    """The one of this process."""
    folder = Path(tempfile.mkdtemp(prefix="nthrun-installed-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Installation(folder)


def _copy(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    else:
        shutil.copy2(source, place)


def _run(*words: str, cwd: Path | None = None) -> None:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
