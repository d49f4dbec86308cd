"""The manifest: what an experiment directory is about, as plain JSON with a digest in it.

The digest is of everything else it holds, so that a changed number shows wherever it stands; the
fingerprint is of its specs, and is compared with them, in manifests made before the digest too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nthrun.errors import DamagedFileError, DataFileError
from nthrun.files.document import parse_document, require_form
from nthrun.files.forms import ANY_FIELDS, Fields, Text, Whole
from nthrun.files.regular_file import cannot_read, read_regular
from nthrun.records.schema import SCHEMA_VERSION, SPECS, require_schema
from nthrun.specs.fingerprint import fingerprint

MANIFEST = "manifest.json"
NOUN = "a manifest"
DIGEST = "digest"
FORM = Fields(
    {
        "fingerprint": Text(),
        "num_settings": Whole(1),
        **SPECS.required,
        "device": Text(("cpu", "cuda")),
        "backend": Text(("eager", "compile")),
        "threads": Whole(1, 2**16),
        "schema": Whole(SCHEMA_VERSION, SCHEMA_VERSION),
    },
    {DIGEST: Text()},
)
RESTORE = "restore it as it was: the records in runs/ are untouched, and each has both specs"


@dataclass(frozen=True)
class Manifest:
    """What an experiment directory is about; written once, when it is created.

    Attributes:
        fingerprint: of the two specs.
        num_settings: settings of the sweep.
        agent, environment: the specs as documents.
        device: "cpu" or "cuda", for every run.
        backend: how a step is executed, "eager" or "compile".
        threads: of each process.
        schema: version of the files.
    """

    fingerprint: str
    num_settings: int
    agent: dict[str, Any]
    environment: dict[str, Any]
    device: str
    backend: str
    threads: int
    schema: int = SCHEMA_VERSION

    def text(self) -> str:
        """The manifest as its file holds it."""
        content = asdict(self)
        return json.dumps(content | {DIGEST: _digest(content)}, indent=1)


def read_manifest(root: Path) -> tuple[Manifest, bool]:
    """The manifest of an experiment directory, and whether a digest vouches for all of it.

    Raises:
        DataFileError: there is none, it cannot be read, is damaged, or a field is not what it has
            to be.
    """
    path = root / MANIFEST
    try:
        content = read_regular(path)
    except FileNotFoundError:
        raise DataFileError(f"{root}: not an experiment directory (no {MANIFEST})") from None
    except OSError as error:
        raise cannot_read(path, error) from error
    fields = parse_document(path, content, ANY_FIELDS, NOUN)
    if "schema" in fields:
        require_schema(path, fields["schema"])
    require_form(path, fields, FORM, NOUN)
    stated = fields.pop(DIGEST, None)
    if stated is not None and stated != _digest(fields):
        raise DamagedFileError(f"{path}: changed since it was written (by its digest)", RESTORE)
    manifest = Manifest(**fields)
    _require_own_fingerprint(path, manifest)
    return manifest, stated is not None


def _require_own_fingerprint(path: Path, manifest: Manifest) -> None:
    """Check the fingerprint against the specs beside it.

    Raises:
        DamagedFileError: it is of others.
    """
    if manifest.fingerprint != fingerprint(manifest.agent, manifest.environment):
        raise DamagedFileError(
            f"{path}: fingerprint: not that of its agent and environment; one of them was changed",
            RESTORE,
        )


def _digest(fields: Mapping[str, Any]) -> str:
    """SHA-256 of all other fields, in their order, in hexadecimal."""
    return hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode()).hexdigest()
