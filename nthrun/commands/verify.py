"""`--verify`: run recorded indices again and compare every bit.

Each is run in another pack than it was recorded in, as no bit of a record is to depend on what
shares its pack: runs that were recorded together are taken apart, and one that was recorded alone
is run beside others that are asked for, or else beside the next run of its setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
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
from nthrun.commands.train import plan
from nthrun.errors import DeviceError, NthrunError
from nthrun.index import format_indices
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import Pack, Place, packed_otherwise, packs_of_runs, plan_run
from nthrun.records.experiment import Experiment, open_experiment, require_fingerprint
from nthrun.records.sources import Entry
from nthrun.studies.pruning import pruner_of
from nthrun.studies.study import with_known_settings
from nthrun.terminal import show
from nthrun.training.comparability import difference, parent_difference
from nthrun.training.context import TrainingContext, make_context
from nthrun.training.pack_training import trained
from nthrun.training.progress import Advanced, News, TrainingProgress
from nthrun.training.provenance import comparable

if TYPE_CHECKING:
    from nthrun.commands.request import Request

Group = tuple[list[int], list[Pack]]
"""Indices that are told together, and the packs that are run for them."""


def verify(spec: ExperimentSpec, request: Request) -> int:
    """Run every index asked for again and say whether its record is reproduced.

    Returns:
        0 if all are equal, 1 if any differs or failed when it was recorded, else 3 if any was made
        on another kind of machine or with other versions, whose bits may rightly differ.

    Raises:
        IndexSpecError: an index is not recorded.
    """
    experiment = open_experiment(spec.directory(request.save_dir))
    agent, environment = spec.agent.as_document(), spec.environment.as_document()
    require_fingerprint(experiment, agent, environment, spec.agent.defaults)
    spec = with_known_settings(spec, experiment)
    recorded = recorded_entries(experiment, spec, request)
    try:
        require_fixed(spec, experiment, request)
    except DeviceError as error:
        show(f"index {format_indices(recorded)}: not comparable, {error.message}")
        return NOT_COMPARABLE
    manifest = experiment.manifest
    context = replace(
        make_context(spec, manifest.backend, manifest.device, manifest.threads),
        root=experiment.root.parent,
    )
    context.stop.install()
    pruned = pruner_of(spec, experiment, request.stage) is not None
    codes = {EQUAL}
    fit = [index for index in request.indices if _is_comparable(index, recorded, context, codes)]
    groups = list(_groups(spec, experiment, request, fit, _places(experiment, recorded)))
    context = replace(context, should_prune=as_recorded(recorded) if pruned else None)
    codes |= set(_compared(groups, context, recorded))
    return DIFFERS if DIFFERS in codes else max(codes)


def _compared(
    groups: Sequence[Group], context: TrainingContext, recorded: dict[int, list[Entry]]
) -> Iterator[int]:
    """Run everything again, and say of each index how it compares with its records.

    Yields:
        `EQUAL` or `DIFFERS` of each.
    """
    num_runs = sum(len(pack.runs) for _, packs in groups for pack in packs)
    with TrainingProgress(num_runs * context.spec.environment.total_timesteps) as progress:
        context = replace(context, report=partial(_advance, progress))
        for asked, packs in groups:
            runs = {run["index"]: run for pack in packs for run in trained(pack, context, {})}
            for index in asked:
                key = differing_name(runs[index], recorded[index])
                said = f"differs, first in {key}" if key else "equal"
                if runs[index]["status"] == "failed":
                    said = f"differs, now it fails: {runs[index]['reason']}"
                progress.say(f"index {index}: {said}")
                yield DIFFERS if key else EQUAL


def _places(experiment: Experiment, recorded: dict[int, list[Entry]]) -> dict[int, Place]:
    """Where each run was recorded: runs of a shard shared a pack, unless they say otherwise."""
    files = experiment.inventory().files.values()
    packs = {file.header.shard: sorted(index for index, _ in file.recorded) for file in files}
    places = {}
    for index, entries in recorded.items():
        pack = packs.get(entries[0].shard, [index])
        width = read_entry(entries[0])["provenance"].get("pack_width", len(pack))
        places[index] = Place(0, 1) if width == 1 else Place(pack.index(index), width)
    return places


def _groups(
    spec: ExperimentSpec,
    experiment: Experiment,
    request: Request,
    indices: list[int],
    places: Mapping[int, Place],
) -> Iterator[Group]:
    """The packs to run for some indices."""
    names = spec.agent.declaration.static_names()
    for together in plan(spec, experiment, request, indices):
        packs: list[Pack] = []
        for apart in packed_otherwise(together, places):
            again_alone = len(apart) == 1 == places[apart[0]].width
            other = _companion(spec, experiment, request, apart[0]) if again_alone else []
            runs = [plan_run(spec, index, request.stage) for index in (*other, *apart)]
            packs += packs_of_runs(runs, names, len(runs))
        yield together, packs


def _companion(
    spec: ExperimentSpec, experiment: Experiment, request: Request, index: int
) -> list[int]:
    """The other of two consecutive runs of an index's setting, where a pack may have both."""
    setting_number, run_number = spec.sweep.locate(index)
    other = spec.sweep.index(setting_number, run_number ^ 1)
    packs = plan(spec, experiment, request, sorted((index, other)))
    return [other] if len(packs) == 1 else []


def _advance(progress: TrainingProgress, news: News) -> None:
    """Show the steps that were done; other news are of no interest here."""
    if isinstance(news, Advanced):
        progress.advance(news.run_steps, news.last_return)


def _is_comparable(
    index: int, recorded: dict[int, list[Entry]], context: TrainingContext, codes: set[int]
) -> bool:
    """Whether a run was made with what there is here, and did not fail; if not, that is printed and
    noted."""
    run = read_entry(recorded[index][0])
    if run["status"] == "failed":
        codes.add(DIFFERS)
        show(f"index {index}: failed, so that there is nothing to verify: {run['reason']}")
        return False
    made = run["provenance"]
    reasons = (difference(made, comparable(context.setup)), _of_parent(index, made, context))
    reason = ", ".join(filter(None, reasons))
    if reason:
        codes.add(NOT_COMPARABLE)
        show(f"index {index}: not comparable, {reason}")
    return not reason


def _of_parent(index: int, made: Mapping[str, Any], context: TrainingContext) -> str:
    """Why a run's record need not be equal to what starts from its parent now; "" if it has to."""
    setting = plan_run(context.spec, index, 0).setting
    try:
        [parent] = context.parents.of([setting])
    except NthrunError as error:
        return f"its parent is not as it was ({error.message})"
    return parent_difference(made, parent)
