"""Findings: what is found of a file or a directory of an experiment.

sound      whole, and of this experiment
damaged    its checksum, or what it holds, is not what was written
foreign    nothing that nthrun put there, or of another experiment
stale      left behind or outdated: it does no harm, and can go or be made anew
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SOUND, DAMAGED, FOREIGN_FILE, STALE = "sound", "damaged", "foreign", "stale"
STATES = (SOUND, DAMAGED, FOREIGN_FILE, STALE)
MOVE = "move it away"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a file or a directory.

    Attributes:
        kind: what it is one of.
        path: where it is.
        state: one of `STATES`.
        problem: what is wrong with it, or of a sound one what cannot be checked.
        remedy: what to do about that.
    """

    kind: str
    path: Path
    state: str = SOUND
    problem: str = ""
    remedy: str = ""
