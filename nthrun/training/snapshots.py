"""Snapshots: learned parameters of a pack's lanes, kept at chosen moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nthrun.planning.packs import Pack
from nthrun.records.experiment import Experiment
from nthrun.records.snapshots import write_snapshot


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Where a pack's snapshots go.

    Attributes:
        experiment: whose; None keeps none.
        pack: whose lanes.
    """

    experiment: Experiment | None
    pack: Pack

    def keep(
        self,
        moment: str,
        step: int,
        lanes: Sequence[int],
        params: Sequence[Mapping[str, np.ndarray]],
    ) -> None:
        """Write the parameters of some lanes.

        Args:
            moment: part of the file's name; a later snapshot of the same moment replaces it.
            step: steps trained.
            lanes: whose.
            params: of every lane.

        Raises:
            StorageError: a file could not be written.
        """
        if self.experiment is None:
            return
        for lane in lanes:
            run = self.pack.runs[lane]
            about = {
                "index": run.index,
                "stage": run.stage,
                "step": step,
                "agent_params": dict(run.setting),
                "fingerprint": self.experiment.manifest.fingerprint,
            }
            write_snapshot(self.experiment.snapshots, moment, about, dict(params[lane]))
