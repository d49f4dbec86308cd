"""The exact solution of an economy, computed once and kept on disk.

It lies where compiled code does, in `law-<key>.exact`, under a key of all numbers of the economy,
of the grids and of the code that solves. A file is trusted that this user wrote, that nobody else
may write and whose checksum is right; otherwise the solution is computed anew. Of processes that
need the same one, one solves and the others wait.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from nthrun.environments import markov_chains
from nthrun.environments.bewley import distribution
from nthrun.environments.krusell_smith import (
    classical,
    economy,
    evaluation,
    histogram,
    household,
    law,
)
from nthrun.environments.krusell_smith.classical import Grids, Solution, solved
from nthrun.environments.krusell_smith.economy import Economy
from nthrun.environments.krusell_smith.evaluation import DATES, Exact
from nthrun.environments.krusell_smith.household import Choices
from nthrun.environments.krusell_smith.law import Law
from nthrun.environments.markov_chains import Array
from nthrun.errors import DataFileError, StorageError
from nthrun.files.cache_folder import cache_folders, is_own_file, locked, note_passed_over
from nthrun.records.durable_file import block_size, read_checksummed, write_checksummed
from nthrun.records.writer import stale_files
from nthrun.terminal import note

PURPOSE = "exact solutions"
CODE: tuple[ModuleType, ...] = (
    *(markov_chains, distribution, economy, histogram, law, evaluation, household, classical),
)
"""What a solution depends on."""


def exact_solution(economy: Economy, curved: bool, grids: Grids) -> Solution:
    """See `solved`; from disk where it lies there, which takes a few milliseconds.

    Raises:
        NoSolutionError: there is none, which is not kept.
    """
    key, found = solution_key(economy, curved, grids), None
    with cache_folders(PURPOSE) as folders:
        for folder in folders:
            path = folder / f"law-{key}.exact"
            try:
                with locked(path.with_suffix(".lock")):
                    if found is None and (kept := _kept(path, key, economy)):
                        return kept
                    found = found or _solved_aloud(economy, curved, grids)
                    _keep(path, key, found)
                    return found
            except (OSError, StorageError) as error:
                note_passed_over(folder, PURPOSE, str(error))
    return found or _solved_aloud(economy, curved, grids)


def solution_key(economy: Economy, curved: bool, grids: Grids) -> str:
    """A name of all that a solution depends on."""
    digest = hashlib.sha256(f"{np.__version__} {curved} {grids}".encode())
    for part in (economy, economy.labour):
        digest.update(type(part).__name__.encode())
        for field in fields(part):  # type: ignore[arg-type]  # a labour is a dataclass
            value = getattr(part, field.name)
            if isinstance(value, int | float | np.ndarray):
                digest.update(f"{field.name} {np.shape(value)} ".encode())
                digest.update(np.asarray(value, np.float64).tobytes())
    for module in CODE:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:32]


def _solved_aloud(economy: Economy, curved: bool, grids: Grids) -> Solution:
    started = time.perf_counter()
    found = solved(economy, curved, grids)
    note(f"the exact law of motion was solved in {time.perf_counter() - started:.1f} s")
    return found


def _arrays(solution: Solution) -> dict[str, Array]:
    """Everything that is kept, in its order."""
    law, choices, exact = solution.law, solution.choices, solution.exact
    return {
        "coefficients": law.coefficients,
        "log_bounds": law.log_bounds,
        "saved": choices.saved,
        "log_capital": choices.log_capital,
        "consumption": choices.consumption,
        "assets": exact.assets,
        "start": exact.start,
        "capital_mean": np.array(exact.capital_mean),
        "capital": exact.capital,
        "masses": exact.masses,
        "log_next": exact.log_next,
    }


def _solution(arrays: dict[str, Array]) -> Solution:
    """The solution of its arrays, which are taken out.

    Raises:
        KeyError: one is missing.
    """
    take = arrays.pop
    return Solution(
        Law(take("coefficients"), take("log_bounds")),
        Choices(take("saved"), take("log_capital"), take("consumption")),
        Exact(
            take("assets"),
            take("start"),
            float(take("capital_mean")),
            DATES,
            take("capital"),
            take("masses"),
            take("log_next"),
        ),
    )


def _keep(path: Path, key: str, solution: Solution) -> None:
    """Write a solution.

    Raises:
        StorageError: it cannot be written.
    """
    arrays = _arrays(solution)
    header = {"key": key, "shapes": {name: array.shape for name, array in arrays.items()}}
    payload = b"".join(np.asarray(array, "<f8").tobytes() for array in arrays.values())
    write_checksummed(path, header, lambda block: payload)
    path.chmod(0o600)  # whatever the umask: what others may write is not trusted
    for left_behind in stale_files(path.parent):
        left_behind.unlink(missing_ok=True)


def _kept(path: Path, key: str, economy: Economy) -> Solution | None:
    """The solution of a file, None where it is none that can be trusted."""
    if not is_own_file(path):
        return None
    try:
        header, content = read_checksummed(path)
        if header["key"] != key:
            return None
        solution = _solution(_parted(header["shapes"], content[block_size(content) :]))
    except (AttributeError, DataFileError, KeyError, OverflowError, TypeError, ValueError):
        return None
    return solution if _is_of(solution, economy) else None


def _parted(shapes: dict[str, Any], payload: memoryview) -> dict[str, Array]:
    """The arrays of a payload.

    Raises:
        AttributeError, OverflowError, TypeError, ValueError: it holds other ones.
    """
    arrays, begin = {}, 0
    for name, shape in shapes.items():
        end = begin + 8 * math.prod(shape)
        arrays[name] = np.frombuffer(payload[begin:end], "<f8").reshape(shape)
        begin = end
    return arrays


def _is_of(solution: Solution, economy: Economy) -> bool:
    """Whether all arrays have shapes that go with an economy and each other, and hold numbers."""
    law, choices, exact = solution.law, solution.choices, solution.exact
    states, kinds, dates = economy.num_states, economy.num_kinds, len(DATES)
    groups, points = choices.consumption.shape[1:2], exact.assets.size
    wanted = (
        (law.coefficients, (states, 3)),
        (law.log_bounds, (states, 2)),
        (choices.saved, (choices.saved.size,)),
        (choices.log_capital, (choices.log_capital.size,)),
        (
            choices.consumption,
            (states, *groups, choices.log_capital.size, choices.saved.size),
        ),
        (exact.assets, (points,)),
        (exact.start, (kinds, points)),
        (exact.capital, (dates,)),
        (exact.masses, (dates, kinds, points)),
        (exact.log_next, (dates,)),
    )
    return math.isfinite(exact.capital_mean) and all(
        array.shape == shape and array.size > 0 and bool(np.isfinite(array).all())
        for array, shape in wanted
    )
