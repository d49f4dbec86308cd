"""`simple_combine.py` on a directory of the field's earlier tool, from the outside."""

from __future__ import annotations

import pickle
import subprocess
from pathlib import Path

import pytest
from legacy.result_pickles import put
from processes import call

from nthrun.records import open_data


class Harmful:
    """A pickle that leaves a file where it is run."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> object:
        return Path.touch, (self.mark,)


def combine(*arguments: Path) -> subprocess.CompletedProcess[str]:
    return call("simple_combine.py", *map(str, arguments))


def test_import(tmp_path: Path) -> None:
    """Sound pickles become DIR/data.json or OUT, which plots and tables read; again, unchanged."""
    for index in range(8):
        put(tmp_path, index)
    for output, arguments in ((tmp_path / "data.json", ()), (tmp_path / "o.h5",) * 2):
        done = combine(tmp_path, *[arguments] if arguments else [])
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{output}: 8 runs\n", "")
        assert len(open_data(output).entries) == 8
    assert combine(tmp_path).stdout.endswith("8 runs (unchanged)\n")


def test_one_pickle(tmp_path: Path) -> None:
    """One pickle of many is refused with the folder to give instead."""
    done = combine(put(tmp_path, 0))
    assert done.returncode == 2
    assert done.stderr.endswith(
        f": one result of many; hint: give the folder it lies in: {tmp_path}\n"
    )


def test_bad_pickles(tmp_path: Path) -> None:
    """Bad pickles are a line each, none is run, the others are imported, the exit code is 1."""
    put(tmp_path, 0)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Harmful(tmp_path / "broken")))
    (tmp_path / "b.pkl").write_bytes(b"")
    (tmp_path / "c.pkl").write_bytes(put(tmp_path, 1).read_bytes()[:-9])
    done = combine(tmp_path)
    assert done.returncode == 1
    assert done.stdout == f"{tmp_path / 'data.json'}: 2 runs\n"
    first, second, third = done.stderr.splitlines()
    assert first == f"error: could not read {tmp_path / 'a.pkl'}: refused: pathlib.Path.touch"
    assert second == f"error: could not read {tmp_path / 'b.pkl'}: empty"
    assert third.startswith(f"error: could not read {tmp_path / 'c.pkl'}: damaged")
    assert not (tmp_path / "broken").exists()


@pytest.mark.parametrize("name", ["data.txt", "data.pkl"])
def test_output(tmp_path: Path, name: str) -> None:
    """An OUT of another type is refused, a pickle's own name among them."""
    path = put(tmp_path, 0)
    path.rename(tmp_path / "data.pkl")
    done = combine(tmp_path, tmp_path / name)
    assert done.returncode == 2
    assert done.stderr.endswith("unknown file type, allowed: .json, .h5\n")
