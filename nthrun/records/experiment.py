"""The experiment directory: manifest, records, checkpoints, snapshots."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from nthrun.errors import FingerprintError
from nthrun.records.artifacts import remove_artifacts
from nthrun.records.distributions import keep_distributions
from nthrun.records.durable_file import nothing, written_aside
from nthrun.records.inventory import Inventory, Refused, take_inventory
from nthrun.records.listing import is_there
from nthrun.records.manifest import MANIFEST, read_manifest
from nthrun.records.manifest import Manifest as Manifest
from nthrun.records.places import RecordPlace, Replaced, places_of
from nthrun.records.schema import Run
from nthrun.records.shard import (
    ShardHeader,
    new_shard_id,
    write_forget,
    write_shard,
)
from nthrun.specs.fingerprint import differing_keys, fingerprint, same_runs


class Experiment:
    """An experiment directory whose manifest has been read.

    Attributes:
        specs: {"environment": ..., "agent": ...}, what its next records are made from: the
            manifest's, but for keys that say what to keep (`record`, snapshots, checkpoints).
        keeps_cache: whether what an inventory finds is kept for the next one.
    """

    keeps_cache = True

    def __init__(
        self, root: Path, manifest: Manifest, specs: Mapping[str, Any] | None = None
    ) -> None:
        self.root = root
        self.manifest = manifest
        self.specs = specs or {"environment": manifest.environment, "agent": manifest.agent}
        self.runs = root / "runs"
        self.checkpoints = root / "checkpoints"
        self.snapshots = root / "snapshots"

    def inventory(
        self,
        trust_cache: bool = True,
        earlier: Inventory | None = None,
        refused: Refused | None = None,
    ) -> Inventory:
        """What is recorded now; see `take_inventory`."""
        return take_inventory(
            self.runs,
            self.manifest.fingerprint,
            trust_cache,
            keep_cache=self.keeps_cache,
            earlier=earlier,
            refused=refused,
        )

    def write(
        self,
        stage: int,
        runs: Sequence[Run],
        replace: bool = False,
        before_naming: Callable[[], None] = nothing,
        earlier: Inventory | None = None,
    ) -> Path:
        """Record runs of one stage in one new shard.

        Args:
            stage: of all runs.
            runs: the records.
            replace: whether earlier records of the same indices stop counting. Failed ones
                always do, and a failed run replaces no other. They are dropped only once the
                new shard is durable.
            before_naming: called when the shard is on disk but for its name; what it raises leaves
                nothing.
            earlier: what this process last knew to be recorded, which spares reading it again.
        """
        shard = new_shard_id()
        for run in runs:
            run["provenance"]["shard"] = shard
        keep_distributions(self.root, runs)
        good = {run["index"] for run in runs if run["status"] != "failed"}
        replaced = _replaced(
            self.inventory(earlier=earlier),
            stage,
            [run["index"] for run in runs],
            lambda index, status: status == "failed" or (replace and index in good),
        )
        header = ShardHeader(shard, self.manifest.fingerprint, stage, replaces=replaced)
        path = write_shard(self.runs, header, self.specs, runs, before_naming)
        if replaced:
            self._drop_empty()
        return path

    def forget(
        self, stage: int, indices: Collection[int], combined: Collection[RecordPlace] = ()
    ) -> list[int]:
        """Remove the records of some indices, and what they keep; returns those that had any.

        Args:
            stage, indices: which runs.
            combined: records of these runs that a combined file holds.
        """
        inventory = self.inventory()
        recorded = {index for index in indices if (stage, index) in inventory.entries}
        recorded |= {place[1] for place in combined if place not in inventory.gone}
        if recorded:
            replaced = _replaced(inventory, stage, recorded, lambda _index, _status: True, combined)
            header = ShardHeader(
                new_shard_id(), self.manifest.fingerprint, stage, replaces=replaced
            )
            write_forget(self.runs, header)
            self._drop_empty()
            remove_artifacts(self.root, stage, recorded)
        return sorted(recorded)

    def _drop_empty(self) -> None:
        """Delete shards none of whose records count any more."""
        for path in self.inventory().empty:
            with contextlib.suppress(OSError):
                path.unlink()


def _replaced(
    inventory: Inventory,
    stage: int,
    indices: Collection[int],
    ends: Callable[[int, str], bool],
    others: Collection[RecordPlace] = (),
) -> Replaced:
    """The records of some indices that stop counting: those with `ends(index, status)`.

    Tombstones of these indices are inherited, for the shard that holds them may now be
    dropped while what it replaced still lies in the shard of a larger pack.
    """
    ended = set(others)
    for index in indices:
        for entry in inventory.entries.get((stage, index), ()):
            if ends(index, entry.status):
                ended.add((entry.shard, index))
    inherited = inventory.gone.of(index for _, index in ended)
    return places_of(ended | inherited).texts()


def open_experiment(root: Path) -> Experiment:
    """Open an existing experiment directory.

    Raises:
        DataFileError: there is no readable manifest; see `read_manifest`.
    """
    return Experiment(root, read_manifest(root)[0])


def create_experiment(root: Path, manifest: Manifest) -> Experiment:
    """Open an experiment directory, creating it if need be.

    Of two first writers one creates the manifest and the other compares with it.

    Raises:
        FingerprintError: the directory belongs to other specs.
    """
    path = root / MANIFEST
    if not is_there(path):
        with written_aside(path, put=_link) as temporary:
            temporary.write_text(manifest.text())
    return continue_experiment(root, manifest.agent, manifest.environment)


def continue_experiment(
    root: Path,
    agent: dict[str, Any],
    environment: dict[str, Any],
    defaults: Mapping[str, Any] | None = None,
) -> Experiment:
    """Open an existing experiment directory for more runs of these specs.

    Raises:
        DataFileError: there is no readable manifest.
        FingerprintError: it belongs to other specs.
    """
    experiment = open_experiment(root)
    require_fingerprint(experiment, agent, environment, defaults)
    manifest = experiment.manifest
    same = manifest.fingerprint == fingerprint(agent, environment)
    specs = {"environment": environment, "agent": agent if same else manifest.agent}
    return Experiment(root, manifest, specs)


def require_fingerprint(
    experiment: Experiment,
    agent: Mapping[str, Any],
    environment: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
) -> None:
    """Check that an experiment directory is about these specs.

    Args:
        experiment: that is opened.
        agent, environment: validated documents.
        defaults: of the agent's hyperparameters, which a spec may write out or leave out; None
            where they are not known, so that specs have to be written alike.

    Raises:
        FingerprintError: it is not; the message names the keys that differ.
    """
    manifest = experiment.manifest
    if manifest.fingerprint == fingerprint(agent, environment):
        return
    old, new = (manifest.agent, manifest.environment), (agent, environment)
    if defaults is not None and same_runs(old, new, defaults):
        return
    keys = differing_keys(old, new, defaults or {})
    raise FingerprintError(
        f"{experiment.root}: holds runs of another spec, which differs in: {', '.join(keys)}"
    )


def _link(temporary: Path, path: Path) -> None:
    """Name a whole file; an existing one stays as it is.

    Where the file system has no hard links, of two writers at the same moment the last one wins.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        if not path.exists():
            os.replace(temporary, path)


def is_experiment(path: Path) -> bool:
    """Whether a directory has a manifest, which may still turn out to be none when it is read.

    Raises:
        StorageError: that cannot be told.
    """
    return is_there(path / MANIFEST)
