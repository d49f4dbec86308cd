"""Laws of the index: its parts, the seeds they give, and the texts that name indices."""

from __future__ import annotations

import inspect
import re
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nthrun.errors import IndexSpecError
from nthrun.index import (
    MAX_INDICES,
    MAX_RUN_NUMBER,
    MAX_STAGE,
    Purpose,
    format_indices,
    join_index,
    parse_indices,
    random_seed,
    split_index,
)
from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.planning.packs import plan_run

CONFIG = Path(__file__).parents[1] / "config"
STAGES = st.integers(0, MAX_STAGE)
RUN_NUMBERS = st.integers(0, MAX_RUN_NUMBER)
INDICES = st.sets(st.integers(0, 200) | st.integers(0, 10**29), max_size=60)
RANGES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40)), min_size=1, max_size=8)


@given(setting=st.integers(0, 10**9), run_number=RUN_NUMBERS, more=st.integers(1, 10**9))
def test_an_index_is_split_into_what_it_was_joined_of(
    setting: int, run_number: int, more: int
) -> None:
    """Splitting an index gives the setting and run number it was joined of, and joining inverts."""
    num_settings = setting + more
    index = join_index(setting, run_number, num_settings)
    assert split_index(index, num_settings) == (setting, run_number)
    assert join_index(*split_index(index, more), more) == index


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
            ",".join(f"{start}-{start + MAX_INDICES // 2}" for start in (0, MAX_INDICES)),
        ],
    )
    def test_too_many(self, text: str) -> None:
        """More indices than anyone trains are refused without being listed."""
        with pytest.raises(IndexSpecError, match="names more than 10,000,000"):
            parse_indices(text)


@given(stage=STAGES, run_number=RUN_NUMBERS)
def test_stage_and_run_number_can_be_read_back(stage: int, run_number: int) -> None:
    """Seeds are one-to-one with (stage, run number), so stages and runs never share one."""
    assert divmod(random_seed(stage, run_number), 2**32) == (stage, run_number)


@given(stage=st.integers(0, MAX_STAGE - 1))
def test_stages_are_disjoint(stage: int) -> None:
    """The last seed of a stage comes before the first of the next."""
    assert random_seed(stage, MAX_RUN_NUMBER) < random_seed(stage + 1, 0)


@given(first=st.integers(0, 79), second=st.integers(0, 79), run_number=RUN_NUMBERS, stage=STAGES)
def test_settings_share_seeds(first: int, second: int, run_number: int, stage: int) -> None:
    """Runs of one stage and run number have one seed, whatever their setting."""
    spec = read_experiment_spec(
        [str(CONFIG / "environment/PendulumContinuous-v1.json")],
        [str(CONFIG / "agent/SAC_classic_sweep.json")],
    )
    runs = [
        plan_run(spec, spec.sweep.index(setting_number, run_number), stage)
        for setting_number in (first, second)
    ]
    assert {run.random_seed for run in runs} == {random_seed(stage, run_number)}
    assert list(inspect.signature(random_seed).parameters) == ["stage", "run_number"]


@pytest.mark.parametrize(
    ("stage", "run_number"),
    [(-1, 0), (0, -1), (0, MAX_RUN_NUMBER + 1), (MAX_STAGE + 1, 0)],
)
def test_out_of_range(stage: int, run_number: int) -> None:
    """A stage or run number whose seed would be another's is refused."""
    with pytest.raises(ValueError, match="out of range"):
        random_seed(stage, run_number)


@given(stage=STAGES, run_number=RUN_NUMBERS)
def test_purposes_have_streams_of_their_own(stage: int, run_number: int) -> None:
    """The streams of one run's purposes differ, and each can be drawn again."""
    seed = random_seed(stage, run_number)
    states = [
        tuple(np.random.SeedSequence(seed, spawn_key=(purpose,)).generate_state(4))
        for purpose in Purpose
    ]
    assert all(one != other for one, other in combinations(states, 2))
    again = np.random.SeedSequence(seed, spawn_key=(Purpose.AGENT,)).generate_state(4)
    assert tuple(again) == states[Purpose.AGENT]


def test_purposes_are_numbered_for_good() -> None:
    """The numbers of the purposes are part of every record's meaning: they never change."""
    assert {purpose.name: purpose.value for purpose in Purpose} == {
        "INITIALISATION": 0,
        "ENVIRONMENT": 1,
        "AGENT": 2,
        "REPLAY": 3,
        "EVALUATION": 4,
        "PROGRAM": 5,
    }
