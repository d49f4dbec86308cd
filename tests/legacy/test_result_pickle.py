"""Reading result pickles without running anything of them."""

from __future__ import annotations

import builtins
import collections
import contextlib
import os
import pickle
import struct
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from legacy.result_pickles import old_data, old_run, under_numpy_1

from nthrun.errors import DataFileError
from nthrun.legacy.result_pickle import Unread, read_pickle

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(-(2**63) + 1, 2**63 - 1), inner, max_size=4)
    ),
    max_leaves=12,
)
ARRAYS = (
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6).reshape(2, 3)),
    np.arange(8, dtype=">f4")[::2],
    np.array([True, False]),
    np.array(["a", "bcd"]),
    np.array(b"xyz"),
    np.zeros((3, 0)),
    np.empty(0, np.int32),
    np.array(2.5),
)


def written(directory: Path, content: bytes) -> Path:
    path = directory / "some.pkl"
    path.write_bytes(content)
    return path


def refusal(directory: Path, content: bytes) -> str:
    """What reading some bytes ends with: one line that names the file."""
    path = written(directory, content)
    with pytest.raises(DataFileError) as caught:
        read_pickle(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert len(text.splitlines()) == 1
    return text.removeprefix(f"{path}: ")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pickles")


@given(value=PLAIN, protocol=st.integers(0, 5))
def test_plain(place: Path, value: Any, protocol: int) -> None:
    """Plain values come back as pickle wrote them, in every protocol."""
    assert read_pickle(written(place, pickle.dumps(value, protocol))) == value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("array", ARRAYS, ids=str)
def test_arrays(tmp_path: Path, array: np.ndarray, protocol: int) -> None:
    """Arrays come back with shape, kind and values, named as numpy 1 or 2 names its functions."""
    content = pickle.dumps(array, protocol)
    for forged in {content, under_numpy_1(content)} if protocol < 4 else {content}:
        found = read_pickle(written(tmp_path, forged))
        assert found.shape == array.shape
        assert found.dtype == array.dtype.newbyteorder("=")
        assert np.array_equal(found, array)


@pytest.mark.parametrize("protocol", range(6))
def test_scalars_and_objects(tmp_path: Path, protocol: int) -> None:
    """Scalars become Python's, an ordered dict a dict, an array of objects lists as its shape."""
    objects = np.empty((2, 2), dtype=object)
    objects[:] = [["a", None], [np.float32(0.5), {"b": 1}]]
    content = {
        "scalars": [np.float64(0.1), np.int32(-3), np.bool_(True), np.str_("é")],
        "ordered": collections.OrderedDict(z=1, a=2),
        "objects": objects,
        "turned": objects.T,
    }
    found = read_pickle(written(tmp_path, pickle.dumps(content, protocol)))
    assert found["scalars"] == [0.1, -3, True, "é"]
    assert [type(value) for value in found["scalars"]] == [float, int, bool, str]
    assert list(found["ordered"].items()) == [("z", 1), ("a", 2)]
    assert found["objects"] == [["a", None], [0.5, {"b": 1}]]
    assert found["turned"] == [["a", 0.5], [None, {"b": 1}]]


def test_python_2(tmp_path: Path) -> None:
    """A pickle of Python 2, whose arrays are texts of bytes, is read."""
    raw = np.array([1.0, 2.0]).tobytes()
    head = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    minus_one = b"J\xff\xff\xff\xff"
    dtype = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNN" + minus_one * 2 + b"K\x00tb"
    content = head + b"(K\x01K\x02\x85" + dtype + b"\x89U" + bytes([len(raw)]) + raw + b"tb."
    assert np.array_equal(read_pickle(written(tmp_path, content)), [1.0, 2.0])


def test_torch(tmp_path: Path) -> None:
    """An object of torch is left unread under its name, and what is beside it is read."""
    content = {"params": {"w": torch.ones(2), "d": torch.float32}, "n": 1}
    for protocol in (2, 5):
        found = read_pickle(written(tmp_path, pickle.dumps(content, protocol)))
        assert found["n"] == 1
        assert isinstance(found["params"]["w"], Unread)
        assert "torch" in found["params"]["w"].name


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Calls(os.system, "touch broken"), "posix.system"),
        (Calls(builtins.eval, "open('broken', 'w')"), "eval"),
        (Calls(subprocess.Popen, "touch broken"), "Popen"),
        (Calls(np.load, "broken"), "numpy.load"),
        (Calls(np.fromfile, "broken"), "numpy"),
        (Calls(getattr, {}, "clear"), "getattr"),
        ([1, {"deep": (Calls(os.system, "touch broken"),)}], "posix.system"),
        (np.array([Calls(os.system, "touch broken")], dtype=object), "posix.system"),
        (collections.OrderedDict(a=Calls(os.system, "touch broken")), "posix.system"),
        ({1, 2}, "set"),
        (1 + 2j, "complex"),
        (Path("x"), "Path"),
        (np.random.default_rng(1), "numpy.random"),
        (np.array([1], "M8[s]"), "dtype 'M8"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Any, name: str, protocol: int
) -> None:
    """Whatever else a pickle names is refused by its name, and is not run."""
    monkeypatch.chdir(tmp_path)
    problem = refusal(tmp_path, pickle.dumps(value, protocol))
    assert problem.startswith("refused: ")
    assert name in problem
    assert not (tmp_path / "broken").exists()


FRAME = b"\x80\x04"
RECONSTRUCTED = b"cnumpy.core.multiarray\n_reconstruct\n)R"
FLOATS = b"cnumpy\ndtype\n\x8c\x02f8\x85R"
OBJECTS = b"cnumpy\ndtype\n\x8c\x02O8\x85R"
HUGE = b"\x8a\x06" + (2**40).to_bytes(6, "little")


@pytest.mark.parametrize(
    "content",
    [
        FRAME + b"\x8e" + struct.pack("<Q", 2**40) + b".",  # bytes that are not there
        FRAME + RECONSTRUCTED + b"(K\x01" + HUGE + b"\x85" + FLOATS + b"\x89C\x08aaaaaaaatb.",
        FRAME + RECONSTRUCTED + b"(K\x01K\x05\x85" + OBJECTS + b"\x89]tb.",  # a list too short
        FRAME + RECONSTRUCTED + b"(K\x01" + HUGE + b"K\x00\x86" + OBJECTS + b"\x89]tb.",
        FRAME + RECONSTRUCTED + b"(K\x01" + HUGE + b"K\x00\x86" + FLOATS + b"\x89C\x00tb.",
        FRAME + b"c__builtin__\nbytes\n" + HUGE + b"\x85R.",
        FRAME + b"cnumpy\ndtype\nN}X\x08\x00\x00\x00__call__Ns\x86b.",  # changes a function
        FRAME + b"ccollections\nOrderedDict\nN}X\x06\x00\x00\x00fromkeysNs\x86b.",
        FRAME + b"]" + b"\x94" + b"h\x00a.",  # a list in itself
        FRAME + b"]" * 5000 + b"a" * 4999 + b".",  # deeply nested
        FRAME + b"]" + b"2\x86" * 60 + b".",  # two to the sixtieth of one list
        b"\x80\x02}.garbage"[:3],
    ],
    ids=range(12),
)
def test_crafted(tmp_path: Path, content: bytes) -> None:
    """Sizes that a file only claims, cycles and changes of functions end in one clear line."""
    assert refusal(tmp_path, content)
    assert np.array_equal(
        read_pickle(written(tmp_path, pickle.dumps(np.arange(2.0), 2))), np.arange(2.0)
    )


def test_memo_places(tmp_path: Path) -> None:
    """A place in the memo that a file merely states takes no memory."""
    content = FRAME + b"Nr" + struct.pack("<I", 2**31 - 1) + b"."
    assert peak_bytes(tmp_path, content) < 2**20
    assert read_pickle(tmp_path / "some.pkl") is None


def peak_bytes(directory: Path, content: bytes) -> int:
    """The memory that reading some bytes, which may be refused, takes at most."""
    path = written(directory, content)
    tracemalloc.start()
    with contextlib.suppress(DataFileError):
        read_pickle(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def doubled(times: int) -> bytes:
    """Instructions for a tuple of one tuple twice, and so on."""
    return b"N" + b"2\x86" * times


ENCODE = b"c_codecs\nencode\nq\x00X" + struct.pack("<I", 10**5) + b"a" * 10**5 + b"q\x01"
LATIN_1 = b"X\x06\x00\x00\x00latin1q\x02"
ORDERED = b"ccollections\nOrderedDict\nq\x00"
PAIRS = (
    b"](" + b"".join(b"J" + struct.pack("<i", n) + b"N\x86" for n in range(5000)) + b"e\x85q\x01"
)
NAME = b"X" + struct.pack("<I", 10**5) + b"torch." + b"a" * (10**5 - 6) + b"q\x00"


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02" + ENCODE + LATIN_1 + b"](" + b"h\x00h\x01h\x02\x86R" * 2000 + b"e.",
        b"\x80\x02" + ORDERED + PAIRS + b"](" + b"h\x00h\x01R" * 500 + b"e.",
        b"\x80\x04" + NAME + b"](" + b"h\x00h\x00\x93" * 2000 + b"e.",
        b"\x80\x05\x96" + struct.pack("<Q", 2**30) + b"a.",  # bytes that are not there
    ],
    ids=["encode", "ordered", "name", "bytes"],
)
def test_shared_parts(tmp_path: Path, content: bytes) -> None:
    """Calls with parts that a file holds once take no more memory than in proportion to it."""
    assert peak_bytes(tmp_path, content) < 2 * 10**7
    assert refusal(tmp_path, content) == "damaged, cut short, or no pickle"


def test_many_arguments(tmp_path: Path) -> None:
    """A call is refused whose arguments, a file holds once, are more than it has room for."""
    many = b"(" + b"N" * 50_000 + b"tq\x00"
    calls = b"](" + b"ctorch\nFoo\nh\x00R" * 1000 + b"e."
    assert refusal(tmp_path, b"\x80\x02" + many + calls)


def test_repeated_text(tmp_path: Path) -> None:
    """A long text that a file holds once does not come out many times."""
    text = "a" * 10**5
    assert refusal(tmp_path, pickle.dumps([text] * 3000))
    assert read_pickle(written(tmp_path, pickle.dumps([text] * 10))) == [text] * 10


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"}N" + b"\x85" * 10**5 + b"Ns.", "tuple as the key of a dict"),  # too deep to hash
        (b"}" + doubled(60) + b"Ns.", "tuple as the key of a dict"),  # too long to hash
        (b"}(" + doubled(60) + b"Nu.", "tuple as the key of a dict"),
        (b"(" + doubled(60) + b"Nd.", "tuple as the key of a dict"),
        (ORDERED + b"](" + doubled(60) + b"N\x86e\x85R.", "tuple as the key of a dict"),
        (b"\x8f(" + doubled(60) + b"\x90.", "set"),
        (b"(" + doubled(60) + b"\x91.", "set"),
        (b"}\x8a\x09" + b"\x01" * 9 + b"Ns.", "an integer of 65 bits as the key of a dict"),
        (b"cnumpy\ndtype\n" + doubled(60) + b"\x85R.", "dtype tuple"),  # too long to show
        (b"c_codecs\nencode\nX\x01\x00\x00\x00a" + doubled(60) + b"\x86R.", "encode to tuple"),
        (b"\x8a\xff" + b"\x01" * 255 + b".", "an integer of 2033 bits"),
    ],
    ids=range(11),
)
def test_endless(tmp_path: Path, content: bytes, name: str) -> None:
    """What would take forever to hash or to show, or end Python, is refused by name."""
    problem = refusal(tmp_path, FRAME + content)
    assert problem.startswith("refused: ")
    assert problem.endswith(name)


def test_python_2_texts(tmp_path: Path) -> None:
    """A text of bytes in a pickle of Python 2's first protocol is read."""
    assert read_pickle(written(tmp_path, b"S'\\xf0?\\x00'\n.")) == "ð?\0"


def test_cut_short(tmp_path: Path) -> None:
    """A file cut short anywhere, an empty one included, is one clear line."""
    content = pickle.dumps(old_data(0, [old_run(0)]), 4)
    assert refusal(tmp_path, b"") == "empty"
    for length in range(1, len(content), 7):
        assert refusal(tmp_path, content[:length]) == "damaged, cut short, or no pickle"


def read_or_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        read_pickle(path)
    except DataFileError as error:
        assert len(str(error).splitlines()) == 1


@given(content=st.binary(max_size=200))
def test_any_bytes(place: Path, content: bytes) -> None:
    """Any bytes are read or refused in one line."""
    read_or_refused(place / "any.pkl", content)


SOUND = [pickle.dumps(old_data(0, [old_run(0)]), protocol) for protocol in range(6)]


@given(
    content=st.sampled_from(SOUND),
    changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=4),
)
def test_any_damage(place: Path, content: bytes, changes: list[tuple[int, int]]) -> None:
    """A result with some bytes changed is read or refused in one line."""
    damaged = bytearray(content)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    read_or_refused(place / "damaged.pkl", bytes(damaged))
