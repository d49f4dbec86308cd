"""tests/README.md lists every module that tests share."""

from __future__ import annotations

from processes import ROOT

NOT_SHARED = ("conftest.py", "__init__.py")


def test_every_shared_module_is_listed() -> None:
    """The index of helpers names each module that is no test, and no module that is not there."""
    index = (ROOT / "tests/README.md").read_text()
    tests = ROOT / "tests"
    shared = {
        str(path.relative_to(tests))
        for path in tests.rglob("*.py")
        if not path.name.startswith("test_")
        and path.name not in NOT_SHARED
        and tests / "data" not in path.parents
    }
    listed = {
        row.rpartition("| `")[2].removesuffix("` |")
        for row in index.splitlines()
        if row.endswith("` |")
    }
    assert listed == shared
