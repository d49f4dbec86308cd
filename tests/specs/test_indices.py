"""Laws of --index texts: what they name, and what is refused."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nthrun.errors import IndexSpecError
from nthrun.specs.indices import MAX_INDICES, format_indices, parse_indices

INDICES = st.sets(st.integers(0, 200) | st.integers(0, 10**29), max_size=60)
RANGES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40)), min_size=1, max_size=8)


class TestRoundTrip:
    @given(indices=INDICES)
    def test_format_then_parse(self, indices: set[int]) -> None:
        """Any set of indices comes back from its text, ascending; no indices are no text."""
        text = format_indices(indices)
        assert (parse_indices(text) if indices else text) == (tuple(sorted(indices)) or "")

    @given(indices=st.lists(st.integers(0, 60), max_size=60))
    def test_the_text_is_canonical(self, indices: list[int]) -> None:
        """The text depends on the set alone, and no two of its ranges touch."""
        text = format_indices(indices)
        assert text == format_indices(sorted(set(indices)))
        ends = [[int(end) for end in part.split("-")] for part in text.split(",") if part]
        for before, after in pairwise(ends):
            assert before[-1] + 1 < after[0]

    @given(ranges=RANGES, spaces=st.lists(st.sampled_from(["", " ", "  "]), min_size=8, max_size=8))
    def test_any_order_and_overlap(self, ranges: list[tuple[int, int]], spaces: list[str]) -> None:
        """Ranges name their union: ascending, each index once, in any order, spaces or not."""
        spaced = zip(ranges, spaces, strict=False)
        parts = [f"{gap}{first}{gap}-{gap}{first + more}" for (first, more), gap in spaced]
        named = {index for first, more in ranges for index in range(first, first + more + 1)}
        assert parse_indices(",".join(parts)) == tuple(sorted(named))

    @pytest.mark.parametrize(
        ("text", "indices"),
        [
            ("5", (5,)),
            ("0-3", (0, 1, 2, 3)),
            ("3,7,10-12", (3, 7, 10, 11, 12)),
            ("10-12,3, 7", (3, 7, 10, 11, 12)),
            ("4-4", (4,)),
            ("007", (7,)),
            (" 1 , 2 - 3 ", (1, 2, 3)),
            ("9" * 30, (10**30 - 1,)),
        ],
    )
    def test_examples(self, text: str, indices: tuple[int, ...]) -> None:
        """What users write means what they mean."""
        assert parse_indices(text) == indices


class TestRefusing:
    @pytest.mark.parametrize(
        "text",
        [
            *(
                "",
                " ",
                ",",
                "1,",
                ",1",
                "1,,2",
                "-",
                "--",
                "-1",
                "-1-2",
                "0,-1",
                "1-",
                "1--2",
                "1-2-3",
            ),
            *(
                "1.0",
                "1e3",
                "+1",
                "0x10",
                "a",
                "one",
                "nan",
                "1;2",
                "1 2",
                "1\n2",
                "[1]",
                "1:3",
                "1_0",
            ),
            *("١", "①", "1–3", "−1", "\x00", "1\x00", "\udcff", "*", "9" * 31, "9" * 5000, "None"),
            *("3-1", "10-9", "0-3,5-4"),
        ],
    )
    def test_bad_texts(self, text: str) -> None:
        """Whatever is not a list of integers from 0 and forward ranges is refused, in one line."""
        with pytest.raises(IndexSpecError) as caught:
            parse_indices(text)
        assert caught.value.message.startswith("--index ")
        assert len(caught.value.lines()) == 1
        assert len(caught.value.lines()[0]) < 250

    def test_negative(self) -> None:
        """A negative index is called so."""
        with pytest.raises(IndexSpecError, match="negative at '-3'"):
            parse_indices("1,-3")

    @given(text=st.text("0123456789,- x", max_size=12))
    def test_read_whole_or_refused(self, text: str) -> None:
        """A text is read exactly if each of its parts is a number or a forward range."""
        parts = [re.fullmatch(r" *([0-9]+)(?: *- *([0-9]+))? *", part) for part in text.split(",")]
        ends = [(int(part[1]), int(part[2] or part[1])) for part in parts if part]
        legal = all(parts) and all(first <= last for first, last in ends)
        if not legal or sum(last - first + 1 for first, last in ends) > MAX_INDICES:
            with pytest.raises(IndexSpecError):
                parse_indices(text)
        elif sum(last - first + 1 for first, last in ends) < 1000:
            named = {index for first, last in ends for index in range(first, last + 1)}
            assert parse_indices(text) == tuple(sorted(named))

    @pytest.mark.parametrize(
        "text",
        [
            f"0-{MAX_INDICES}",
            f"0-{'9' * 30}",
            f"0-{MAX_INDICES - 1},{2 * MAX_INDICES}",
            ",".join(f"0-{MAX_INDICES // 2}" for _ in range(3)),
        ],
    )
    def test_too_many(self, text: str) -> None:
        """More indices than anyone trains are refused without being listed."""
        with pytest.raises(IndexSpecError, match="names more than 10,000,000"):
            parse_indices(text)
