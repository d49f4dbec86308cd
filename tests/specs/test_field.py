"""Laws of fields whose values are lists of integers, such as the widths of a network's layers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nthrun.agents.sac.declaration import SAC
from nthrun.errors import SpecError
from nthrun.specs.agent_spec import AgentSpec, read_agent_spec
from nthrun.specs.declaration import AgentDeclaration
from nthrun.specs.documents import Document
from nthrun.specs.field import Field

FIELDS = (
    Field("hidden", "ints", (64, 64), "", minimum=2, maximum=1000, static=True),
    Field("pair", "ints", (1, 2), "", length=2),
)
NETWORK = AgentDeclaration("Network", FIELDS, "network:Network", SAC.layout)
WIDTHS = st.lists(st.integers(2, 1000), min_size=1, max_size=4)


def read(parameters: object, file: str = "a.json") -> AgentSpec:
    """The spec of some parameters."""
    values = {"agent_name": "Network", "parameters": parameters}
    return read_agent_spec(Document(values, {}, (file,)), NETWORK)


@given(lists=st.lists(WIDTHS, min_size=1, max_size=4))
def test_lists_of_any_lengths_are_swept(lists: list[list[int]]) -> None:
    """Every list is one value, a tuple of integers in its order, whatever the lengths of others,
    and is written down as it was read."""
    spec = read({"hidden": lists})
    assert spec.values_of("hidden") == tuple(map(tuple, lists))
    assert spec.sweep.num_settings == len(lists)
    assert spec.as_document()["parameters"] == {"hidden": lists}


def test_whole_numbers_are_integers() -> None:
    """8.0 is the integer 8, in a list as elsewhere; in YAML 1e1 is 10."""
    [found] = read({"hidden": [[8.0, 1e1]]}).values_of("hidden")
    assert found == (8, 10)
    assert all(type(width) is int for width in found)
    assert read({"hidden": [["1e1"]]}, "a.yaml").values_of("hidden") == ((10,),)


@pytest.mark.parametrize(
    "value", [[1.5], [True], ["8"], [None], [[8]], [1], [8, 1001], {"a": 8}, "88"], ids=str
)
def test_other_entries_are_refused(value: object) -> None:
    """An entry that is no integer, or out of range, is one fault that says what is allowed."""
    with pytest.raises(SpecError) as refused:
        read({"hidden": [value]})
    [fault] = refused.value.faults
    assert fault.key == "parameters.hidden"
    assert "allowed: a list of integers from 2 to 1000" in fault.problem


def test_a_list_that_is_not_swept_is_told_how() -> None:
    """A bare list of integers is refused with the list of lists to write instead."""
    with pytest.raises(SpecError) as refused:
        read({"hidden": [64, 64]})
    assert {fault.hint for fault in refused.value.faults} == {'write "hidden": [[64, 64]]'}


@pytest.mark.parametrize("value", [[1], [1, 2, 3], []], ids=str)
def test_the_length_is_checked(value: list[int]) -> None:
    """Where a field gives a length, lists of another are refused."""
    with pytest.raises(SpecError, match="a list of 2 integers"):
        read({"pair": [value]})
    assert read({}).values_of("pair") == ((1, 2),)
