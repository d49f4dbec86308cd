"""Command lines of `schedule.py`, and what they leave behind."""

from __future__ import annotations

from pathlib import Path

from processes import ROOT

LOCAL = str(ROOT / "clusters" / "local.json")
CEDAR = str(ROOT / "clusters" / "cedar.json")


def arguments(directory: Path, cluster: str = LOCAL, runs: int = 1) -> list[str]:
    """The positions and options of a submission of the specs in a directory."""
    return [
        *("--runs", str(runs), "--backend", "eager", cluster, "main.py", str(ROOT)),
        *(str(directory / "environment.json"), str(directory / "out")),
        str(directory / "agent.json"),
    ]


def listing(directory: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below a directory, with size and time."""
    return {
        str(path.relative_to(directory)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in directory.rglob("*")
    }
