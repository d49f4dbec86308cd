"""W&B's sweep files: what `nthrun.specs.wandb_sweep` makes of them, and what they start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nthrun.errors import SpecError
from nthrun.legacy.sweeps.base import ARGUMENTS, ForeignSweep
from nthrun.specs.documents import flatten
from nthrun.specs.search.space import is_drawn
from nthrun.specs.wandb_sweep import read_wandb_sweep

MACROS = {"${args}": "--{name}={value}", "${args_no_hyphens}": "{name}={value}"}
WORDS = {"${env}": "", "/usr/bin/env": "", "${interpreter}": "python"}
USUAL = ["python", "${program}", "${args}"]


def read_wandb(path: str, content: Mapping[str, Any], program: str = "") -> list[ForeignSweep]:
    """The sweep of a file of W&B.

    Args:
        path: of the file.
        content: of it, of which `is_wandb_sweep` holds.
        program: the script, where it is another than the file says.

    Raises:
        SpecError: everything wrong with it.
    """
    spec, faults, notes = read_wandb_sweep(path, dict(content))
    if faults:
        raise SpecError(faults)
    found = ForeignSweep("W&B", told=list(notes), search=spec["search"])
    found.values = dict(flatten(spec["parameters"], is_drawn))
    if found.search == {"method": "grid"}:
        found.search = {}
    if "agent_name" in spec:
        found.constants["agent_name"] = spec["agent_name"]
    found.told += [
        f"{name}: as an argument of its own, where W&B hands on a mapping"
        for name in found.values
        if "." in name
    ]
    if script := program or content.get("program"):
        _command(found, str(script), content.get("command", USUAL))
    return [found]


def _command(found: ForeignSweep, script: str, words: Any) -> None:
    """The words that start a run."""
    for word in words if isinstance(words, list) else USUAL:
        text = WORDS.get(str(word), str(word))
        if text in MACROS:
            found.argument = MACROS[text]
            found.command.append(ARGUMENTS)
        elif text == "${program}":
            found.command.append(script)
        elif "${" in text:
            found.lose("command", f"{text} has no counterpart")
        elif text:
            found.command.append(text.replace("{", "{{").replace("}", "}}"))
