"""The agent spec of a chosen setting: a file that `main.py` takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nthrun.errors import NthrunError
from nthrun.records.durable_file import write_durably


def spec_path(folder: Path, agent_name: str, env_names: Sequence[str]) -> Path:
    """`<folder>/<agent>_best_<environments joined by +>.json`.

    Of a name `package.module:Class` the class remains, and a slash becomes a hyphen.
    """
    agent, *environments = (_as_file(name) for name in (agent_name, *env_names))
    return folder / f"{agent}_best_{'+'.join(environments)}.json"


def spec_text(agent_name: str, parameters: Mapping[str, Any]) -> str:
    """The spec of one setting, each hyperparameter a list of one."""
    listed = ",\n".join(
        f"        {json.dumps(k)}: {json.dumps([v])}" for k, v in parameters.items()
    )
    body = f"{{\n{listed}\n    }}" if listed else "{}"
    return f'{{\n    "agent_name": {json.dumps(agent_name)},\n    "parameters": {body}\n}}\n'


def write_specs(specs: Sequence[tuple[Path, str]], overwrite: bool) -> list[Path]:
    """Write (path, text) pairs, all or none.

    Returns:
        those that were not there with this text already.

    Raises:
        NthrunError: two have one path, or one would take the place of other text.
        StorageError: a file could not be written.
    """
    paths = [path for path, _ in specs]
    for path in paths:
        if paths.count(path) > 1:
            raise NthrunError(
                f"{path}: several of the experiments would be written here",
                "choose for each in a command of its own, with --out, or give --no-write",
            )
    changed = [(path, text) for path, text in specs if not _says(path, text)]
    for path, _ in changed:
        if path.exists() and not overwrite:
            raise NthrunError(
                f"{path}: there already, and says otherwise",
                "give --overwrite, another --out, or --no-write",
            )
    for path, text in changed:
        write_durably(path, lambda file, text=text: file.write(text.encode()))  # type: ignore[misc]
    return [path for path, _ in changed]


def _says(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _as_file(name: str) -> str:
    return name.rpartition(":")[2].replace("/", "-")
