"""What `import nthrun` offers: names that stay, instantly, without torch."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from processes import ROOT

import nthrun


@pytest.mark.parametrize("name", nthrun.__all__)
def test_a_public_name_is_there_and_described(name: str) -> None:
    """Every public name can be imported and says what it is."""
    assert getattr(nthrun, name).__doc__


def test_type_checkers_see_the_same_names() -> None:
    """The imports that type checkers read are those that a first use makes."""
    tree = ast.parse((ROOT / "nthrun/__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    modules = {name: path.rpartition(".")[0] for name, path in nthrun._MODULES.items()}
    assert seen == nthrun._SOURCES | modules
    assert set(seen) == set(nthrun.__all__)


def test_importing_needs_nothing() -> None:
    """`import nthrun` imports no module of its own but itself, and reading records no torch."""
    code = (
        "import sys, nthrun; own = [m for m in sys.modules if m.startswith('nthrun.')]; "
        "nthrun.open_data, nthrun.table, nthrun.read_experiment_spec; "
        "print(own, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "[] False\n", done.stderr


def test_an_unknown_name_is_refused() -> None:
    """A name that is not public is an AttributeError that names it."""
    with pytest.raises(AttributeError, match="open_dta"):
        nthrun.open_dta  # noqa: B018
