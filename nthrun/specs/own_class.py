"""A user's own agent or environment, named in a spec as `package.module:Class`."""

from __future__ import annotations

import importlib
from typing import Any

from nthrun.errors import Fault, SpecError

WHERE = "modules are looked for beside main.py, in PYTHONPATH and in the virtualenv"


def own_class(name: str, key: str, origin: str, needed: str) -> Any:
    """The class that "package.module:Class" names.

    Args:
        name: the value of the spec's key.
        key, origin: the key, and the file it is in.
        needed: an attribute that it must have.

    Raises:
        SpecError: it cannot be imported, or lacks the attribute.
    """

    def fault(problem: str, hint: str) -> SpecError:
        return SpecError([Fault(origin, key, f"got {name!r}: {problem}", hint)])

    module, _, attribute = name.partition(":")
    try:
        made = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise fault(f"there is no module {error.name}", WHERE) from error
    except AttributeError as error:
        raise fault(str(error), "write package.module:Class") from error
    except Exception as error:  # whatever a user's module raises when it is imported
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise fault(f"its module cannot be imported ({reason})", "mend the module") from error
    if not hasattr(made, needed):
        raise fault(f"the class has no `{needed}`", "docs/extending.md has an example")
    return made
