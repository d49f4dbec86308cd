"""`--verify` of a program: run recorded indices again, and say whether they are equal.

Nothing is promised of a program: whether it computes the same again is its own affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nthrun.commands.experiment_opening import require_fixed
from nthrun.commands.recorded_runs import (
    DIFFERS,
    EQUAL,
    NOT_COMPARABLE,
    as_recorded,
    differing_name,
    read_entry,
    recorded_entries,
)
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import plan_run
from nthrun.programs.context import ProgramContext
from nthrun.programs.program_runs import run_again
from nthrun.records.distributions import changed_versions
from nthrun.records.experiment import open_experiment, require_fingerprint
from nthrun.records.sources import Entry
from nthrun.studies.pruning import pruner_of
from nthrun.studies.study import with_known_settings
from nthrun.terminal import show

if TYPE_CHECKING:
    from nthrun.commands.request import Request

MOST_NAMED = 5
"""Distributions of other versions that are named."""


def verify_programs(spec: ExperimentSpec, request: Request) -> int:
    """Run every index asked for again, and say whether its record is what comes out.

    Returns:
        0 if all are equal, 1 if one differs, 3 if one does whose code or packages are others now.

    Raises:
        IndexSpecError: an index is not recorded.
        InterruptedRunError: a signal came.
    """
    experiment = open_experiment(spec.directory(request.save_dir))
    agent, environment = spec.agent.as_document(), spec.environment.as_document()
    require_fingerprint(experiment, agent, environment, spec.agent.defaults)
    spec = with_known_settings(spec, experiment)
    recorded = recorded_entries(experiment, spec, request)
    require_fixed(spec, experiment, request)
    pruned = pruner_of(spec, experiment, request.stage) is not None
    context = ProgramContext(
        spec, experiment.manifest.device, should_prune=as_recorded(recorded) if pruned else None
    )
    context.stop.install()
    said = [
        _compared(spec, context, index, recorded[index], experiment.root)
        for index in request.indices
    ]
    return DIFFERS if DIFFERS in said else max(said, default=EQUAL)


def _compared(
    spec: ExperimentSpec, context: ProgramContext, index: int, entries: list[Entry], root: Path
) -> int:
    """Run an index again and say how it compares with its records; what may differ as other code
    runs, or other versions, is not comparable where it does."""
    before = read_entry(entries[0])
    if before["status"] == "failed":
        show(f"index {index}: failed, so that there is nothing to verify: {before['reason']}")
        return DIFFERS
    again = run_again(plan_run(spec, index, before["stage"]), context)
    name = differing_name(again, entries) if again["status"] != "failed" else ""
    if name is None:
        show(f"index {index}: equal")
        return EQUAL
    how = f"differs, first in {name}" if name else f"differs, now it fails: {again['reason']}"
    changes = _changes(context, before["provenance"], root)
    if not changes:
        show(f"index {index}: {how}")
        return DIFFERS
    show(f"index {index}: not comparable, {', '.join(changes)}: {how}")
    return NOT_COMPARABLE


def _changes(context: ProgramContext, before: Mapping[str, Any], root: Path) -> list[str]:
    """What has changed since a record was made by which its run may differ.

    Args:
        context: what it is run in again.
        before: provenance of the record.
        root: the experiment's directory.
    """
    code, changes = context.code, []
    if code != (before.get("code") or code):
        changes.append("its code has changed")
    if versions := changed_versions(root, before):
        more = ", …" * (len(versions) > MOST_NAMED)
        changes.append(f"made with other {', '.join(versions[:MOST_NAMED])}{more}")
    return changes
