"""Saved states: what comes back is what was saved, and nothing that would run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, floating_dtypes, integer_dtypes

from nthrun.errors import DataFileError
from nthrun.programs.saved_state import UnsavableError, read_state, write_state

ARRAYS = arrays(integer_dtypes() | floating_dtypes(), array_shapes(min_dims=0, max_side=3))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | ARRAYS
STATES = st.dictionaries(
    st.text() | st.integers(),
    st.recursive(
        LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4
    ),
    max_size=3,
)


@given(STATES, st.integers(0, 10**12))
@settings(max_examples=40)
def test_a_state_comes_back(state: dict[Any, Any], step: int) -> None:
    """Arrays, numbers of any size, texts, bytes, lists and mappings are what they were."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "saved")
        write_state(path, step, state, {"lines": 3})
        assert repr(read_state(path)) == repr((step, state, {"lines": 3}))


def test_dots_in_names_are_no_nesting(tmp_path: Path) -> None:
    """Names come back as they are, however many dots they have; real nesting has an end."""
    state: dict[str, Any] = {"a" + 20 * ".b": {"c.d": 1}}
    write_state(tmp_path / "saved", 1, state, {})
    assert read_state(tmp_path / "saved")[1] == state
    for _ in range(14):
        state = {"a": state}
    with pytest.raises(UnsavableError, match="nested deeper than 12 levels"):
        write_state(tmp_path / "saved", 1, state, {})


def test_states_of_torch_come_back(tmp_path: Path) -> None:
    """What an optimiser and a network give is taken again by them."""
    network = torch.nn.Linear(2, 1)
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.ones(2)).sum().backward()
    optimiser.step()
    write_state(tmp_path / "saved", 1, {"n": network.state_dict(), "o": optimiser.state_dict()}, {})
    _, state, _ = read_state(tmp_path / "saved")
    torch.optim.Adam(network.parameters()).load_state_dict(state["o"])
    network.load_state_dict(state["n"])
    assert torch.equal(state["n"]["weight"], network.weight)


def test_what_would_be_pickled_is_refused(tmp_path: Path) -> None:
    """An object is named with its place, and a damaged file is none."""
    with pytest.raises(UnsavableError, match=r"a\.0: got builtins\.object, allowed: arrays"):
        write_state(tmp_path / "saved", 0, {"a": [object()]}, {})
    with pytest.raises(UnsavableError, match=r"a: got builtins\.set"):
        write_state(tmp_path / "saved", 0, {"a": {1}}, {})
    write_state(tmp_path / "saved", 0, {"a": np.ones(3)}, {})
    content = bytearray((tmp_path / "saved").read_bytes())
    content[-20] ^= 1
    (tmp_path / "saved").write_bytes(content)
    with pytest.raises(DataFileError, match="damaged"):
        read_state(tmp_path / "saved")
