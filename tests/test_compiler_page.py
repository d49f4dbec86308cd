"""The example of docs/compiler.md is run, and its C++ is what the compiler writes."""

from __future__ import annotations

from typing import Any

from pages import blocks
from processes import ROOT

PAGE = (ROOT / "docs/compiler.md").read_text()


def test_the_example_runs_and_its_source_is_written() -> None:
    """Every `python` block runs, in order, and the source it makes has every `cpp` block."""
    names: dict[str, Any] = {}
    for code in blocks(PAGE, "python"):
        exec(code, names)
    for code in blocks(PAGE, "cpp"):
        assert code in names["text"].source


def test_every_module_is_told_of() -> None:
    """The page names every module of the compiler."""
    modules = {path.stem for path in (ROOT / "nthrun/compiler").glob("[a-z]*.py")}
    assert all(f"`{name}`" in PAGE for name in modules)
