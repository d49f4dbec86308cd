"""What lies in checkpoints/: stray names are nobody's, and a listing that fails is no empty one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from documents import write_checkpoint

from nthrun.errors import StorageError
from nthrun.records.durable_file import write_checksummed
from nthrun.training.checkpoint_index import (
    abandon_checkpoints,
    abandoned_indices,
    all_held,
    drop_checkpoints,
    find_checkpoints,
    held_indices,
)

STRAY = [
    "stage0-x-y-zz",
    "stage0-0-9-zz",
    "stage0-0-9",
    "stage0-0-9-",
    "stage0-٣-٣-ab",
    f"stage0-{'9' * 5000}"[:250],
    "stage0--1-9-ab",
    "stage-0-9-ab",
    "abandoned-foo",
    "notes.txt",
    ".writing-12345678-x",
    "stage0-0-9-ab12.tar",
]


def checkpoint(directory: Path, name: str, indices: list[int], step: int = 5) -> Path:
    """An attempt's directory with one state, whose header alone is read."""
    state = {"state": 1, "inc": 1}
    stream = {"bit_generator": "PCG64", "state": state, "has_uint32": 0, "uinteger": 0}
    lane = {
        "streams": dict.fromkeys(("ENVIRONMENT", "AGENT", "REPLAY"), stream),
        "attempts": [],
        "train_time": 0.0,
        "eval_time": 0.0,
    }
    header = {
        "kind": "checkpoint",
        "stage": 0,
        "step": step,
        "facts": {},
        "lanes": [{"index": index} | lane for index in indices],
        "series": {"name": "series.log", "end": 0, "sha256": hashlib.sha256().hexdigest()},
        "replay": [],
    }
    path = directory / name / f"state-{step:015d}.ckpt"
    write_checksummed(path, header, lambda _: b"")
    return path.parent


@pytest.mark.parametrize("stray", STRAY)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_stray_name_is_passed_over(tmp_path: Path, stray: str, kind: str) -> None:
    """Whatever else lies in checkpoints/ bars nothing, counts for nothing and stays."""
    (tmp_path / stray).mkdir() if kind == "folder" else (tmp_path / stray).touch()
    pack = checkpoint(tmp_path, "stage0-0-3-0123abcd", [0, 3])
    assert all_held(tmp_path) == {0: {0, 3}}
    found, refused = find_checkpoints(tmp_path, 0, [1, 7], {})
    assert (found, refused) == ({}, [])
    abandon_checkpoints(tmp_path, 0, [3])
    assert abandoned_indices(pack) == {3}
    drop_checkpoints(tmp_path, 0, lambda index: float("inf"))
    assert [path.name for path in tmp_path.iterdir()] == [stray]


@pytest.mark.parametrize(
    "stray", ["abandoned-foo", "abandoned-", "abandoned-٣", "state-x.ckpt", "state-.ckpt", "x"]
)
def test_a_stray_name_in_an_attempts_directory_is_passed_over(tmp_path: Path, stray: str) -> None:
    """So does what lies among an attempt's own files."""
    pack = checkpoint(tmp_path, "stage0-0-3-0123abcd", [0, 3])
    (pack / stray).touch()
    assert abandoned_indices(pack) == set()
    assert held_indices(pack) == {0, 3}


def test_a_name_of_the_kind_that_is_no_directory_is_passed_over(tmp_path: Path) -> None:
    """A file, or a link that leads nowhere, under the name of an attempt."""
    (tmp_path / "stage0-0-3-0123abcd").touch()
    (tmp_path / "stage0-0-3-0123abce").symlink_to(tmp_path / "nowhere")
    assert all_held(tmp_path) == {}
    assert find_checkpoints(tmp_path, 0, [0], {}) == ({}, [])


def test_what_cannot_be_listed_is_told(tmp_path: Path) -> None:
    """Nothing is continued from step 0 because its checkpoints could not be looked at."""
    (tmp_path / "checkpoints").symlink_to(tmp_path / "checkpoints")
    for ask in (
        lambda: find_checkpoints(tmp_path / "checkpoints", 0, [0], {}),
        lambda: all_held(tmp_path / "checkpoints"),
    ):
        with pytest.raises(StorageError, match="cannot be listed"):
            ask()


def test_unusable_checkpoints_are_marked_within_the_experiment(tmp_path: Path) -> None:
    """What lies in the place of the mark counts as one, and a link there leads to no file."""
    pack = tmp_path / "checkpoints" / "stage0-0-3-0123abcd"
    write_checkpoint(pack, [0, 3])
    (pack / "abandoned-0").symlink_to(tmp_path / "outside")
    abandon_checkpoints(tmp_path / "checkpoints", 0, [0, 7])
    assert not (tmp_path / "outside").exists()
    assert abandoned_indices(pack) == {0}
