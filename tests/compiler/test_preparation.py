"""What was prepared once is not traced again, and nothing that is damaged or another's is taken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from nthrun.compiler import preparation
from nthrun.compiler.kernel import Kernel
from nthrun.compiler.tracing import Tensors
from nthrun.files.cache_folder import cache_folders

EXAMPLES = {"x": torch.zeros(1, 3), "n": torch.zeros(1, 1, dtype=torch.int64)}
TWICE = """
import sys, time
import torch
sys.path.insert(0, "tests")
from compiler.test_preparation import EXAMPLES, step
from nthrun.compiler.kernel import Kernel

def slow(tensors):
    time.sleep(1)
    print("traced")
    return step(tensors)

Kernel([slow], EXAMPLES, frozenset("n"), identity="slow")
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for this test alone, and a process that has prepared nothing."""
    monkeypatch.setenv("NTHRUN_CACHE", str(tmp_path))
    monkeypatch.setattr(preparation, "_prepared", {})
    with cache_folders("tests") as folders:
        yield next(folders)


def step(tensors: Tensors) -> Tensors:
    return {"n": tensors["n"] + 1, "y": tensors["x"] * tensors["n"]}


def untraceable(tensors: Tensors) -> Tensors:
    raise AssertionError("it was traced")


def kernel(function: Callable[[Tensors], Tensors], identity: str = "one") -> Kernel:
    return Kernel([function], EXAMPLES, frozenset("n"), identity=identity)


def outcome(made: Kernel) -> list[float]:
    """Two steps of one lane."""
    state, x = {"n": torch.ones(1, 1, dtype=torch.int64)}, torch.full((1, 2, 3), 2.0)
    return list(made(state, {"x": x}, np.zeros(2, np.uint8), [0])["y"][0, :, 0])


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process be as a new one."""
    monkeypatch.setattr(preparation, "_prepared", {})


def test_a_later_process_traces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process prepared computes the same, without the function being called."""
    first = outcome(kernel(step))
    forget(monkeypatch)
    assert outcome(kernel(untraceable)) == first == [2.0, 4.0]


def test_a_process_prepares_once(cache: Path) -> None:
    """A second kernel of the same identity is neither traced nor read."""
    kernel(step)
    for path in cache.iterdir():
        path.unlink()
    assert outcome(kernel(untraceable)) == [2.0, 4.0]


@pytest.mark.parametrize("change", ["identity", "shape", "type", "state", "variants", "none"])
def test_anything_else_is_traced(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another identity, or other inputs, or another number of functions, is another program; and
    one without identity is traced each time."""
    kernel(step)
    forget(monkeypatch)
    examples, state, identity, functions = dict(EXAMPLES), frozenset("n"), "one", [untraceable]
    if change == "identity":
        identity = "two"
    elif change == "shape":
        examples["x"] = torch.zeros(1, 4)
    elif change == "type":
        examples["x"] = torch.zeros(1, 3, dtype=torch.float64)
    elif change == "state":
        state = frozenset("nx")
    elif change == "variants":
        functions = [untraceable, untraceable]
    else:
        identity = ""
    with pytest.raises(Exception, match="it was traced"):
        Kernel(functions, examples, state, identity=identity)


@pytest.mark.parametrize("harm", ["damaged", "shared", "without library", "damaged library"])
def test_what_is_not_to_be_trusted_is_traced_anew(
    harm: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged file, one that others may write, and one whose library is gone or damaged, are as
    if they were not there, and are replaced."""
    kernel(step)
    (document,), (library,) = cache.glob("program-*.kept"), cache.glob("*.so")
    if harm == "damaged":
        document.write_bytes(document.read_bytes().replace(b"arena", b"arenx"))
    elif harm == "shared":
        document.chmod(0o666)
    elif harm == "without library":
        library.unlink()
    else:
        content = library.read_bytes()
        library.unlink()  # this process has loaded it
        library.write_bytes(content[:-1])
    forget(monkeypatch)
    with pytest.raises(Exception, match="it was traced"):
        kernel(untraceable)
    assert outcome(kernel(step)) == [2.0, 4.0]
    forget(monkeypatch)
    assert outcome(kernel(untraceable)) == [2.0, 4.0]


def test_of_two_processes_one_traces() -> None:
    """The other waits, and takes what the first prepared; no lock stays behind."""
    started = [
        subprocess.Popen([sys.executable, "-c", TWICE], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert sorted(said) == ["", "traced\n"]
    with cache_folders("tests") as folders:
        assert {path.suffix for path in next(folders).iterdir()} == {".kept", ".so"}
