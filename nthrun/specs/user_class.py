"""A user's own agent, environment or figure, named as `package.module:Class` or `:function`."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nthrun.errors import CompileError, Fault, NthrunError, SpecError, described, missing_torch
from nthrun.specs.field import Value
from nthrun.specs.interface import Interface

WHERE = (
    "modules are looked for in your project, which is the specs' git repository or folder, or what "
    "--project names; beside main.py, in PYTHONPATH and in the virtualenv"
)
EXAMPLE = "docs/extending.md has an example"
Checks = Mapping[str, tuple[Callable[[Any], bool], str]]
"""An attribute -> whether a value is one for it, and in words what is."""


def user_class(
    name: str, key: str, origin: str, needed: str, noun: str, hint: str = EXAMPLE
) -> Any:
    """The class, or other object, that "package.module:Class" names.

    Args:
        name: the value of the spec's key.
        key, origin: the key, and the file it is in.
        needed: an attribute that it must have.
        noun: what it is if it has the attribute.
        hint: what to do if it does not.

    Raises:
        SpecError: it cannot be imported, or lacks the attribute.
        MissingExtraError: it needs torch, which is not installed.
    """
    made = user_object(name, key, origin)
    require_attribute(made, name, (key, origin), needed, noun, hint)
    return made


def require_attribute(
    made: Any, name: str, where: tuple[str, str], needed: str, noun: str, hint: str = EXAMPLE
) -> None:
    """Check that an object that a name stands for has an attribute; see `user_class`.

    Args:
        where: the key, and the file it is in.

    Raises:
        SpecError: it lacks the attribute.
    """
    if not hasattr(made, needed):
        key, origin = where
        problem = f"got {name!r}: this is no {noun}, it has no `{needed}`"
        raise SpecError([Fault(origin, key, problem, hint)])


def user_object(name: str, key: str, origin: str) -> Any:
    """The object that "package.module:attribute" names.

    Raises:
        SpecError: it cannot be imported.
    """

    def fault(problem: str, hint: str) -> SpecError:
        return SpecError([Fault(origin, key, f"got {name!r}: {problem}", hint)])

    module, _, attribute = name.partition(":")
    try:
        made = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if missing := missing_torch(error):
            raise missing from error
        problem = f"there is no module {error.name}"
        raise fault(problem, _public_import(error) or WHERE) from error
    except AttributeError as error:
        raise fault(str(error), "write package.module:Class") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a user's module raises when it is imported
        problem = f"its module cannot be imported ({described(error)})"
        raise fault(problem, _public_import(error) or "mend the module") from error
    return made


def _public_import(error: BaseException) -> str:
    """What to write where a module of nthrun has moved or lacks a name; "" for any other error."""
    if not isinstance(error, ImportError) or not (error.name or "").startswith("nthrun."):
        return ""
    statement = traceback.extract_tb(error.__traceback__)[-1].line or ""
    wanted = [name.split()[0] for name in statement.partition(" import ")[2].split(",") if name]
    public = getattr(importlib.import_module("nthrun"), "__all__", ())
    if wanted and all(name in public for name in wanted):
        return f"write `from nthrun import {', '.join(wanted)}`"
    return f"import from nthrun itself, whose names {EXAMPLE.split(maxsplit=1)[0]} lists"


def require_attributes(made: Any, name: str, where: tuple[str, str], checks: Checks) -> None:
    """Check those attributes of a user's class that it has.

    Args:
        made: the class.
        name: the value of the spec's key.
        where: the file, and the key.
        checks: what to check.

    Raises:
        SpecError: every attribute that is not what it has to be.
    """
    problems = [
        f"got {name!r}: its `{attribute}` is {_shown(getattr(made, attribute))}, allowed: {allowed}"
        for attribute, (fits, allowed) in checks.items()
        if hasattr(made, attribute) and not fits(getattr(made, attribute))
    ]
    if problems:
        raise SpecError([Fault(*where, problem, EXAMPLE) for problem in problems])


def is_list_of(kind: type | tuple[type, ...], value: object) -> bool:
    """Whether a value is a tuple or list of instances of a class, or of one of several."""
    return isinstance(value, (tuple, list)) and all(isinstance(item, kind) for item in value)


def user_interface(
    name: str,
    origin: str,
    function: Callable[[Mapping[str, Value]], Interface],
    values: Mapping[str, Value],
) -> Interface:
    """The interface that a user's function makes of a spec's values.

    Args:
        name, origin: the `env_name`, and the file it is in.

    Raises:
        SpecError: the function fails, or makes something else.
    """
    try:
        made = function(values)
        problem = f"gives {_shown(made)}, not an Interface"
        if isinstance(made, Interface):
            problem = made.problem() and f"gives what cannot be: {made.problem()}"
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a user's function raises
        problem = f"fails ({described(error)})"
    if problem:
        message = f"got {name!r}: its `interface` {problem}"
        raise SpecError([Fault(origin, "env_name", message, EXAMPLE)])
    return made


def user_misfits(
    name: str, origin: str, fits: Callable[..., Any], interface: Interface, values_of: Any
) -> list[tuple[str, str, str]]:
    """The misfits that a user's function finds.

    Args:
        name, origin: the `agent_name`, and the file it is in.
        fits: the function, called with an interface and the values of a hyperparameter by name.

    Raises:
        SpecError: the function fails, or gives something else.
    """
    try:
        found = list(fits(interface, values_of))
        odd = [one for one in found if not _is_misfit(one)]
        problem = f"gives {_shown(odd[0])}" if odd else ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a user's function raises
        problem = f"fails ({described(error)})"
    if problem:
        allowed = 'allowed: an iterable of (hyperparameter or "", problem, hint), () where all fits'
        message = f"got {name!r}: its `fits` {problem}, {allowed}"
        raise SpecError([Fault(origin, "agent_name", message, EXAMPLE)])
    return found


def _is_misfit(value: object) -> bool:
    return isinstance(value, tuple) and [*map(type, value)] == [str, str, str]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def raised_by(error: BaseException, programs: Iterable[str]) -> str:
    """Which of some programs raised an exception, or called what did; "" if no user's did.

    What cannot be compiled is nobody's, unless it is what a user's code itself raised while it was
    traced.

    Args:
        error: an exception that was caught.
        programs: "package.module:Class" of users' own, or names without a colon of nthrun's.
    """
    modules = {name.partition(":")[0].partition(".")[0]: name for name in programs if ":" in name}
    compiling = isinstance(error, CompileError)
    raised = error.__cause__ if compiling else error
    frames = traceback.walk_tb(raised.__traceback__ if raised is not None else None)
    names = [str(frame.f_globals.get("__name__")).partition(".")[0] for frame, _ in frames]
    found = (name for name in reversed(names[-1:] if compiling else names) if name in modules)
    return next((modules[name] for name in found if name != "nthrun"), "")


@contextmanager
def failing_as(
    kind: type[NthrunError], problem: str, programs: Iterable[str], hint: str = ""
) -> Iterator[None]:
    """Make one error of ours of whatever users' programs raise, which says whose it is.

    An error of ours that no program of a user's raised stays what it is.

    Args:
        kind: of the error.
        problem: what failed, in words.
        programs: see `raised_by`.
        hint: what to do.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a user's program raises
        whose = raised_by(error, programs)
        if isinstance(error, NthrunError) and not whose:
            raise
        by = f", raised by {whose}" if whose else ""
        raise kind(f"{problem} ({described(error)}{by})", hint) from error
