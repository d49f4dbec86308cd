"""Syntax trees of modules: a hash of each without comments and docstrings, and what it imports.

Parsing takes most of a second for what a run is made of, so that what was read is kept on disk,
under the hash of a file's content, of this module and of Python's version.
"""

from __future__ import annotations

import ast
import hashlib
import platform
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

from nthrun.records.cached_document import cached_document, keep_document

PACKAGE = Path(__file__).resolve().parents[1]
LOADERS = frozenset({"load_program", "import_module"})
"""Functions whose first argument names a module to import."""
EVERY_NAME = f"{PACKAGE.name}.*"
"""What a user's module imports that may use any public name of nthrun."""
MODULE_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:\S+)?")
"""A string that may name a module, or "module:attribute"."""
IMPLIED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
"""Fields that say nothing: they follow from the rest of the tree, or from comments."""

Reading = tuple[str, tuple[str, ...]]
"""The hash of a module's syntax tree, and the names of what it may import."""


class Readings:
    """What has been read of modules: by this process, and by others before it."""

    def __init__(self) -> None:
        self._kept: dict[str, Reading] | None = None
        self._is_new = False

    @cached_property
    def _name(self) -> str:
        reader = (Path(__file__).read_bytes(), platform.python_version())
        return f"sources-{hashed(reader)[:32]}"

    def of(self, package: str, content: bytes) -> Reading:
        """The reading of a module.

        Args:
            package: that its relative imports are relative to; "" for a module in none.
            content: of its file.
        """
        if self._kept is None:
            self._kept = {
                key: (str(digest), tuple(map(str, imported)))
                for key, (digest, imported) in cached_document(self._name).items()
            }
        key = f"{package} {hashlib.sha256(content).hexdigest()}"
        if key not in self._kept:
            self._kept[key] = _parsed(package, content)
            self._is_new = True
        return self._kept[key]

    def keep(self) -> None:
        """Write down what is new."""
        if self._is_new and self._kept is not None:
            keep_document(self._name, self._kept)
            self._is_new = False


READINGS = Readings()


@cache
def read_module(package: str, path: str, *stamp: int) -> Reading:
    """The reading of a module.

    Args:
        package: that its relative imports are relative to; "" for a module in none.
        path: of its file.
        stamp: of the file's content.
    """
    return READINGS.of(package, Path(path).read_bytes())


def _parsed(package: str, content: bytes) -> Reading:
    reader = _TreeReader(package)
    try:
        reader.read(ast.parse(content))
    except (SyntaxError, ValueError, RecursionError):  # most likely nothing can import it
        return hashed(content), ()
    imported = (
        reader.imported if top_package(package) == PACKAGE.name else reader.imported_by_users()
    )
    return hashed(reader.parts), (*with_parents(package), *sorted(imported))


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
        self._strings: set[str] = set()
        self._bound = {PACKAGE.name}  # the names that nthrun itself may have
        self._uses: Counter[str] = Counter()
        self._bases: Counter[str] = Counter()
        self._attributes: set[tuple[str, str]] = set()

    def read(self, node: ast.AST) -> None:
        """Take in a node and all under it."""
        parts, kind = self.parts, type(node)
        parts.append(kind.__name__)
        self._note(node)
        for name in self._names(node):
            self.imported.update(with_parents(name))
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

    def imported_by_users(self) -> set[str]:
        """`imported`, with what any string may name and what is used of nthrun by attribute."""
        named = {module_of(text) for text in self._strings if MODULE_NAME.fullmatch(text)}
        used = {f"{PACKAGE.name}.{rest}" for base, rest in self._attributes if base in self._bound}
        whole = any(self._uses[name] > self._bases[name] for name in self._bound)
        if whole or PACKAGE.name in named:
            used.add(EVERY_NAME)
        return self.imported.union(*map(with_parents, named | used))

    def _note(self, node: ast.AST) -> None:
        """Keep what only a user's module imports by."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self._strings.add(node.value)
        elif isinstance(node, ast.alias) and node.name == PACKAGE.name:
            self._bound.add(node.asname or node.name)
        elif isinstance(node, ast.Name):
            self._uses[node.id] += 1
        elif isinstance(node, ast.Attribute):
            base, _, rest = _dotted(node).partition(".")
            self._attributes.add((base, rest))
            if isinstance(node.value, ast.Name):
                self._bases[base] += 1
            if node.attr == PACKAGE.name:  # another module's name for it
                self._strings.add(PACKAGE.name)

    def _names(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = self._package.split(".")
            base = above[: len(above) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _function_name(node.func) in LOADERS and node.args:
            target = node.args[0]
            if isinstance(target, ast.Constant) and isinstance(target.value, str):
                yield module_of(target.value)


def _is_docstring(item: object) -> bool:
    """Whether an item of a body is a string that nothing is done with."""
    value = item.value if isinstance(item, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _dotted(node: ast.expr) -> str:
    """The name of an attribute of an attribute of a name; it starts with "." for one of no name."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _function_name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def hashed(content: object) -> str:
    """SHA-256 of what a value shows of itself."""
    return hashlib.sha256(repr(content).encode(errors="surrogatepass")).hexdigest()


def module_of(program: str) -> str:
    """The module of "module:Class"."""
    return program.partition(":")[0]


def top_package(module: str) -> str:
    """The package that a module is in, at the top."""
    return module.partition(".")[0]


def with_parents(name: str) -> list[str]:
    """A dotted name and those of all packages above it."""
    words = name.split(".")
    return [".".join(words[:end]) for end in range(1, len(words) + 1)]
