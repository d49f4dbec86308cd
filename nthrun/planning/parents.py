"""Whether what runs are to start from is there, told before anything is planned or trained."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nthrun.agents.parents import ParentReader, Parents
from nthrun.errors import IndexSpecError, NthrunError, ParentError
from nthrun.index import format_indices
from nthrun.planning.experiment_spec import ExperimentSpec


def require_parents(spec: ExperimentSpec, indices: Iterable[int], root: Path) -> None:
    """Check that the runs at some indices can start from their parents.

    Settings that a search will suggest later are checked when they are trained.

    Args:
        spec: of the experiment.
        indices: which runs.
        root: the folder that holds the experiment's directory.

    Raises:
        ParentError: some cannot; the message names their indices.
    """
    parents = Parents(spec.environment, spec.agent.declaration, root)
    if not parents.field:
        return
    reader = ParentReader(parents)
    by_setting: dict[int, list[int]] = {}
    for index in indices:
        by_setting.setdefault(spec.sweep.locate(index)[0], []).append(index)
    refused: dict[tuple[str, str], list[int]] = {}
    for number, runs in by_setting.items():
        try:
            reader.parent(spec.sweep.setting(number))
        except IndexSpecError:
            continue
        except NthrunError as error:
            refused.setdefault((error.message, error.hint), []).extend(runs)
    if not refused:
        return
    (problem, hint), first = next(iter(refused.items()))
    named = f"index {format_indices(first)}: {problem}"
    if len(refused) > 1:
        every = format_indices(index for runs in refused.values() for index in runs)
        named = f"index {every}: nothing to start from; {named}"
    raise ParentError(named, hint or f"see `{parents.field}` of the agent's spec")
