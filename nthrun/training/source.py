"""The source: which code runs, read without torch.

What decides a run's numbers is the closure of imports from the training loop, the program of the
agent and the program of the environment. In nthrun a module counts when it is imported; a user's
own package counts whole, since what it imports may be known only when it runs. A module counts by
its name and its syntax tree: comments, docstrings, layout and the place of the checkout do not
count, nor do the other agents and environments that the registries list.

Other installed packages are not read. `nthrun.training.provenance.comparable` has the versions that
a checkpoint must match beside the code: those of torch and numpy, and for an environment on the
host those of `HOST_PACKAGES`.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import re
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from nthrun.files.document import read_document
from nthrun.files.forms import ANY_FIELDS
from nthrun.training.syntax_tree import (
    EVERY_NAME,
    PACKAGE,
    READINGS,
    hashed,
    module_of,
    read_module,
    top_package,
    with_parents,
)

LOOP = "nthrun.training.loop:Training"
REGISTRIES = ("nthrun.agents.registry:AGENTS", "nthrun.environments.registry:ENVIRONMENTS")
"""Tables that import every agent's and environment's declaration; a run uses one of each."""
DECLARATION = "declaration"
"""The module beside a program that holds what a spec may say of an agent or an environment."""
PACKAGE_FILE = "/__init__.py"
CPP_COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
UNKNOWN = "unknown"
UNTRACKED = ("ls-files", "--others", "--exclude-standard")
SNAPSHOT_FILE = "SNAPSHOT.json"
"""File in the root of a snapshot of the code with the git state of what it was taken from."""


@cache
def code_hash(programs: tuple[str, ...], native: bool) -> str:
    """SHA-256 of the code that decides a run's numbers; a checkpoint is continued only by the same.

    The first call decides, so it is made before training starts: files edited later are not what
    runs.

    Args:
        programs: "package.module:Class" of the agent, of the environment and of whatever else is
            imported for them by name; names without a colon are passed over.
        native: whether steps are compiled with nthrun's own headers.
    """
    parts = source_closure(programs, PACKAGE.parent)
    if native:
        parts |= header_hashes(PACKAGE / "compiler" / "native")
    lines = (f"{name} {part}\n" for name, part in sorted(parts.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@cache
def program_hash(function: str) -> str:
    """SHA-256 of the code of a function that is a program; only the same goes on from its state.

    The first call decides, as of `code_hash`.

    Args:
        function: "package.module:function".
    """
    parts = source_closure([function], PACKAGE.parent, loop="")
    return hashed(sorted(parts.items()))


def source_closure(programs: Iterable[str], checkout: Path, loop: str = LOOP) -> dict[str, str]:
    """The modules that decide a run's numbers: name -> hash of the syntax tree.

    Args:
        programs: see `code_hash`.
        checkout: the directory that nthrun is in.
        loop: what trains beside them; "" is nothing of nthrun's.
    """
    modules = sorted(module_of(program) for program in programs if ":" in program)
    sources = _Sources(modules, checkout)
    beside = [f"{_package_of(module)}.{DECLARATION}" for module in modules if "." in module]
    of_packages = map(top_package, modules)
    pending = [*filter(None, [module_of(loop)]), *modules, *of_packages, *beside]
    public = _public_names(checkout)
    looked_at = {PACKAGE.name, *map(module_of, REGISTRIES)}
    trees: dict[str, str] = {}
    while pending:
        module = pending.pop()
        if module in looked_at:
            continue
        looked_at.add(module)
        names = public.values() if module == EVERY_NAME else [public.get(module, module)]
        pending += [part for name in names for part in with_parents(name)]
        for name, package, path in sources.files(module):
            state = os.stat(path)
            trees[name], imported = read_module(package, path, state.st_mtime_ns, state.st_size)
            pending += imported
    READINGS.keep()
    return trees


def _public_names(checkout: Path) -> dict[str, str]:
    """What can be imported from nthrun itself: its name there -> its name in its own module."""
    tree = ast.parse((checkout / PACKAGE.name / "__init__.py").read_bytes())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {
        f"{PACKAGE.name}.{alias.asname or alias.name}": f"{node.module}.{alias.name}"
        for node in imports
        for alias in node.names
    }


def header_hashes(directory: Path) -> dict[str, str]:
    """The C++ headers in a directory: name -> hash of its lines without comments."""
    hashes = {}
    for path in directory.glob("*.hpp"):
        lines = CPP_COMMENTS.sub(" ", path.read_text()).splitlines()
        words = [line.split() for line in lines if line.strip()]
        hashes[path.name] = hashed(words)
    return hashes


def _package_of(module: str) -> str:
    return module.rpartition(".")[0]


class _Sources:
    """Where the modules are that count: nthrun's, and those of users' own packages.

    Args:
        modules: of the programs in use.
        checkout: the directory that nthrun is in.
    """

    def __init__(self, modules: Iterable[str], checkout: Path) -> None:
        self._checkout = str(checkout)
        self._paths: dict[str, str | None] = {}
        packages = sorted({*map(top_package, modules)} - {PACKAGE.name})
        self._places = {package: _places_of(package) for package in packages}
        folders = [os.path.dirname(place) for places in self._places.values() for place in places]
        self._own = [folder for folder in folders if not holds_installed(Path(folder).resolve())]

    def files(self, module: str) -> Iterator[tuple[str, str, str]]:
        """The source files that count once a module is imported; none for an installed one.

        Yields:
            the file's name in the closure, the package that its relative imports are relative to,
            and its path.
        """
        package = top_package(module)
        if package == PACKAGE.name:
            path = self._path(module)
            if path is not None:
                inside = path.endswith(PACKAGE_FILE)
                yield module, module if inside else _package_of(module), path
        elif package and package == module:  # with it all that is in it
            for place in reversed(self._places_of_users(package)):  # the first place decides
                if os.path.isdir(place):
                    yield from _package_files(package, place)
                elif os.path.isfile(place):
                    yield package, "", place

    def _places_of_users(self, package: str) -> list[str]:
        if package in self._places:
            return self._places[package]
        found = filter(None, (_source_file(folder, package) for folder in self._own))
        return [path.removesuffix(PACKAGE_FILE) for path in [next(found, None)] if path]

    def _path(self, module: str) -> str | None:
        """The source file of a module of nthrun; None for a name within a module."""
        if module not in self._paths:
            above = self._path(_package_of(module)) if "." in module else None
            within = above is not None and not above.endswith(PACKAGE_FILE)
            self._paths[module] = None if within else _source_file(self._checkout, module)
        return self._paths[module]


def _places_of(package: str) -> list[str]:
    """The directories of a package, or the file of a module."""
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # it was put among the imported modules by hand
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [os.path.abspath(place) for place in spec.submodule_search_locations]
    return [os.path.abspath(spec.origin)] if spec.has_location and spec.origin else []


def _package_files(package: str, directory: str) -> Iterator[tuple[str, str, str]]:
    """Every .py file under a package's directory, as `_Sources.files` has them.

    Hidden directories are passed over, and snapshots of the code: nothing is imported from them.
    """
    seen: set[str] = set()
    for folder, below, names in os.walk(directory, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen or SNAPSHOT_FILE in names:
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        inside = os.path.relpath(folder, directory).split(os.sep)
        words = [package, *(word for word in inside if word != os.curdir)]
        for name in names:
            path = f"{folder}/{name}"
            if name.endswith(".py") and os.path.isfile(path):
                yield "/".join([*words, name]), ".".join(words), path


def holds_installed(directory: Path) -> bool:
    """Whether a directory is where Python or its installer puts packages."""
    installed = {Path(path).resolve() for path in sysconfig.get_paths().values()}
    return directory in installed or directory.name in ("site-packages", "dist-packages")


def _source_file(directory: str, module: str) -> str | None:
    place = f"{directory}/{module.replace('.', '/')}"
    return next((p for p in (place + PACKAGE_FILE, f"{place}.py") if os.path.isfile(p)), None)


@cache
def git_state() -> dict[str, str]:
    """`checkout_state` of what nthrun runs from.

    The first call decides, so it is made before training starts: files edited later are not what
    runs.
    """
    return checkout_state(PACKAGE.parent)


def checkout_state(checkout: Path) -> dict[str, str]:
    """Commit, uncommitted difference and untracked files of a checkout.

    Each is "" where there is none, and UNKNOWN where git cannot tell. A snapshot of the code has
    them in a file.
    """
    asked = {
        "git_commit": ("rev-parse", "HEAD"),
        "git_diff": ("diff", "HEAD"),
        "git_untracked": UNTRACKED,
    }
    snapshot = checkout / SNAPSHOT_FILE
    if snapshot.exists():
        state = read_document(snapshot, ANY_FIELDS, "a note of the state of the code")
        return {name: str(state.get(name, UNKNOWN)) for name in asked}
    if not (checkout / ".git").exists():
        return dict.fromkeys(asked, "")
    return {name: _git(checkout, *arguments).strip() for name, arguments in asked.items()}


def project_state(project: Path) -> dict[str, str]:
    """`checkout_state` of the repository that a user's project lies in; untracked files are those
    of the project, relative to it."""
    root = next((each for each in (project, *project.parents) if (each / ".git").exists()), project)
    if root == project or (project / SNAPSHOT_FILE).exists():
        return checkout_state(project)
    return checkout_state(root) | {"git_untracked": _git(project, *UNTRACKED).strip()}


def _git(checkout: Path, *arguments: str) -> str:
    command = ["git", "-C", str(checkout), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return done.stdout.decode(errors="replace") if done.returncode == 0 else UNKNOWN
