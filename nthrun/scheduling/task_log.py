"""The log of a task: what it printed, as far as it may be shown."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from nthrun.scheduling.lease import Attempt

OUTSIDE = "what it printed lies outside the experiment"


def open_log(attempt: Attempt, root: Path) -> BinaryIO | str:
    """What an attempt at a task printed, opened at its start; or why it is not shown.

    Where it lies, a file says that anybody may have written: of one outside the experiment's
    directory only the place is told, as it could be a file that is not for others' eyes. "" is a
    log that is not there, or not a regular file of this user's.

    Args:
        attempt: whose.
        root: the experiment's directory.
    """
    if not attempt.log:
        return ""
    try:
        path = os.path.realpath(attempt.log)
        if not Path(path).is_relative_to(os.path.realpath(root)):
            return f"{OUTSIDE}: {attempt.log}"
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return ""
    file = open(descriptor, "rb")  # noqa: SIM115 - whoever asked closes it
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        file.close()
        return ""
    return file
