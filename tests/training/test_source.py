"""What a checkpoint's code hash covers."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from nthrun.training.source import code_hash

OWN = ("nthrun.agents.sac.program:SoftActorCritic", "my_world:World")


def hashed(programs: tuple[str, ...]) -> str:
    """The hash as a process that starts now tells it."""
    importlib.invalidate_caches()
    code_hash.cache_clear()
    return code_hash(programs)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a user's module."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_world.py").write_text("class World: ...")
    return tmp_path / "my_world.py"


def test_a_users_module_counts(module: Path) -> None:
    """A checkpoint does not fit once the module of a user's class has changed."""
    before = hashed(OWN)
    assert hashed(OWN) == before != hashed(OWN[:1])
    module.write_text("class World: ...  # changed")
    assert hashed(OWN) != before


def test_all_of_a_users_package_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So do the modules beside it in its package."""
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "my_package"
    package.mkdir()
    for name in ("__init__", "world", "beside"):
        (package / f"{name}.py").write_text("")
    before = hashed(("my_package.world:World",))
    (package / "beside.py").write_text("CHANGED = 1")
    assert hashed(("my_package.world:World",)) != before
