"""Laws of runs as columns: what is written comes back, bit for bit."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
import pytest
from builders import make_run
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from nthrun.records.columns import ColumnsReader, ColumnsWriter
from nthrun.records.schema import JSON_TEXTS, Run, first_difference, flat_arrays, same_bits

DTYPES = st.sampled_from(["<f8", "<f4", "<f2", ">f4", "<i8", "<i4", "|u1", "<u8", "|b1"])
ARRAYS = arrays(DTYPES, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = st.sampled_from(["w", "b.0", "actor/w", "actor/b", "log α", "<f8"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e300, 1e300) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
NESTED = st.dictionaries(NAMES, ARRAYS, max_size=3)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """A run whose arrays, texts and series are arbitrary."""
    number = draw(st.integers(0, 2**40))
    changes: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {"learned_params": NESTED, "reason": TEXTS, "train_time": st.floats(0, 1e9)},
            optional={
                "train_states": ARRAYS,
                "update_indices": ARRAYS,
                "eval_episode_rewards": ARRAYS,
                "train_episode_rewards": ARRAYS,
                "metrics": NESTED,
            },
        )
    )
    changes["provenance"] = draw(st.dictionaries(TEXTS, JSON, max_size=3)) | {
        "git_diff": draw(TEXTS)
    }
    changes["agent_params"] = draw(st.dictionaries(TEXTS, JSON, max_size=3))
    return make_run(number, 0, draw(st.integers(0, 2**31)), **changes)


def written(batches: Sequence[Sequence[Run]], growing: bool) -> ColumnsReader:
    """Runs after writing them in batches."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="latest") as file:
        writer = ColumnsWriter(file, growing)
        for batch in batches:
            writer.write(batch)
        writer.close()
    return ColumnsReader(h5py.File(buffer, "r"))


def read(reader: ColumnsReader) -> list[Run]:
    """All runs of a reader."""
    return [reader.run(position) for position in range(len(reader))]


def flattened(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run with the names of nested arrays joined by `/` below its own keys."""
    flat = dict(run)
    for key, value in run.items():
        if isinstance(value, Mapping) and key not in JSON_TEXTS:
            flat[key] = dict(flat_arrays(value))
    return flat


def assert_same(found: Sequence[Run], expected: Sequence[Run]) -> None:
    """Runs agree in keys, values, types and, in arrays, in dtype, shape and bits."""
    assert len(found) == len(expected)
    for one, other in zip(found, map(flattened, expected), strict=True):
        assert one.keys() == other.keys()
        arrays_found, arrays_expected = dict(flat_arrays(one)), dict(flat_arrays(other))
        assert arrays_found.keys() == arrays_expected.keys()
        for name, array in arrays_found.items():
            assert array.dtype == arrays_expected[name].dtype, name
            assert array.shape == arrays_expected[name].shape, name
            assert array.tobytes() == arrays_expected[name].tobytes(), name
        for key, value in one.items():
            if not isinstance(value, np.ndarray) and key not in ("learned_params", "metrics"):
                assert (type(value), value) == (type(other[key]), other[key])


@settings(deadline=None, max_examples=100)
@given(st.lists(runs(), min_size=1, max_size=5), st.booleans())
def test_round_trip(expected: list[Run], growing: bool) -> None:
    """Any runs come back: ragged, empty, 0-dimensional, NaN, absent, of several dtypes, unicode."""
    assert_same(read(written([expected], growing)), expected)


@settings(deadline=None, max_examples=50)
@given(st.lists(runs(), min_size=1, max_size=6), st.data())
def test_growing(expected: list[Run], data: st.DataObject) -> None:
    """Several batches, in whatever parts, are one batch."""
    cuts = sorted(data.draw(st.sets(st.integers(1, len(expected)), max_size=3)))
    batches = [
        expected[a:b] for a, b in zip([0, *cuts], [*cuts, len(expected)], strict=True) if b > a
    ]
    assert_same(read(written(batches, growing=True)), expected)


def test_any_order_of_reading() -> None:
    """A run reads the same whichever were read before it."""
    expected = [make_run(n, 0, n, [float(n)] * n, [100] * n) for n in range(10)]
    reader = written([expected[:4], expected[4:]], growing=True)
    order = [9, 0, 5, 5, 3]
    assert_same([reader.run(n) for n in order], [expected[n] for n in order])


def test_no_episode_and_no_evaluation() -> None:
    """Runs without an episode, with evaluations of no episode, keep their shapes."""
    empty = {
        "eval_episode_rewards": np.zeros((4, 0)),
        "eval_episode_steps": np.zeros((4, 0), np.int64),
        "timesteps_at_eval": np.zeros(0, np.int64),
    }
    expected = [make_run(0, 0, 0, [], [], **empty), make_run(1, 0, 1)]
    found = read(written([expected], growing=False))
    assert_same(found, expected)
    assert found[0]["eval_episode_rewards"].shape == (4, 0)
    assert found[0]["train_episode_rewards"].shape == (0,)


def test_scalar_of_some_runs() -> None:
    """A 0-dimensional array that a run between others lacks is not given to it."""
    expected = [
        make_run(n, 0, n, learned_params={} if n == 1 else {"log_alpha": np.array(n + 0.5)})
        for n in range(3)
    ]
    found = read(written([expected], growing=False))
    assert [run["learned_params"].get("log_alpha") for run in found] == [0.5, None, 2.5]


def test_absent_series() -> None:
    """A series of only some runs, first kept midway, is absent from the others."""
    series = np.arange(12.0).reshape(6, 2)
    expected = [make_run(n, 0, n, **({"train_states": series} if n == 2 else {})) for n in range(4)]
    found = read(written([expected[:2], expected[2:3], expected[3:]], growing=True))
    assert ["train_states" in run for run in found] == [False, False, True, False]
    assert_same(found, expected)


def test_omitting() -> None:
    """Top-level keys asked to be left out are, whole, and nothing else."""
    expected = make_run(0, 0, 0, metrics={"loss": np.ones(3)}, train_states=np.ones((3, 1)))
    run = written([[expected]], growing=False).run(0, omit=("learned_params", "metrics"))
    assert expected.keys() - run.keys() == {"learned_params", "metrics"}


class TestSameBits:
    @given(ARRAYS)
    def test_itself(self, array: np.ndarray) -> None:
        """An array is the same as its copy, NaN included."""
        assert same_bits(array, array.copy())

    def test_any_nan(self) -> None:
        """NaNs are the same, whatever their sign; zeros of two signs are not."""
        nan = np.array([1.0, np.nan])
        assert same_bits(nan, np.copysign(nan, [1.0, -1.0]))
        assert not same_bits(np.array([0.0]), np.array([-0.0]))
        assert not same_bits(nan, np.array([np.nan, 1.0]))

    @pytest.mark.parametrize(
        "other", [np.zeros(3, np.float32), np.zeros((3, 1)), np.zeros(2), np.array([0, 0, 1e-300])]
    )
    def test_differing(self, other: np.ndarray) -> None:
        """Another dtype, shape or value is not the same."""
        assert not same_bits(np.zeros(3), other)


class TestFirstDifference:
    @settings(deadline=None, max_examples=50)
    @given(runs())
    def test_itself(self, run: Run) -> None:
        """A record that was written and read does not differ from the one in memory."""
        assert first_difference(run, read(written([[run]], growing=False))[0]) is None

    def test_named(self) -> None:
        """The key that differs is named; timing, provenance and absent series are passed over."""
        run = make_run(0, 0, 0)
        other = make_run(0, 0, 0, train_time=9.0, provenance={"host": "other"})
        assert first_difference(run, other) is None
        assert first_difference(run, Run(run | {"metrics": {"loss": np.ones(3)}})) is None
        assert first_difference(run, make_run(0, 0, 0, status="diverged")) == "status"
        changed = make_run(0, 0, 0, returns=(-3.0, -2.0, -1.5))
        assert first_difference(run, changed) == "train_episode_rewards"
        changed = make_run(0, 0, 0, learned_params={"actor/weight": np.ones((2, 3), np.float32)})
        assert first_difference(run, changed) == "learned_params/actor/weight"
