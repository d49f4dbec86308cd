"""`nthrun convert`: write the specs that a sweep file of another tool stands for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from nthrun.agents.registry import AGENTS, agent_declaration
from nthrun.commands.options import Command, debug_option
from nthrun.errors import DataFileError, NthrunError, SpecError
from nthrun.legacy.sweeps.specs import TOOLS, Specs, read_sweeps, specs_of
from nthrun.records.durable_file import write_durably
from nthrun.specs.agent_spec import read_agent_spec
from nthrun.specs.documents import Document, read_document
from nthrun.terminal import note, show


@click.command(cls=Command)
@click.argument("file")
@click.option("--out", metavar="DIR", default=".", help="Write them there.  [default: .]")
@click.option("--agent-name", metavar="NAME", help="The agent, where the file names none.")
@click.option(
    "--program", metavar="SCRIPT", help="The Python script, where the file names none or another."
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
    written: dict[Path, bytes] = {}
    for sweep in sweeps:
        specs = specs_of(sweep, stem, AGENTS, agent_name or "")
        written |= _texts(specs, Path(out), stem)
        for line in (*specs.told, *_soundness(specs)):
            note(f"{specs.part}: {line}" if specs.part else line)
    for path, text in written.items():
        if path.exists() and not overwrite and path.read_bytes() != text:
            raise DataFileError(
                f"{path}: there already, and says otherwise", "give --overwrite, or another --out"
            )
    for path, text in written.items():
        write_durably(path, lambda opened, text=text: opened.write(text))  # type: ignore[misc]
        show(path)
    return 0


def _texts(specs: Specs, folder: Path, stem: str) -> dict[Path, bytes]:
    """Path and content of each spec."""
    start = f"{stem}_{specs.part}" if specs.part else stem
    documents = {"agent": specs.agent, "environment": specs.environment}
    return {
        folder / f"{start}_{kind}.json": f"{json.dumps(document, indent=4)}\n".encode()
        for kind, document in documents.items()
        if document
    }


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
