"""Figures. Only this package draws, and without pyplot: no global state, window or backend is
touched."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys

BACKEND = "MPLBACKEND"


def _import_matplotlib() -> None:
    """Import matplotlib, whatever backend another program has named for itself.

    A notebook names one that only its own Python has, to every process that is started from it;
    matplotlib cannot even be imported then. No backend is needed to draw as this package does.
    """
    backend = os.environ.pop(BACKEND, None)
    try:
        matplotlib = importlib.import_module("matplotlib")
    finally:
        if backend is not None:
            os.environ[BACKEND] = backend
    if backend:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend


if "matplotlib" not in sys.modules:  # its import fails, so that nothing later could mend it
    _import_matplotlib()
