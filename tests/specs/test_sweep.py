"""Laws of the sweep: one integer names one setting and one run number."""

from __future__ import annotations

import json
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nthrun.agents.sac.declaration import SAC
from nthrun.errors import IndexSpecError
from nthrun.index import MAX_RUN_NUMBER
from nthrun.specs.agent_spec import AgentSpec, read_agent_spec
from nthrun.specs.declaration import AgentDeclaration
from nthrun.specs.documents import read_document
from nthrun.specs.field import Field, Value
from nthrun.specs.search.space import Space
from nthrun.specs.selection import select
from nthrun.specs.sweep import GridSweep

GOLDEN = Path(__file__).parents[2] / "docs" / "golden_index.json"
LINEAR_AC = AgentDeclaration(
    name="linearAC",
    program="linear_ac:LinearAC",
    layout=SAC.layout,
    hyperparameters=(
        Field("decay", "float", 0.5, ""),
        Field("critic_lr", "float", 0.1, ""),
        Field("actor_lr", "float", 0.1, ""),
        Field("avg_reward_lr", "float", 0.1, ""),
        Field("scaled", "bool", True, ""),
        Field("clip_stddev", "float", 1000.0, ""),
    ),
)
PARAMETERS: dict[str, list[Any]] = {
    "decay": [0.5],
    "critic_lr": [0.005, 0.1, 0.3],
    "actor_lr": [0.005, 0.1, 0.3],
    "avg_reward_lr": [0.1, 0.3, 0.5, 0.9],
    "scaled": [True],
    "clip_stddev": [1000],
}
NAMES = ("one", "two", "three", "four", "five", "six")
LENGTHS = st.lists(st.integers(1, 4), max_size=len(NAMES))
RUN_NUMBERS = st.integers(0, MAX_RUN_NUMBER)


def sweep_of(lengths: list[int]) -> GridSweep:
    """A sweep whose values tell key and digit."""
    keys = zip(NAMES, lengths, strict=False)
    return GridSweep(
        {key: tuple(f"{key}{digit}" for digit in range(length)) for key, length in keys}
    )


@pytest.fixture
def linear_ac(tmp_path: Path) -> AgentSpec:
    """The spec of the 36-setting example."""
    path = tmp_path / "linearAC.json"
    path.write_text(json.dumps({"agent_name": "linearAC", "parameters": PARAMETERS}))
    return read_agent_spec(read_document([path]), LINEAR_AC)


class TestOrder:
    @given(lengths=LENGTHS)
    def test_the_first_key_is_fastest(self, lengths: list[int]) -> None:
        """Settings are the Cartesian product, the first key varying fastest, counted from 0."""
        sweep = sweep_of(lengths)
        slowest_first = list(reversed(list(sweep.parameters)))
        combinations = product(*(sweep.parameters[key] for key in slowest_first))
        expected = [dict(zip(slowest_first, values, strict=True)) for values in combinations]
        assert [sweep.setting(number) for number in range(sweep.num_settings)] == expected

    @given(lengths=LENGTHS, data=st.data())
    def test_digits(self, lengths: list[int], data: st.DataObject) -> None:
        """The digit of a key is the number div the product of the earlier lengths, mod its own."""
        sweep = sweep_of(lengths)
        number = data.draw(st.integers(0, sweep.num_settings - 1))
        setting = sweep.setting(number)
        places = list(sweep.digits())
        assert [key for key, _, _ in places] == list(sweep.parameters)
        for place, (key, values, stride) in enumerate(places):
            assert stride == prod(lengths[:place])
            assert setting[key] == values[number // prod(lengths[:place]) % lengths[place]]

    @given(lengths=LENGTHS, data=st.data())
    def test_coupled_keys_are_one_digit(self, lengths: list[int], data: st.DataObject) -> None:
        """A coupled key counts as one key; its names take their entries of one value."""
        pairs = tuple((f"left{i}", f"right{i}") for i in range(data.draw(st.integers(1, 4))))
        place = data.draw(st.integers(0, len(lengths)))
        plain = list(sweep_of(lengths).parameters.items())
        coupled: list[tuple[str, tuple[Value, ...]]] = [("left/right", pairs)]
        sweep = GridSweep(dict(plain[:place] + coupled + plain[place:]))
        assert sweep.num_settings == prod(lengths) * len(pairs)
        for number in range(sweep.num_settings):
            setting = sweep.setting(number)
            digit = number // prod(lengths[:place]) % len(pairs)
            assert (setting["left"], setting["right"]) == pairs[digit]
            assert "left/right" not in setting

    @given(lengths=LENGTHS)
    def test_defaults_are_in_every_setting(self, lengths: list[int]) -> None:
        """Hyperparameters the sweep does not name have their default in every setting, and count
        no digit."""
        plain = sweep_of(lengths)
        sweep = GridSweep(plain.parameters, {"absent": 7})
        assert sweep.num_settings == plain.num_settings
        for number in range(sweep.num_settings):
            assert sweep.setting(number) == {**plain.setting(number), "absent": 7}


class TestIndices:
    @given(lengths=LENGTHS, index=st.integers(0, 10**12))
    def test_locate_then_index(self, lengths: list[int], index: int) -> None:
        """`index` undoes `locate`, which is mod and div by the number of settings."""
        sweep = sweep_of(lengths)
        if index // sweep.num_settings > MAX_RUN_NUMBER:
            index %= sweep.num_settings
        setting_number, run_number = sweep.locate(index)
        assert (setting_number, run_number) == (
            index % sweep.num_settings,
            index // sweep.num_settings,
        )
        assert sweep.index(setting_number, run_number) == index

    @given(lengths=LENGTHS, run_number=RUN_NUMBERS, data=st.data())
    def test_index_then_locate(
        self, lengths: list[int], run_number: int, data: st.DataObject
    ) -> None:
        """`locate` undoes `index`."""
        sweep = sweep_of(lengths)
        setting_number = data.draw(st.integers(0, sweep.num_settings - 1))
        assert sweep.locate(sweep.index(setting_number, run_number)) == (setting_number, run_number)

    @given(lengths=LENGTHS)
    def test_settings_and_numbers_are_one_to_one(self, lengths: list[int]) -> None:
        """Distinct setting numbers are distinct settings, and all combinations occur."""
        sweep = sweep_of(lengths)
        assert sweep.num_settings == prod(lengths)
        settings = {tuple(sweep.setting(n).items()) for n in range(sweep.num_settings)}
        assert len(settings) == sweep.num_settings

    @given(lengths=LENGTHS, below=st.integers(max_value=-1))
    def test_out_of_range(self, lengths: list[int], below: int) -> None:
        """Negative indices and settings are refused, and so is what lies past the last."""
        sweep = sweep_of(lengths)
        last = sweep.index(sweep.num_settings - 1, MAX_RUN_NUMBER)
        assert sweep.locate(last) == (sweep.num_settings - 1, MAX_RUN_NUMBER)
        for index in (below, last + 1):
            with pytest.raises(IndexSpecError):
                sweep.locate(index)
        for setting_number in (below, sweep.num_settings):
            with pytest.raises(IndexSpecError):
                sweep.setting(setting_number)

    def test_no_record_holds_a_larger_index(self) -> None:
        """An index from 2^63 on is refused, however many settings there are, whether it is named or
        follows from a number of runs."""
        sweep = GridSweep({f"key{n}": ("a", "b", "c", "d") for n in range(20)})
        assert sweep.num_settings == 2**40
        assert sweep.locate(2**63 - 1) == (2**40 - 1, 2**23 - 1)
        for index in (2**63, 2**64, 10**30):
            with pytest.raises(IndexSpecError, match="allowed at most 9223372036854775807"):
                sweep.locate(index)
        assert select(sweep, Space({}), 2**23, "0", ()).num_runs == 2**23
        with pytest.raises(IndexSpecError, match="allowed at most 9223372036854775807"):
            select(sweep, Space({}), 2**23 + 1, "0", ())


class TestGoldenTable:
    def test_the_file_is_the_enumeration(self) -> None:
        """docs/golden_index.json lists every combination by enumeration, then index 36."""
        golden = json.loads(GOLDEN.read_text())
        assert golden["parameters"] == PARAMETERS
        assert list(golden["parameters"]) == list(PARAMETERS)
        shown = ["critic_lr", "actor_lr", "avg_reward_lr"]
        assert golden["columns"] == ["index", "setting number", "run number", *shown]
        slowest_first = list(reversed(PARAMETERS))
        rows = []
        for number, values in enumerate(product(*(PARAMETERS[key] for key in slowest_first))):
            setting = dict(zip(slowest_first, values, strict=True))
            rows.append([number, number, 0, *(setting[key] for key in shown)])
        assert len(rows) == 36
        assert golden["rows"] == [*rows, [36, 0, 1, *rows[0][3:]]]

    def test_the_code_gives_the_table(self, linear_ac: AgentSpec) -> None:
        """Every row of the table is what the code makes of its index."""
        golden = json.loads(GOLDEN.read_text())
        for row in golden["rows"]:
            setting_number, run_number = linear_ac.sweep.locate(row[0])
            setting = linear_ac.sweep.setting(setting_number)
            values = [setting[name] for name in golden["columns"][3:]]
            assert [row[0], setting_number, run_number, *values] == row

    def test_by_hand(self, linear_ac: AgentSpec) -> None:
        """Index 0 is all first values; 1, 3 and 9 each move one key to its second; 36 is setting 0
        of run 1."""
        sweep = linear_ac.sweep
        first = {key: values[0] for key, values in PARAMETERS.items()}
        assert sweep.num_settings == 36
        assert sweep.setting(0) == first
        assert sweep.setting(1) == first | {"critic_lr": 0.1}
        assert sweep.setting(3) == first | {"actor_lr": 0.1}
        assert sweep.setting(9) == first | {"avg_reward_lr": 0.3}
        last = {"critic_lr": 0.3, "actor_lr": 0.3, "avg_reward_lr": 0.9}
        assert sweep.setting(35) == first | last
        assert sweep.locate(0) == (0, 0)
        assert sweep.locate(35) == (35, 0)
        assert sweep.locate(36) == (0, 1)
        assert sweep.locate(36 * 5 + 7) == (7, 5)
