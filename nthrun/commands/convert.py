"""`nthrun convert`: write the specs that a sweep file of another tool stands for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from nthrun.agents.registry import AGENTS, agent_declaration
from nthrun.commands.options import Command, debug_option
from nthrun.errors import DataFileError, NthrunError, SpecError
from nthrun.legacy.sweeps.specs import TOOLS, Specs, read_sweeps, specs_of
from nthrun.records.durable_file import write_unless_other
from nthrun.specs.agent_spec import read_agent_spec
from nthrun.specs.documents import Document, flatten, read_document
from nthrun.specs.field import shown
from nthrun.specs.program_spec import NAME
from nthrun.terminal import note, show


@click.command(cls=Command)
@click.argument("file")
@click.option("--out", metavar="DIR", default=".", help="Write them there.  [default: .]")
@click.option("--agent-name", metavar="NAME", help="The agent, where the file names none.")
@click.option(
    "--program", metavar="SCRIPT", help="The Python script that starts, whatever the file names."
)
@click.option("--overwrite", is_flag=True, help="Replace files that say otherwise.")
@debug_option
def convert(
    file: str,
    out: str,
    agent_name: str | None,
    program: str | None,
    overwrite: bool,
    debug: bool,
) -> int:
    """Write the specs that a sweep FILE of another tool stands for, and say what they lack.

    FILE is a sweep of W&B, a file of SEML, a configuration of Hydra with hydra.sweeper.params, or
    an experiment of PyExpUtils with metaParameters. What starts a script becomes a spec of a
    command.
    """
    if agent_name and program:
        raise click.UsageError("--agent-name and --program: give one of them")
    sweeps = read_sweeps(file, read_document([file]).values, program or "")
    if not sweeps:
        raise NthrunError(f"{file}: no sweep of a tool that is known", f"there are: {TOOLS}")
    stem = Path(file).stem
    all_specs = [
        specs_of(sweep, stem, AGENTS, agent_name or "", starts_script=bool(program))
        for sweep in sweeps
    ]
    _require_names(file, [specs.part for specs in all_specs])
    written: dict[Path, bytes] = {}
    for specs in all_specs:
        written |= _contents(specs, Path(out), stem)
    for specs in all_specs:
        for line in (*specs.told, *_soundness(specs)):
            note(f"{specs.part}: {line}" if specs.part else line)
    write_unless_other(written, overwrite, "give --overwrite, or another --out")
    for path in written:
        show(path)
    return 0


def _require_names(file: str, parts: Sequence[str]) -> None:
    """Refuse parts that no file can be named after, and parts of one name."""
    for part in parts:
        if part and not NAME.fullmatch(part):
            allowed = "up to 100 letters of A-Z and a-z, digits and _.+-"
            raise DataFileError(f"{file}: a part is called {shown(part)}, allowed: {allowed}")
        if parts.count(part) > 1:
            problem = f"{file}: {parts.count(part)} parts are called {part} with those around them"
            raise DataFileError(problem, "rename all but one")


def _contents(specs: Specs, folder: Path, stem: str) -> dict[Path, bytes]:
    """Path and content of each spec."""
    start = f"{stem}_{specs.part}" if specs.part else stem
    documents = {"agent": specs.agent, "environment": specs.environment}
    contents: dict[Path, bytes] = {}
    for kind, document in documents.items():
        path = folder / f"{start}_{kind}.json"
        for key, value in flatten(document):
            if not _as_json({key: value}):
                problem = f"{path}: {key}: got {shown(value)}"
                raise DataFileError(f"{problem}, allowed: numbers and texts that JSON can hold")
        if document:
            contents[path] = _as_json(document)
    return contents


def _as_json(document: Mapping[str, Any]) -> bytes:
    """Content of a file of JSON; empty where none can hold it."""
    try:
        text = json.dumps(document, indent=4, ensure_ascii=False, allow_nan=False)
        return f"{text}\n".encode()
    except ValueError:  # NaN, more digits than Python prints, half a surrogate pair
        return b""


def _soundness(specs: Specs) -> Iterator[str]:
    """How many settings there are, or what is still wrong with the agent's spec."""
    name = str(specs.agent.get("agent_name", ""))
    if not name or ":" in name:  # nothing of the user's own is imported to write a file
        return
    document = Document(specs.agent, {}, ("",))
    try:
        spec = read_agent_spec(document, agent_declaration(document))
        yield f"{spec.sweep.num_settings} settings"
    except SpecError as error:
        yield from (f"{fault.key}: still to be mended: {fault.problem}" for fault in error.faults)
