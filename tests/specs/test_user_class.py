"""Laws of users' own classes: what cannot be imported is refused with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

import nthrun
from nthrun.errors import SpecError
from nthrun.specs.user_class import user_class


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a module that does not exist yet, whose folder is on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    return str(tmp_path / f"own_{abs(hash(request.node.name))}.py")


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        ("from nthrun.specs.no_more import Public", "write `from nthrun import Public`"),
        ("from nthrun.specs.field import Public", "write `from nthrun import Public`"),
        ("from nthrun.specs.field import (Gone)", "import from nthrun itself"),
        ("import nthrun.specs.no_more", "import from nthrun itself"),
        ("import there_is_no_such_package", "modules are looked for beside main.py"),
    ],
)
def test_an_old_import_is_refused_with_the_new_one(
    write: str, statement: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import that nthrun no longer has is one fault, whose hint names the import to write."""
    monkeypatch.setattr(nthrun, "__all__", ["Public"], raising=False)
    Path(write).write_text(f"{statement}\n\n\nclass Own:\n    hyperparameters = ()\n")
    with pytest.raises(SpecError) as refused:
        user_class(f"{Path(write).stem}:Own", "agent_name", "a.json", "hyperparameters", "agent")
    [fault] = refused.value.faults
    assert hint in fault.hint
    assert len(refused.value.lines()) == 1
