"""The lanes of a pack: what each run has shown so far, and which of them have ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nthrun.agents.base import State
from nthrun.agents.parents import Of
from nthrun.planning.packs import Pack
from nthrun.records.schema import Run
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.training.attempts import attempt
from nthrun.training.checkpoints import REPLAY, LaneProgress
from nthrun.training.comparability import PARENT
from nthrun.training.noise import Streams
from nthrun.training.recording import Event, LaneRecorder, lane_event

SAME_BITS = "same bits"
"""What becomes of an agent's interrupted run: its record is as if nothing had interrupted it."""


class Lanes:
    """The runs of a pack while they train.

    Args:
        pack: whose.
        in_episodes: whether their steps are those of training episodes, as a solver's are not.
        parents: what each starts from; none where no run has a parent.
        num_worlds: in which each acts.

    Attributes:
        recorders: one a lane.
    """

    def __init__(
        self, pack: Pack, in_episodes: bool = True, parents: Of = (), num_worlds: int = 1
    ) -> None:
        self._pack = pack
        self._made = [{} if each is None else {PARENT: each.identity()} for each in parents]
        self._made = self._made or [{} for _ in pack.runs]
        self.recorders = [LaneRecorder(in_episodes, num_worlds) for _ in pack.runs]
        self._attempts: list[list[dict[str, Any]]] = [[] for _ in pack.runs]
        self._times = np.zeros((len(pack.runs), 2))
        self._frozen: dict[int, State] = {}

    def __len__(self) -> int:
        return len(self.recorders)

    def running(self) -> list[int]:
        """The lanes that have neither diverged nor been pruned."""
        return [lane for lane in range(len(self)) if lane not in self._frozen]

    def begin(self, step: int) -> None:
        """Note that an attempt begins at a step."""
        for attempts, made in zip(self._attempts, self._made, strict=True):
            attempts.append(attempt(step) | made)

    def take(self, event: Event) -> None:
        """Give each lane its part of an event."""
        for lane, recorder in enumerate(self.recorders):
            recorder.add(lane_event(event, lane))

    def spend(self, seconds: float, evaluating: bool = False) -> None:
        """Share out the time that all lanes together took for training or evaluation."""
        self._times[:, int(evaluating)] += seconds / len(self)

    def freeze_ended(self, state: State) -> None:
        """Hold a lane that diverged or was pruned where it ended; its record is of there."""
        tensors = {name: tensor for name, tensor in state.items() if name != REPLAY}
        for lane, recorder in enumerate(self.recorders):
            if lane in self._frozen:
                for name, tensor in tensors.items():
                    tensor[lane] = self._frozen[lane][name]
            elif recorder.diverged or recorder.pruned:
                kept = {name: tensor[lane].clone() for name, tensor in tensors.items()}
                self._frozen[lane] = kept

    def last_return(self) -> float:
        """Mean over lanes of the return of the last episode; NaN before any has ended."""
        known = [r.last_return for r in self.recorders if not np.isnan(r.last_return)]
        return float(np.mean(known)) if known else float("nan")

    def progress(self, streams: Streams) -> list[LaneProgress]:
        """What a checkpoint keeps of each lane beside tensors and events."""
        return [
            LaneProgress(
                run.index,
                streams.lane_state(lane),
                self._attempts[lane],
                *self._times[lane].tolist(),
            )
            for lane, run in enumerate(self._pack.runs)
        ]

    def restore(self, lane: int, progress: LaneProgress) -> None:
        """Continue a lane from what a checkpoint kept of it."""
        self._attempts[lane] = [dict(begun) for begun in progress.attempts]
        self._times[lane] = progress.train_time, progress.eval_time

    def outcomes(self, failure: str = "", left: Sequence[str] = ()) -> list[dict[str, str]]:
        """Status and reason of each run.

        Args:
            failure: the exception that ended the pack, if one did.
            left: what is left of each lane if it has diverged.
        """
        recorders = zip(self.recorders, left or len(self) * [""], strict=True)
        return [recorder.outcome(failure, text) for recorder, text in recorders]

    def records(
        self,
        spec: EnvironmentSpec,
        made: Mapping[str, Any],
        params: Sequence[Mapping[str, np.ndarray]],
        outcomes: Sequence[Mapping[str, str]],
    ) -> list[Run]:
        """The records, one a lane.

        Args:
            spec: of the environment.
            made: provenance that all lanes share.
            params: learned parameters of each lane.
            outcomes: status and reason of each lane.
        """
        lanes = zip(
            self._pack.runs,
            self.recorders,
            self._times,
            self._attempts,
            params,
            outcomes,
            self._made,
            strict=True,
        )
        return [
            recorder.record(
                run,
                spec,
                {
                    **outcome,
                    "learned_params": learned,
                    "train_time": float(train_time),
                    "eval_time": float(eval_time),
                    "provenance": {**made, **own, **_interruption(attempts), "attempts": attempts},
                },
            )
            for run, recorder, (train_time, eval_time), attempts, learned, outcome, own in lanes
        ]


def _interruption(attempts: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What became of a run that was interrupted; nothing where it was not."""
    return {"interruption": SAME_BITS} if len(attempts) > 1 else {}
