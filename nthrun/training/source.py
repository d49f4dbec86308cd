"""The source: which code runs, read without torch.

What decides a run's numbers is the closure of imports from the training loop, the program of the
agent and the program of the environment. A module counts by its name and its syntax tree: comments,
docstrings, layout and the place of the checkout do not count, nor do the other agents and
environments that the registries list. What is installed beside nthrun counts by its version only.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
LOOP = "nthrun.training.loop:Training"
REGISTRIES = ("nthrun.agents.registry:AGENTS", "nthrun.environments.registry:ENVIRONMENTS")
"""Tables that import every agent's and environment's declaration; a run uses one of each."""
DECLARATION = "declaration"
"""The module beside a program that holds what a spec may say of an agent or an environment."""
LOADERS = frozenset({"load_program", "import_module"})
"""Functions whose first argument names a module to import."""
PACKAGE_FILE = "/__init__.py"
IMPORTING = (ast.Import, ast.ImportFrom, ast.Call)
IMPLIED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
"""Fields that say nothing: they follow from the rest of the tree, or from comments."""
CPP_COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
UNKNOWN = "unknown"
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


def source_closure(programs: Iterable[str], checkout: Path) -> dict[str, str]:
    """The modules that decide a run's numbers: name -> hash of the syntax tree.

    Args:
        programs: see `code_hash`.
        checkout: the directory that nthrun is in.
    """
    modules = [_module_of(program) for program in programs if ":" in program]
    sources = _Sources(modules, checkout)
    beside = [f"{_package_of(module)}.{DECLARATION}" for module in modules if "." in module]
    pending = [_module_of(LOOP), *modules, *beside]
    public = _public_names(checkout)
    looked_at = {PACKAGE.name, *map(_module_of, REGISTRIES)}
    trees: dict[str, str] = {}
    while pending:
        module = pending.pop()
        if module in looked_at:
            continue
        looked_at.add(module)
        if module in public:
            pending += _with_parents(public[module])
        path = sources.path(module)
        if path is not None:
            state = os.stat(path)
            trees[module], imported = _read_module(module, path, state.st_mtime_ns, state.st_size)
            pending += imported
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
        hashes[path.name] = _hashed(words)
    return hashes


def _hashed(content: object) -> str:
    return hashlib.sha256(repr(content).encode(errors="surrogatepass")).hexdigest()


def _module_of(program: str) -> str:
    return program.partition(":")[0]


def _package_of(module: str) -> str:
    return module.rpartition(".")[0]


class _Sources:
    """Where the modules are that count: nthrun's, and those of users' own packages.

    Args:
        modules: of the programs in use.
        checkout: the directory that nthrun is in.
    """

    def __init__(self, modules: Iterable[str], checkout: Path) -> None:
        self._directories: dict[str, str | None] = {PACKAGE.name: str(checkout)}
        self._paths: dict[str, str | None] = {}
        self._own: list[str] = []
        for package in {module.partition(".")[0] for module in modules} - {PACKAGE.name}:
            directory = _directory_of(package)
            self._directories[package] = None if directory is None else str(directory)
            if directory is not None and not _holds_installed(directory):
                self._own.append(str(directory))

    def path(self, module: str) -> str | None:
        """The source file of a module; None for one that does not count, or is none."""
        if module not in self._paths:
            self._paths[module] = self._found(module)
        return self._paths[module]

    def _found(self, module: str) -> str | None:
        package, _, rest = module.partition(".")
        if package not in self._directories:
            found = (folder for folder in self._own if _source_file(folder, package))
            self._directories[package] = next(found, None)
        directory = self._directories[package]
        above = self.path(_package_of(module)) if rest and directory else None
        if directory is None or (above and not above.endswith(PACKAGE_FILE)):
            return None  # installed, or a name within a module
        return _source_file(directory, module)


def _directory_of(package: str) -> Path | None:
    """The directory that a package or module is in."""
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # it was put among the imported modules by hand
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve().parent
    return Path(spec.origin).resolve().parent if spec.has_location and spec.origin else None


def _holds_installed(directory: Path) -> bool:
    """Whether a directory is where Python or its installer puts packages."""
    installed = {Path(path).resolve() for path in sysconfig.get_paths().values()}
    return directory in installed or directory.name in ("site-packages", "dist-packages")


def _source_file(directory: str, module: str) -> str | None:
    place = f"{directory}/{module.replace('.', '/')}"
    return next((p for p in (place + PACKAGE_FILE, f"{place}.py") if os.path.isfile(p)), None)


@cache
def _read_module(module: str, path: str, *stamp: int) -> tuple[str, tuple[str, ...]]:
    """The hash of a module's syntax tree, and the names of what it may import.

    Args:
        module: its name.
        path: of its file.
        stamp: of the file's content.
    """
    content = Path(path).read_bytes()
    reader = _TreeReader(module if path.endswith(PACKAGE_FILE) else _package_of(module))
    try:
        reader.read(ast.parse(content))
    except (SyntaxError, ValueError):  # nothing that trains can import it
        return _hashed(content), ()
    return _hashed(reader.parts), (*_with_parents(module), *sorted(reader.imported))


class _TreeReader:
    """Reads a syntax tree without its docstrings.

    Args:
        package: that relative imports are relative to.

    Attributes:
        parts: what the tree is made of, from its root on.
        imported: names of what may be modules, with the packages that they are in.
    """

    def __init__(self, package: str) -> None:
        self.parts: list[object] = []
        self.imported: set[str] = set()
        self._package = package

    def read(self, node: ast.AST) -> None:
        """Take in a node and all under it."""
        parts, kind = self.parts, type(node)
        parts.append(kind.__name__)
        if isinstance(node, IMPORTING):
            for name in self._names(node):
                self.imported.update(_with_parents(name))
        for field in kind._fields:
            if field in IMPLIED:
                continue
            value = getattr(node, field, None)
            if isinstance(value, ast.AST):
                self.read(value)
            elif isinstance(value, list):
                items = [item for item in value if not _is_docstring(item)]
                parts.append(len(items))
                for item in items:
                    if isinstance(item, ast.AST):
                        self.read(item)
                    else:
                        parts.append(item)
            else:
                parts.append(value)

    def _names(self, node: ast.Import | ast.ImportFrom | ast.Call) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = self._package.split(".")
            base = above[: len(above) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif _function_name(node.func) in LOADERS and node.args:
            target = node.args[0]
            if isinstance(target, ast.Constant) and isinstance(target.value, str):
                yield _module_of(target.value)


def _is_docstring(item: object) -> bool:
    """Whether an item of a body is a string that nothing is done with."""
    value = item.value if isinstance(item, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _function_name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _with_parents(name: str) -> list[str]:
    """A dotted name and those of all packages above it."""
    words = name.split(".")
    return [".".join(words[:end]) for end in range(1, len(words) + 1)]


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
        "git_untracked": ("ls-files", "--others", "--exclude-standard"),
    }
    snapshot = checkout / SNAPSHOT_FILE
    if snapshot.exists():
        told = json.loads(snapshot.read_bytes())
        return {name: str(told.get(name, UNKNOWN)) for name in asked}
    if not (checkout / ".git").exists():
        return dict.fromkeys(asked, "")
    return {name: _git(checkout, *arguments).strip() for name, arguments in asked.items()}


def _git(checkout: Path, *arguments: str) -> str:
    command = ["git", "-C", str(checkout), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return done.stdout.decode(errors="replace") if done.returncode == 0 else UNKNOWN
