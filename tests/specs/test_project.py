"""Which folder the code of specs is taken to be in, and what is imported from it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nthrun.errors import DataFileError
from nthrun.specs.project import find_project, module_folders, use_project
from nthrun.specs.shipped import shipped_folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory beside a repository with specs."""
    for folder in ("here/specs", "repository/.git", "repository/src", "repository/specs/deep"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "named", "project"),
    [
        ("agent.json", None, "here"),
        ("specs/agent.json", None, "here"),
        ("../agent.json", None, "."),
        ("../repository/agent.json", None, "repository"),
        ("../repository/specs/deep/agent.json", None, "repository"),
        ("../repository/agent.json", "specs", "here/specs"),
        (str(shipped_folder("config") / "agent/template.json"), None, None),
    ],
)
def test_the_project_of_specs(
    place: Path, file: str, named: str | None, project: str | None
) -> None:
    """It is what is named, else the specs' git repository, else their folder; the working
    directory where specs lie in it."""
    expected = Path(file).parents[2] if project is None else (place / project).resolve()
    assert find_project([file], named) == expected


def test_a_project_that_is_not_there(place: Path) -> None:
    """A named project has to be a folder."""
    with pytest.raises(DataFileError, match=r"--project nowhere: no such folder"):
        find_project(["agent.json"], "nowhere")


def test_modules_are_looked_for_in_the_project_first(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules come from the working directory where it is in the project, its root and `src`,
    before all else; using a project again changes nothing."""
    repository = place / "repository"
    within = repository / "specs"
    assert module_folders(repository, place) == [repository, repository / "src"]
    assert module_folders(repository, within) == [within, repository, repository / "src"]
    monkeypatch.setattr(sys, "path", ["", "/other"])
    use_project(repository)
    use_project(repository)
    assert sys.path == [str(repository), str(repository / "src"), "", "/other"]
