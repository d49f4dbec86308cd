"""How the Bewley model refuses a number."""

from __future__ import annotations

from collections.abc import Iterable

from nthrun.errors import Fault, SpecError

MODEL = "bewley"


def fault(key: str, value: object, allowed: str, hint: str = "") -> Fault:
    """The fault of one coefficient: its name, what it is, and what is allowed."""
    return Fault(MODEL, key, f"is {value}, allowed is {allowed}", hint)


def reject(checks: Iterable[tuple[bool, Fault]]) -> None:
    """Raise one `SpecError` with the faults of all checks that do not hold, if there are any."""
    faults = [found for holds, found in checks if not holds]
    if faults:
        raise SpecError(faults)
