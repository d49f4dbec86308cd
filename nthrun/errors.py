"""Every error nthrun raises on purpose.

    NthrunError                 base; `exit_code` is what an entry point exits with
    ├── SpecError               ValueError    a spec file, or several faults of one
    ├── IndexSpecError          ValueError    an --index text, or an index out of range
    ├── FingerprintError        ValueError    the directory's runs belong to another spec
    ├── PlanError               ValueError    runs that this machine has no room for
    ├── ParentError             ValueError    a recorded run that others cannot start from
    ├── DataFileError           ValueError    a file that is not what it should be
    │   └── DamagedFileError                   one of several that are read, the others being sound
    ├── StorageError            OSError       a file that could not be written or read
    ├── DeviceError             RuntimeError  a device or backend this machine lacks
    ├── SlurmError              RuntimeError  Slurm is not here, does not answer or refuses
    ├── SupersededError         RuntimeError  another attempt at the same task has taken over
    ├── NotReplayedError        RuntimeError  an episode played again goes another way
    ├── ContractError           TypeError     an own class that gives what it must not
    ├── NoSolutionError         RuntimeError  a model whose solver found no solution
    ├── CompileError            RuntimeError  native code that cannot be built or kept
    │   ├── MissingCompilerError               no C++ compiler
    │   ├── UnloadableError                    a library that this system does not load
    │   └── UnsupportedOperationError  NotImplementedError  a step that cannot be compiled
    ├── MissingExtraError       ImportError   an optional package that is not installed
    ├── ConflictError           ValueError    records of one identity that differ (exit code 1)
    ├── RunFailedError          RuntimeError  a run that failed (exit code 1)
    └── InterruptedRunError     RuntimeError  a run stopped by a signal (exit code 128 + signal)

A message is one line: what, where, the value got and what is allowed, then `hint:` and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any


class NthrunError(Exception):
    """Base of all errors; prints as one line, with its hint if it has one."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def lines(self) -> list[str]:
        """The error as an entry point prints it, one line per fault."""
        text = f"{self.message}; hint: {self.hint}" if self.hint else self.message
        return [" ".join(text.split())]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __reduce__(self) -> tuple[Any, ...]:
        """How an error crosses processes: whatever its own constructor takes."""
        return _rebuilt, (type(self), self.args, vars(self))


def _rebuilt(
    kind: type[NthrunError], args: tuple[Any, ...], attributes: dict[str, Any]
) -> NthrunError:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(attributes)
    return error


def described(error: BaseException) -> str:
    """What any exception is and says, in one line; a user's own may fail even to say it."""
    kind = type(error).__name__
    try:
        said = " ".join(str(error).split())
    except Exception:
        said = "it cannot say what it is of"
    return f"{kind}: {said}" if said else kind


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a spec: where it stands, what is wrong, what to do."""

    file: str
    key: str
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else self.file
        return f"{where}: {self.problem}" + (f"; hint: {self.hint}" if self.hint else "")


class SpecError(NthrunError, ValueError):
    """One or more faults of a spec, all reported at once."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def lines(self) -> list[str]:
        return [" ".join(str(fault).split()) for fault in self.faults]


class IndexSpecError(NthrunError, ValueError):
    """An --index text that cannot be read, or an index outside its range."""


class FingerprintError(NthrunError, ValueError):
    """The experiment directory holds runs of another spec."""


class PlanError(NthrunError, ValueError):
    """Runs that do not fit the memory of this machine."""


class ParentError(NthrunError, ValueError):
    """A run that others are to start from, and which is not recorded or does not fit them."""


class DataFileError(NthrunError, ValueError):
    """A truncated, damaged or foreign file."""


class DamagedFileError(DataFileError):
    """A file with records that cannot be read, though others of its experiment may be."""


class StorageError(NthrunError, OSError):
    """A file that could not be written or read.

    Attributes:
        may_pass: whether for want of space or of an answer, which may come back.
    """

    exit_code = 1
    may_pass = False


class DeviceError(NthrunError, RuntimeError):
    """A device or backend that this machine cannot provide."""


class SlurmError(NthrunError, RuntimeError):
    """Slurm is not on this machine, does not answer, or refuses what it is asked."""


class SupersededError(NthrunError, RuntimeError):
    """Another attempt at the same task has taken over; this one writes nothing any more."""

    exit_code = 1


class MissingExtraError(NthrunError, ImportError):
    """An optional package that is not installed."""


def require_extra(name: str, wanted_by: str, extra: str = "") -> None:
    """Check, without importing it, that a package is installed.

    Args:
        name: of the package.
        wanted_by: what needs it, as the user wrote it.
        extra: that installs it; "" has its name.

    Raises:
        MissingExtraError: it is not.
    """
    spec = find_spec(name)
    if spec is None or spec.origin is None:  # a folder here may have the package's name
        raise MissingExtraError(
            f"{wanted_by}: the package {name} is not installed", f'pip install ".[{extra or name}]"'
        )


def missing_torch(error: BaseException) -> MissingExtraError | None:
    """The error for what needs torch where it is not installed; None for any other exception."""
    if not isinstance(error, ModuleNotFoundError) or (error.name or "").split(".")[0] != "torch":
        return None
    return MissingExtraError(
        "torch is not installed, which agents and environments of nthrun are written in",
        "pip install 'nthrun[torch]'",
    )


class ConflictError(NthrunError, ValueError):
    """Two records of one identity that differ outside timing and provenance."""

    exit_code = 1


class RunFailedError(NthrunError, RuntimeError):
    """One or more runs failed."""

    exit_code = 1


class InterruptedRunError(NthrunError, RuntimeError):
    """Training was stopped by a signal."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class NotReplayedError(NthrunError, RuntimeError):
    """A run cannot go on from its checkpoint: an episode on the host that is played again goes
    another way, the state has other tensors, or what the checksum covers is no checkpoint."""


class ContractError(NthrunError, TypeError):
    """A user's agent or environment that gives something of another shape or type than it must."""


class NoSolutionError(NthrunError, RuntimeError):
    """A model whose solver did not find a solution; the message has the numbers."""


class CompileError(NthrunError, RuntimeError):
    """Native code that this machine cannot build or keep."""


class MissingCompilerError(CompileError):
    """No C++ compiler was found."""


class UnloadableError(CompileError):
    """What a compiler builds cannot be loaded on this system."""


class UnsupportedOperationError(CompileError, NotImplementedError):
    """A step uses an operation that cannot be compiled."""
