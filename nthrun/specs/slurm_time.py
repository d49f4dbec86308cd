"""Times and memory sizes as Slurm writes them: `sbatch --time` and `sbatch --mem-per-cpu`."""

from __future__ import annotations

import re

from nthrun.specs.field import RejectedError, shown

TIME_FORMS = "MM, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS or UNLIMITED"
MEMORY_FORMS = "a whole number of megabytes, or one with K, M, G or T"
UNLIMITED = "UNLIMITED"
MAX_SECONDS = 2**31 - 1  # Slurm keeps seconds in 32 bits
MIB = 2**20

SECONDS_PER_DAY = 86_400
UNLIMITED_WORDS = (UNLIMITED, "INFINITE")
TIME_TEXT = re.compile(r"(\d{1,10}-)?\d{1,10}(:\d{1,10}){0,2}", re.ASCII)
MEMORY_TEXT = re.compile(r"(\d{1,12})(?:([KMGT])B?)?", re.ASCII | re.IGNORECASE)
MEBIBYTES = {"M": 1, "G": 2**10, "T": 2**20}


def parse_time(text: str) -> int | None:
    """Seconds of a time as `sbatch --time` reads it; None is unlimited.

    A bare number is minutes, and two numbers are minutes and seconds. As in Slurm, a part may
    exceed its unit: 90:00 is an hour and a half.

    Raises:
        RejectedError: not one of `TIME_FORMS`, zero, or more than `MAX_SECONDS`.
    """
    if text.upper() in UNLIMITED_WORDS:
        return None
    if not TIME_TEXT.fullmatch(text):
        hint = "three hours are 3:00:00, two days 2-00"
        raise RejectedError(f"got {shown(text)}, allowed: {TIME_FORMS}", hint)
    days, dash, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    first = 3600 if dash or len(parts) == 3 else 60
    units = [unit for unit in (3600, 60, 1) if unit <= first]
    seconds = sum(part * unit for part, unit in zip(parts, units, strict=False))
    seconds += int(days or 0) * SECONDS_PER_DAY
    if seconds == 0:
        raise RejectedError(f"got {shown(text)}, allowed: more than 0", f"or {UNLIMITED}")
    if seconds > MAX_SECONDS:
        allowed = f"at most {format_time(MAX_SECONDS)}"
        raise RejectedError(f"got {shown(text)}, allowed: {allowed}", f"or {UNLIMITED}")
    return seconds


def format_time(seconds: int | None) -> str:
    """A time as Slurm prints it: HH:MM:SS below one day, D-HH:MM:SS from there, None unlimited.

    Args:
        seconds: >= 0.
    """
    if seconds is None:
        return UNLIMITED
    days, rest = divmod(seconds, SECONDS_PER_DAY)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    clock = f"{hour:02}:{minute:02}:{second:02}"
    return f"{days}-{clock}" if days else clock


def parse_memory(text: str) -> int:
    """Bytes of a size as `sbatch --mem-per-cpu` reads it: 4000, 4000M and 4G, binary units.

    A bare number is megabytes (of 2**20 bytes), and kilobytes are rounded up to megabytes.

    Raises:
        RejectedError: not one of `MEMORY_FORMS`, or zero.
    """
    size = MEMORY_TEXT.fullmatch(text)
    if size is None:
        hint = "half a gigabyte is 512M"
        raise RejectedError(f"got {shown(text)}, allowed: {MEMORY_FORMS}", hint)
    number, unit = int(size[1]), (size[2] or "M").upper()
    if number == 0:
        hint = "leave it out for the cluster's default"
        raise RejectedError(f"got {shown(text)}, allowed: more than 0", hint)
    mebibytes = -(-number // 1024) if unit == "K" else number * MEBIBYTES[unit]
    return mebibytes * MIB
