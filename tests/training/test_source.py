"""Laws of the code that a checkpoint has to match."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import EXPERIMENT, ROOT, call, recorded, write_specs

from nthrun.agents.registry import AGENTS
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.scheduling.code_snapshot import take_snapshot
from nthrun.training.source import code_hash, header_hashes, source_closure

PROGRAMS = (AGENTS["SAC"].program, ENVIRONMENTS["Pendulum-v1"].program)
STATEMENT = "\nCHANGED = 1\n"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a copy of nthrun."""
    directory = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "nthrun", directory / "nthrun", ignore=ignored)
    return directory


def source_file(checkout: Path, module: str) -> Path:
    """Where a module is."""
    place = checkout / module.replace(".", "/")
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def reworded(content: str) -> str:
    """Source text with other docstrings, and with comments that it had not."""
    lines = content.splitlines()
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            assert node.end_lineno is not None
            if isinstance(node.value.value, str):
                begin, end = node.lineno - 1, node.end_lineno
                text = " " * node.col_offset + '"""Other words."""  # and a comment'
                lines[begin:end] = [text, *([""] * (end - begin - 1))]
    return "\n".join(["# a comment", "", *lines, ""])


def counts(checkout: Path, file: str, addition: str = STATEMENT) -> bool:
    """Whether an addition to a file of nthrun changes what SAC on Pendulum is trained by."""
    path = checkout / file
    before, content = source_closure(PROGRAMS, checkout), path.read_text()
    path.write_text(content + addition)
    try:
        return source_closure(PROGRAMS, checkout) != before
    finally:
        path.write_text(content)


def folders(closure: dict[str, str], layer: str) -> set[str]:
    """The packages of a layer whose modules count."""
    return {name.split(".")[2] for name in closure if re.match(rf"nthrun\.{layer}\.\w+\.", name)}


def test_words_and_places_do_not_count(checkout: Path) -> None:
    """A copy of the code counts as the code it was copied from, also when every docstring of it is
    another and comments were added."""
    before = source_closure(PROGRAMS, ROOT)
    assert source_closure(PROGRAMS, checkout) == before
    paths = [source_file(checkout, module) for module in before]
    contents = [path.read_text() for path in paths]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(reworded(content))
    try:
        assert source_closure(PROGRAMS, checkout) == before
    finally:
        for path, content in zip(paths, contents, strict=True):
            path.write_text(content)


@pytest.mark.parametrize(
    "target",
    [
        *PROGRAMS,
        "nthrun.training.loop:Training",
        "nthrun.training.steppers.compiled:CompiledStepper",
        "nthrun.compiler.tracing:record",
        "nthrun.training.tensorboard_log:TensorboardLog",
        "nthrun.environments.pendulum.declaration:PENDULUM",
    ],
)
def test_what_trains_counts(checkout: Path, target: str) -> None:
    """A checkpoint does not fit once the algorithm, the environment, the loop, a stepper or what a
    function of theirs imports has changed."""
    path = source_file(checkout, target.partition(":")[0])
    assert counts(checkout, str(path.relative_to(checkout)))


def test_others_do_not_count(checkout: Path) -> None:
    """No other agent or environment counts, unless its code is imported: neither its program, nor
    what declares it, nor what lists them all."""
    for layer in ("agents", "environments"):
        assert not counts(checkout, f"nthrun/{layer}/registry.py")
    random, (_, pendulum) = AGENTS["random"].program, PROGRAMS
    closure = source_closure((random, pendulum), checkout)
    for layer, used, declarations in (
        ("agents", random, AGENTS.values()),
        ("environments", pendulum, ENVIRONMENTS.values()),
    ):
        families = {declaration.program.split(".")[2] for declaration in declarations}
        assert folders(closure, layer) & families == {used.split(".")[2]}


def test_headers_count(tmp_path: Path) -> None:
    """The code of headers counts where steps are compiled by them, their comments do not."""
    header = tmp_path / "native.hpp"
    header.write_text("#define ONE 1\nint two = ONE + ONE;\n")
    before = header_hashes(tmp_path)
    header.write_text(
        "// one\n#define ONE 1\n\n/* two,\n   an int */\nint  two = ONE + ONE; // 2\n"
    )
    assert header_hashes(tmp_path) == before
    header.write_text("#define ONE 1\nint two = ONE - ONE;\n")
    assert header_hashes(tmp_path) != before
    assert header_hashes(ROOT / "nthrun/compiler/native").keys() >= {"elements.hpp"}
    assert code_hash(PROGRAMS, True) != code_hash(PROGRAMS, False)


def write_own(directory: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a user's files where Python looks for modules."""
    monkeypatch.syspath_prepend(directory)
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    importlib.invalidate_caches()


OWN = {
    "my_package/__init__.py": "from .world import World",
    "my_package/world.py": "from my_package.parts import part\nclass World: ...",
    "my_package/parts/__init__.py": "from . import part",
    "my_package/parts/part.py": "def act():\n    from ..late import late",
    "my_package/late.py": "import beside",
    "beside.py": "from nthrun.specs.declaration import load_program\nload_program('named:Class')",
    "named.py": "class Class: ...",
    "my_package/not_imported.py": "",
    "my_package/data/no_package.py": "from ..parts import part",
    "unused.py": "",
    "unused_package/__init__.py": "",
    "my_package/.hidden/unused.py": "",
    "my_package/code/unused.py": "",
}
"""The files of a user's environment."""


def test_a_users_code_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a user's class its whole package counts, and what that imports of the files beside it,
    within functions, relatively or by name, and nothing else that is there."""
    write_own(tmp_path, OWN, monkeypatch)
    (tmp_path / "my_package/code/SNAPSHOT.json").write_text("{}")
    programs = (PROGRAMS[0], "my_package.world:World")
    before = source_closure(programs, ROOT)
    for name, content in OWN.items():
        (tmp_path / name).write_text(content + STATEMENT)
        changed = source_closure(programs, ROOT) != before
        assert changed == ("unused" not in name), name
        (tmp_path / name).write_text(content)


IMPORTS = {
    "relative": 'from importlib import import_module\nimport_module(".helpers", __package__)',
    "dunder": '__import__("{package}.helpers")',
    "renamed": 'from importlib import import_module as load\nload("{package}.helpers")',
    "keyword": 'from importlib import import_module\nimport_module(name="{package}.helpers")',
    "computed": "import importlib\nimportlib.import_module(__name__ + '.' + 'HELPERS'.lower())",
    "lazy": "def __getattr__(name):\n    return __import__(__name__, fromlist=['help' + 'ers'])",
    "entry_point": 'import gymnasium\ngymnasium.register("{package}/W-v0", "{package}.helpers:W")',
}
"""Ways to import `helpers` of a package that are no import statements."""


@pytest.mark.parametrize("way", IMPORTS)
@pytest.mark.parametrize("program", ["{package}:World", "{package}:{package}/World-v0"])
def test_a_users_package_counts_however_it_imports(
    way: str, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module of a user's package counts by whatever means the package imports it, also when the
    package registers a Gymnasium environment; its docstrings do not count."""
    package = f"my_{way}"
    content = IMPORTS[way].format(package=package)
    files = {f"{package}/__init__.py": content, f"{package}/helpers.py": '"""Words."""'}
    write_own(tmp_path, files, monkeypatch)
    programs = (PROGRAMS[0], program.format(package=package))
    before = source_closure(programs, ROOT)
    helpers = tmp_path / package / "helpers.py"
    helpers.write_text('"""Other words: my_words."""')
    assert source_closure(programs, ROOT) == before
    helpers.write_text(STATEMENT)
    assert source_closure(programs, ROOT) != before


@pytest.mark.parametrize("way", ["dunder", "renamed", "keyword", "entry_point"])
def test_a_module_beside_counts_by_its_name_in_a_string(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module beside a user's own counts when a string in the own one is its name."""
    beside = f"my_beside_{way}"
    content = IMPORTS[way].replace("{package}.helpers", beside)
    files = {f"my_single_{way}.py": content, f"{beside}.py": ""}
    write_own(tmp_path, files, monkeypatch)
    assert beside in source_closure((PROGRAMS[0], f"my_single_{way}:World"), ROOT)


@pytest.mark.parametrize(
    ("content", "every"),
    [
        ("import nthrun\nnthrun.fits_episodes", False),
        ("def late():\n    return n.fits_episodes\nimport nthrun as n", False),
        ("import nthrun.errors\nnthrun.agents.mc_pg.declaration.fits_episodes", False),
        ("import nthrun\ngetattr(nthrun, 'fits_' + 'episodes')", True),
        ("import nthrun as n\nother = n", True),
        ("from nthrun import *", True),
        ("import importlib\nimportlib.import_module('nthrun')", True),
    ],
)
def test_attributes_of_nthrun_count(
    content: str, every: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a user's class uses of nthrun by attribute counts as if it were imported by name, and
    all public names do where the attribute cannot be read from the code."""
    write_own(tmp_path, {"my_attributes.py": content}, monkeypatch)
    closure = source_closure((PROGRAMS[0], "my_attributes:World"), ROOT)
    assert "nthrun.agents.mc_pg.declaration" in closure
    assert ("nthrun.analysis.scores" in closure) == every


def test_public_names_count_where_they_are_from(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what nthrun makes public only the modules count whose names a user's class imports."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_public_world.py").write_text("from nthrun import fits_episodes")
    importlib.invalidate_caches()
    path = checkout / "nthrun" / "__init__.py"
    content = path.read_text()
    lines = ("agents.mc_pg.declaration import fits_episodes", "analysis.scores import read_scores")
    path.write_text(content + "".join(f"\nfrom nthrun.{line}" for line in lines))
    try:
        closure = source_closure((PROGRAMS[0], "my_public_world:World"), checkout)
    finally:
        path.write_text(content)
    assert "nthrun.agents.mc_pg.declaration" in closure
    assert {"nthrun", "nthrun.analysis.scores"}.isdisjoint(closure)


def test_what_is_installed_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a user's installed package its own modules count, and not the packages beside it."""
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (installed / "my_installed.py").write_text("import dependency, ast")
    (installed / "dependency.py").write_text("")
    monkeypatch.syspath_prepend(installed)
    importlib.invalidate_caches()
    closure = source_closure((PROGRAMS[0], "my_installed:World"), ROOT)
    assert "my_installed" in closure
    assert {"dependency", "ast", "torch"}.isdisjoint(closure)


@pytest.mark.slow
def test_every_process_tells_the_same(tmp_path: Path) -> None:
    """An index has one code, whether `main.py` trains it, a worker, or a snapshot of the code."""
    specs = write_specs(tmp_path, {"total_timesteps": 100}, {"critic_lr": [0.1, 0.2, 0.3, 0.4]})
    options = [*specs, "--save-dir", str(tmp_path), "--backend", "eager", "--device", "cpu"]
    call("main.py", *options, "--index", "0")
    call("main.py", *options, "--index", "1-2", "--workers", "2", "--pack", "1")
    snapshot = tmp_path / take_snapshot(ROOT, tmp_path)
    script = [sys.executable, str(snapshot / "main.py"), *options, "--index", "3"]
    subprocess.run(script, cwd=tmp_path, check=True, timeout=300)
    runs = recorded(tmp_path)
    assert len(runs) == 4, EXPERIMENT
    assert {run["provenance"]["code"] for run in runs.values()} == {code_hash(PROGRAMS, False)}
