"""Laws of Slurm's times and memory sizes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nthrun.specs.field import RejectedError
from nthrun.specs.slurm_time import MAX_SECONDS, format_time, parse_memory, parse_time

MINUTE, HOUR, DAY = 60, 3600, 86_400
TIMES = {
    "90": 90 * MINUTE,
    "090": 90 * MINUTE,
    "3:00": 3 * MINUTE,
    "0:30": 30,
    "90:00": 90 * MINUTE,
    "2:59:00": 2 * HOUR + 59 * MINUTE,
    "02:59:01": 2 * HOUR + 59 * MINUTE + 1,
    "72:00:00": 3 * DAY,
    "1-0": DAY,
    "1-12": DAY + 12 * HOUR,
    "0-3": 3 * HOUR,
    "1-12:30": DAY + 12 * HOUR + 30 * MINUTE,
    "7-00:00:00": 7 * DAY,
    "1-02:03:04": DAY + 2 * HOUR + 3 * MINUTE + 4,
    "0-0:0:1": 1,
    "UNLIMITED": None,
    "infinite": None,
}
"""What the manual of sbatch says of each form."""
FORMATTED = {
    1: "00:00:01",
    10_740: "02:59:00",
    DAY - 1: "23:59:59",
    DAY: "1-00:00:00",
    90_061: "1-01:01:01",
    100 * DAY: "100-00:00:00",
    None: "UNLIMITED",
}
NOT_TIMES = (
    *("", " ", "3h", "1 hour", "3:", ":30", "1:2:3:4", "1-", "-1", "1-2-3", "1:30-2", "1-2:3:4:5"),
    *("1.5", "+90", "90 ", "٣", "90\n", "1e3", "99999999999", "unlimitedly"),
)
MEMORY = {
    "4000": 4000 * 2**20,
    "4000M": 4000 * 2**20,
    "4000mb": 4000 * 2**20,
    "4G": 4 * 2**30,
    "4GB": 4 * 2**30,
    "4g": 4 * 2**30,
    "2T": 2 * 2**40,
    "1024K": 2**20,
    "1025K": 2 * 2**20,
    "1K": 2**20,
}
NOT_MEMORY = ("", "0.5G", "4 G", "-4G", "G", "4B", "4GiB", "4P", "4G ", "4GG", "1e3", "٤G")


@pytest.mark.parametrize(("text", "seconds"), TIMES.items())
def test_times_are_read_as_sbatch_reads_them(text: str, seconds: int | None) -> None:
    """Every form of sbatch's time has the length its manual gives it."""
    assert parse_time(text) == seconds


@pytest.mark.parametrize(("seconds", "text"), FORMATTED.items())
def test_times_are_written_with_days_from_one_day_on(seconds: int | None, text: str) -> None:
    """A time is written HH:MM:SS below a day and D-HH:MM:SS from there."""
    assert format_time(seconds) == text


@given(seconds=st.none() | st.integers(1, MAX_SECONDS))
def test_a_written_time_reads_back(seconds: int | None) -> None:
    """A time written and read is the same time."""
    assert parse_time(format_time(seconds)) == seconds


@given(parts=st.lists(st.integers(0, 99_999), min_size=3, max_size=3))
def test_parts_add_up(parts: list[int]) -> None:
    """Hours, minutes and seconds add up, whatever each of them is."""
    hours, minutes, seconds = parts
    total = hours * HOUR + minutes * MINUTE + seconds
    if total:
        assert parse_time(f"{hours}:{minutes}:{seconds}") == total


@pytest.mark.parametrize("text", NOT_TIMES)
def test_what_is_no_time_is_refused(text: str) -> None:
    """A text that is none of sbatch's forms is refused with the forms."""
    with pytest.raises(RejectedError, match=r"allowed: MM, MM:SS, .*UNLIMITED$") as caught:
        parse_time(text)
    assert "3:00:00" in caught.value.hint


@pytest.mark.parametrize("text", ["0", "0:00", "00:00:00", "0-0", str(2**31), "24856-0"])
def test_a_time_is_neither_nothing_nor_more_than_slurm_holds(text: str) -> None:
    """Zero and more seconds than 32 bits hold are refused, and unlimited is offered."""
    with pytest.raises(RejectedError, match=r"allowed: (more than 0|at most 24855-03:14:07)$") as e:
        parse_time(text)
    assert e.value.hint == "or UNLIMITED"


@given(text=st.text(st.sampled_from("0123456789:-"), max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    """A text of digits, colons and dashes is a positive time or refused; nothing else."""
    try:
        seconds = parse_time(text)
    except RejectedError as rejected:
        assert rejected.problem.startswith("got ")
    else:
        assert seconds is not None and 0 < seconds <= MAX_SECONDS
        assert re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", text)


@pytest.mark.parametrize(("text", "size"), MEMORY.items())
def test_memory_is_read_as_sbatch_reads_it(text: str, size: int) -> None:
    """A size is in binary units, megabytes where none is given, kilobytes rounded up to one."""
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", NOT_MEMORY)
def test_what_is_no_memory_is_refused(text: str) -> None:
    """A text that sbatch would not take for a size is refused with what it takes."""
    with pytest.raises(RejectedError, match="allowed: a whole number of megabytes"):
        parse_memory(text)


@pytest.mark.parametrize("text", ["0", "0G"])
def test_no_memory_is_refused(text: str) -> None:
    """A size of nothing is refused."""
    with pytest.raises(RejectedError, match="allowed: more than 0"):
        parse_memory(text)
