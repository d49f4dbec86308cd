"""`python -m nthrun best`: choose a setting, and write it as an agent spec that `main.py` takes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from nthrun.agents.registry import agent_declaration
from nthrun.analysis.choice import Choice, choose, choose_across
from nthrun.analysis.choice_text import FORMATS, choice_lines, choice_table, confirmation_line
from nthrun.analysis.compatibility_checks import require_one_sweep
from nthrun.analysis.estimates import Estimate, estimate, sample
from nthrun.analysis.intervals import CONFIDENCE, NUM_RESAMPLES
from nthrun.analysis.optuna_trials import IMPORTANCE, importance_text, require_importances
from nthrun.analysis.report.settings_table import as_csv
from nthrun.analysis.score_options import DIRECTION, IMPORTANCES, LAST, METRIC, SHORTEST
from nthrun.analysis.scores import (
    ALL_STAGES,
    Scores,
    Stage,
    chosen_entries,
    common_step,
    read_scores,
)
from nthrun.commands.experiment_paths import data_paths
from nthrun.commands.labelled_data import act_on_readable
from nthrun.commands.options import Command, debug_option
from nthrun.errors import NthrunError, SpecError
from nthrun.records.data import Data, open_data
from nthrun.records.durable_file import write_unless_other
from nthrun.specs.agent_spec import read_agent_spec
from nthrun.specs.documents import Document
from nthrun.specs.program_spec import program_keys
from nthrun.specs.trust import Trust, may_run
from nthrun.terminal import printable, show, show_text, warn

SPECS = Path("config/agent")
MAX_NAME = 60
"""Letters that a file is named by of each name."""


def _parse_stage(context: click.Context, option: click.Parameter, value: str | None) -> Stage:
    if value is None or value == ALL_STAGES:
        return ALL_STAGES if value else None
    if not value.isdecimal():
        problem = f"got {value!r}, allowed: 0, 1, 2, ... or {ALL_STAGES}"
        raise click.BadParameter(problem, context, option)
    return int(value)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for; the fields are the command's options."""

    metric: str | None
    last: float
    direction: str | None
    shortest: bool
    stage: Stage
    confirm: int | None
    resamples: int
    confidence: float
    across: bool
    importance: bool
    kind: str
    out: Path
    no_write: bool
    overwrite: bool

    def scores(self, data: Data, stage: Stage) -> Scores:
        """The scores of the runs of an experiment that choose."""
        up_to = common_step(chosen_entries(data, stage)) if self.shortest else None
        return read_scores(data, self.metric, self.last, stage, self.direction, up_to)

    def confirming_scores(self, data: Data, stage: int, up_to: int | None) -> Scores:
        """The scores of those that confirm, with --shortest up to the step that the others were
        compared by."""
        up_to = up_to if self.shortest else None
        return read_scores(data, self.metric, self.last, stage, self.direction, up_to)


@click.command(cls=Command)
@click.argument("experiments", nargs=-1, required=True, metavar="EXPERIMENT...")
@click.option("--metric", **METRIC)
@click.option("--last", **LAST)
@click.option("--direction", **DIRECTION)
@click.option("--shortest", **SHORTEST)
@click.option(
    "--stage",
    callback=_parse_stage,
    metavar="S|all",
    help="Whose runs choose; all mixes them.  [default: the only one recorded]",
)
@click.option(
    "--confirm",
    type=click.IntRange(min=0),
    metavar="S",
    help="Show the winner's runs of this stage too, which did not choose it.",
)
@click.option("--resamples", type=click.IntRange(min=1), default=NUM_RESAMPLES, show_default=True)
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=CONFIDENCE,
    show_default=True,
    help="Of intervals.",
)
@click.option("--across", is_flag=True, help="Choose one setting for all the experiments.")
@click.option(IMPORTANCE, **IMPORTANCES)
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="Of the table, csv having every setting; all but text go to stdout without the report.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=SPECS,
    show_default=True,
    help="Where agent specs go.",
)
@click.option("--no-write", is_flag=True, help="Write no agent specs.")
@click.option("--overwrite", is_flag=True, help="Replace agent specs that say otherwise.")
@debug_option
def best(experiments: Sequence[str], debug: bool, **options: Any) -> int:
    """Choose the best setting of each EXPERIMENT, and write it as an agent spec.

    EXPERIMENT is an experiment directory, a save dir of some, data.json, data.h5 or a shard. Prints
    the winner with an interval that holds whichever setting was chosen, how often each would be
    chosen again from other draws of the runs, and a table of the values swept and chosen. Where all
    runs were lost nothing is chosen, and the exit status is 1; so it is where files were left
    out because they are damaged.
    """
    request = Request(**options)
    if request.importance:
        require_importances()
    opened = [open_data(path) for path in data_paths(experiments)]
    for path, problem in (pair for data in opened for pair in data.unreadable):
        warn(f"{path}: {problem}; left out")
    labelled = [(str(data.source), data) for data in opened]
    _, code = act_on_readable(labelled, lambda read: _best([data for _, data in read], request))
    return code


def _best(opened: Sequence[Data], request: Request) -> None:
    """Choose, write and print."""
    if request.across:
        require_one_sweep(opened)
    groups = [opened] if request.across else [[data] for data in opened]
    scores = [[request.scores(data, _stage(data, request)) for data in group] for group in groups]
    choices = [_choose(group, request) for group in scores]
    confirmed = [_confirmed(*pair, request) for pair in zip(groups, choices, strict=True)]
    chosen = [n for n, choice in enumerate(choices) if not choice.lost_all]
    specs = [_spec(groups[n], choices[n], request.out) for n in chosen]
    written = [] if request.no_write else write_specs(specs, request.overwrite)
    for line in () if request.no_write else _refusals(specs):
        warn(f"{line}; main.py refuses the file with that")

    report = sys.stdout if request.kind == "text" else sys.stderr
    for choice, group, lines in zip(choices, scores, confirmed, strict=True):
        for line in (*choice_lines(choice, group), *_importances(group, request), *lines):
            show(line, report)
    headers = _headers(groups)
    columns = {headers[n]: choices[n] for n in chosen}
    each = [one for group in scores for one in group]
    is_csv = request.kind == "csv"
    show_text(as_csv(each, choices) if is_csv else choice_table(columns, scores, request.kind))
    for path, _ in () if request.no_write else specs:
        show(f"{path}{'' if path in written else ' (unchanged)'}", report)
    _end(choices)


def _importances(group: Sequence[Scores], request: Request) -> list[str]:
    """A line an experiment, where they are asked for."""
    if not request.importance:
        return []
    several = len(group) > 1
    return [
        f"  {f'{scores.source}: ' if several else ''}{importance_text(scores)}" for scores in group
    ]


def _stage(data: Data, request: Request) -> Stage:
    """The stage whose runs choose: what is asked for, else the only one that does not confirm.

    Raises:
        NthrunError: the runs that choose were to confirm, too.
    """
    if request.confirm is not None and request.stage in (request.confirm, ALL_STAGES):
        raise NthrunError(
            f"--confirm: got stage {request.confirm}, whose runs choose (--stage {request.stage})",
            "confirm with runs of another stage",
        )
    recorded = {entry.identity.stage for entry in data.entries}
    stages = recorded - {request.confirm}
    if recorded and not stages:
        raise NthrunError(
            f"{data.source}: --confirm: got stage {request.confirm}, the only one recorded, "
            "allowed: a stage whose runs do not choose",
            f"train runs that choose, or choose by these: --stage {request.confirm} without "
            "--confirm",
        )
    return stages.pop() if request.stage is None and len(stages) == 1 else request.stage


def _choose(group: Sequence[Scores], request: Request) -> Choice:
    if request.across:
        return choose_across(group, request.resamples, request.confidence)
    return choose(group[0], request.resamples, request.confidence)


def _confirmed(group: Sequence[Data], choice: Choice, request: Request) -> list[str]:
    """A line an experiment, of the winner's runs with fresh seeds."""
    if request.confirm is None or choice.lost_all:
        return []
    lines = []
    for data, setting, up_to in zip(group, choice.settings, choice.up_to, strict=True):
        estimate = _estimate(data, setting, up_to, request)
        more_steps = up_to is not None and not request.shortest
        lines.append(confirmation_line(request.confirm, setting, estimate, more_steps))
    return lines


def _estimate(data: Data, setting: int, up_to: int | None, request: Request) -> Estimate | None:
    """How a setting did in the stage that confirms; None where it has no run of it."""
    assert request.confirm is not None
    if not any(e.identity[:2] == (setting, request.confirm) for e in data.entries):
        return None
    runs = sample(request.confirming_scores(data, request.confirm, up_to), setting)
    return estimate(runs, confidence=request.confidence)


def _end(choices: Sequence[Choice]) -> None:
    """End with status 1, and a line each on stderr, where nothing could be chosen."""
    lost = [choice for choice in choices if choice.lost_all]
    for choice in lost:
        sources = ", ".join(choice.sources)
        line = (
            f"{sources}: all {choice.num_runs} runs were lost: nothing is chosen or written; "
            "hint: see why with schedule.py --status, and change the settings"
        )
        show(line, sys.stderr)
    if lost:
        click.get_current_context().exit(1)


def _spec(group: Sequence[Data], choice: Choice, out: Path) -> tuple[Path, str]:
    agent_name, program = group[0].agent_name, program_keys(group[0]["experiment"]["agent"])
    name = str(program.get("name", agent_name))
    path = spec_path(out, name, [data.env_name for data in group])
    return path, spec_text(agent_name, choice.parameters, program)


def _refusals(specs: Sequence[tuple[Path, str]]) -> Iterator[str]:
    """A line for everything that would be refused of specs, as of results of another tool."""
    for path, text in specs:
        document = Document(json.loads(text), {}, (str(path),), trust=Trust.READ)
        if not may_run(document.values, document.trust):
            continue  # its code is not run to choose among its records
        try:
            read_agent_spec(document, agent_declaration(document))
        except SpecError as error:
            yield from error.lines()


def _headers(groups: Sequence[Sequence[Data]]) -> list[str]:
    """The environments; where two columns would share them, the experiments."""
    names = [" + ".join(data.env_name for data in group) for group in groups]
    sources = [" + ".join(str(data.source) for data in group) for group in groups]
    return names if len(set(names)) == len(names) else sources


def spec_path(folder: Path, agent_name: str, env_names: Sequence[str]) -> Path:
    """`<folder>/<agent>_best_<environments joined by +>.json`.

    Of a name `package.module:Class` the class remains, and a slash becomes a hyphen.
    """
    agent, *environments = (_as_file(name) for name in (agent_name, *env_names))
    return folder / f"{agent}_best_{'+'.join(environments)}.json"


def spec_text(
    agent_name: str, parameters: Mapping[str, Any], program: Mapping[str, Any] = {}
) -> str:
    """The spec of one setting, each hyperparameter a list of one.

    Args:
        agent_name: of the spec.
        parameters: the setting.
        program: what else the spec of a program says.
    """
    said = "".join(f'    "{key}": {json.dumps(value)},\n' for key, value in program.items())
    listed = ",\n".join(
        f"        {json.dumps(k)}: {json.dumps([v])}" for k, v in parameters.items()
    )
    body = f"{{\n{listed}\n    }}" if listed else "{}"
    name = json.dumps(agent_name)
    return f'{{\n    "agent_name": {name},\n{said}    "parameters": {body}\n}}\n'


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
    hint = "give --overwrite, another --out, or --no-write"
    return write_unless_other({path: text.encode() for path, text in specs}, overwrite, hint)


def _as_file(name: str) -> str:
    plain = printable(name.rpartition(":")[2])[:MAX_NAME]
    return plain.replace("/", "-").replace("\\", "-")
