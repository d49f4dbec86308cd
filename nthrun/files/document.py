"""Documents: JSON that nthrun wrote, read back as what it has to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nthrun.errors import DataFileError
from nthrun.files.forms import Form
from nthrun.files.json_text import MAX_PARTS, JsonError, parse_json
from nthrun.files.regular_file import LARGEST_DOCUMENT_BYTES, cannot_read, read_regular


def read_document(
    path: Path, form: Form, noun: str, largest_bytes: int = LARGEST_DOCUMENT_BYTES
) -> Any:
    """What a file holds, which fits the form.

    Args:
        path: of the file.
        form: of the document.
        noun: what it is, such as "a manifest".
        largest_bytes: a larger file is refused.

    Raises:
        DataFileError: it cannot be read, is damaged, or a field is not what it has to be.
    """
    try:
        content = read_regular(path, largest_bytes)
    except OSError as error:
        raise cannot_read(path, error) from error
    return parse_document(path, content, form, noun)


def parse_document(
    path: Path, content: bytes | str, form: Form, noun: str, max_parts: int = MAX_PARTS
) -> Any:
    """As `read_document`, of a text that was read from a file; `max_parts` as of `parse_json`.

    Raises:
        DataFileError: it is damaged, or a field is not what it has to be.
    """
    try:
        value = parse_json(content, max_parts=max_parts)
    except JsonError as error:
        raise DataFileError(f"{path}: damaged, or not {noun} of nthrun: {error}") from None
    require_form(path, value, form, noun)
    return value


def require_form(path: Path, value: Any, form: Form, noun: str) -> None:
    """Check a value that was read from a file.

    Raises:
        DataFileError: a field is not what it has to be.
    """
    misfit = form.misfit(value, "")
    if misfit is not None:
        key, problem = misfit
        where = f"{key}: " if key else ""
        raise DataFileError(f"{path}: {where}{problem}; damaged, or not {noun} of nthrun")
