"""What becomes of a spec file of the older tool: one of nthrun's own, notes and faults.

A document is made one of ours before it is checked, so that directories, records and fingerprints
have our names: keys without effect are passed over, names and values become what they mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from nthrun.errors import Fault
from nthrun.specs.documents import Document


@dataclass(frozen=True, slots=True)
class Reading:
    """A document as one of ours.

    Attributes:
        document: with our keys and names.
        notes: what was passed over and what was renamed, a line each.
        faults: what of the older tool cannot be carried over.
        is_older: whether anything shows that the older tool's is what was read.
    """

    document: Document
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    is_older: bool = False


@dataclass
class Findings:
    """What is found on the way through a document."""

    document: Document
    passed: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, key: str, problem: str, hint: str = "") -> None:
        """Note a fault of a key."""
        self.faults.append(Fault(self.document.origin(key), key, problem, hint))

    def reading(self, values: dict[str, Any], what: str, *, is_older: bool = False) -> Reading:
        """Everything found, with the document's new values."""
        notes = []
        if self.passed:
            notes.append(f"{what} passed over, as without effect here: {'; '.join(self.passed)}")
        if self.renamed:
            notes.append(f"{what} read as nthrun's own: {'; '.join(self.renamed)}")
        document = replace(self.document, values=values)
        older = is_older or bool(notes or self.faults)
        return Reading(document, tuple(notes), tuple(self.faults), older)


def as_list(values: Any) -> list[Any]:
    """What a key lists; a scalar is a list of one."""
    return values if isinstance(values, list) else [values]


def is_number(value: Any) -> bool:
    """Whether a value is a number and no boolean."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
