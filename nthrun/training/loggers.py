"""The packages that training is logged with, each an extra of its own."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from nthrun.errors import MissingExtraError


def require_loggers(names: Iterable[str]) -> None:
    """Check, without importing them, that the packages of some loggers are installed.

    Args:
        names: of `LOGGERS`; each is the name of its package and of its extra.

    Raises:
        MissingExtraError: one is not.
    """
    for name in names:
        found = find_spec(name)
        if found is None or found.origin is None:  # a folder here may have the package's name
            raise MissingExtraError(
                f"log: {name}: its package is not installed",
                f'pip install ".[{name}]", or leave {name} out of `log`',
            )
