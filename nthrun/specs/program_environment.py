"""The environment spec of a program: any mapping, of which nthrun knows a few keys."""

from __future__ import annotations

from typing import Any

from nthrun.errors import Fault, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.documents import Document
from nthrun.specs.environment_spec import FIELDS, EnvironmentSpec
from nthrun.specs.field import Field, RejectedError, Value, shown
from nthrun.specs.interface import Interface
from nthrun.specs.program_spec import text_faults
from nthrun.specs.spec_text import YAML_SUFFIXES

NO_ENVIRONMENT = "none"
KNOWN = (
    "total_timesteps",
    "eval_interval_timesteps",
    "eval_episodes",
    "checkpoint_interval_seconds",
)
"""The fields that say something to nthrun where a program trains; all others are the program's."""
UNKNOWN_INTERFACE = Interface((0.0,), (0.0,), num_actions=1, terminates=False)
"""Stands for what a program's environment looks like, which nobody here has to know."""
CONTENT = Field("environment", "mapping", None, "what the program's environment is")


def read_program_environment(document: Document) -> EnvironmentSpec:
    """The environment spec of a program; what a program alone knows stays as it was written.

    Raises:
        SpecError: every fault of what nthrun knows of it.
    """
    faults = list(text_faults(document, document.values))
    name = document.values.get("env_name", NO_ENVIRONMENT)
    if not isinstance(name, str) or not name:
        problem = f"got {shown(name)}, allowed: a name"
        faults.append(Fault(document.origin("env_name"), "env_name", problem))
    fields = {field.name: field for field in FIELDS}
    values: dict[str, Value] = {
        name: 0 if field.default is None else field.default for name, field in fields.items()
    }
    given: dict[str, Any] = {"env_name": name}
    for key, raw in document.values.items():
        yaml_text = document.origin(key).endswith(YAML_SUFFIXES)
        try:
            if key in KNOWN:
                values[key] = given[key] = fields[key].normalise(raw, yaml_text=yaml_text)
            elif key != "env_name":
                given |= _as_written(key, raw)
        except RejectedError as rejected:
            faults.append(Fault(document.origin(key), key, rejected.problem, rejected.hint))
    if faults:
        raise SpecError(faults)
    declaration = EnvironmentDeclaration(str(name), UNKNOWN_INTERFACE, "")
    return EnvironmentSpec(str(name), values, declaration, UNKNOWN_INTERFACE, given)


def _as_written(key: str, raw: object) -> dict[str, Any]:
    """A field of the program's own.

    Raises:
        RejectedError: it holds a number that JSON cannot.
    """
    kept = CONTENT.normalise({key: raw})
    assert isinstance(kept, dict)
    return kept
