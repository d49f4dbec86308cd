"""The loop: trains one pack from its last checkpoint to its records."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from nthrun.agents.base import State
from nthrun.errors import InterruptedRunError
from nthrun.planning.packs import Pack
from nthrun.records.schema import Run
from nthrun.records.snapshot import write_snapshot
from nthrun.specs.seeds import Purpose
from nthrun.training.block import block_event
from nthrun.training.checkpoint import REPLAY, CheckpointWriter, LaneProgress
from nthrun.training.evaluation import evaluate
from nthrun.training.noise import Streams, sampled_steps
from nthrun.training.program import Program, StepOutput
from nthrun.training.provenance import attempt, provenance
from nthrun.training.recorder import (
    Event,
    LaneRecorder,
    lane_event,
    requested_series,
    stacked_events,
)
from nthrun.training.resuming import CheckpointFile, LaneCheckpoint, load_lanes
from nthrun.training.surroundings import Surroundings

BLOCK_STEPS = 128
"""Steps between looks at the outside world; part of what a diverged record means."""


class Training:
    """One attempt at one pack.

    Args:
        pack: what to train.
        around: where.
        resume: index -> checkpoint to continue from; empty starts at step 0.
    """

    def __init__(
        self, pack: Pack, around: Surroundings, resume: dict[int, CheckpointFile] | None = None
    ) -> None:
        self.pack = pack
        self.around = around
        self.spec = around.spec.environment
        self.program = Program(pack, self.spec, around.spec.agent.declaration.program)
        self.seeds = [run.random_seed for run in pack.runs]
        self.streams = Streams(self.seeds, self.program.noise_sizes())
        self.recorders = [LaneRecorder() for _ in pack.runs]
        self.attempts: list[list[dict[str, Any]]] = [[] for _ in pack.runs]
        self.times = np.zeros((len(pack.runs), 2))
        self.series = requested_series(self.spec.items("record"))
        self.step = pack.start_step
        self.writer = self._writer()
        self.frozen: dict[int, State] = {}
        self.state = self._initial_state(resume or {})
        self._freeze_diverged()
        for attempts in self.attempts:
            attempts.append(attempt(self.step))

    def run(self) -> list[Run]:
        """Train to the end.

        Returns:
            the records, one a lane.

        Raises:
            InterruptedRunError: a signal came; a checkpoint has been written.
            StorageError: a checkpoint or snapshot could not be written.
        """
        if self.step == 0:
            self._evaluate()
        while self.step < self.spec.total_timesteps and len(self.frozen) < len(self.recorders):
            first = self.step
            self.train_block(self._block_end())
            self._evaluate()
            self._freeze_diverged()
            self.around.on_block((self.step - first) * len(self.recorders), self._last_return())
            self._checkpoint_or_stop()
        if "final" in self.spec.items("snapshots"):
            for lane, recorder in enumerate(self.recorders):
                self._snapshot("final", recorder.num_steps, [lane])
        return self._records()

    def failed(self, reason: str) -> list[Run]:
        """The records of a pack that an exception ended, with all data up to then."""
        return self._records(reason)

    def _block_end(self) -> int:
        """The next multiple of the block length or the evaluation interval, or the end."""
        interval = self.spec.integer("eval_interval_timesteps")
        steps = (BLOCK_STEPS, interval)
        return min(*((self.step // n + 1) * n for n in steps), self.spec.total_timesteps)

    def train_block(self, end: int) -> None:
        """Train up to step `end` and record it."""
        started = time.perf_counter()
        first, agent, device = self.step, self.program.agent, self.around.device
        outputs: list[StepOutput] = []
        draws = self.streams.draw(end - first)
        clock = torch.arange(first, end, device=device)
        noises = self.program.noises(draws, first, device)
        for step, tick, noise in zip(range(first, end), clock, noises, strict=True):
            outputs.append(self.program.step(self.state, noise, tick, agent.learns_at(step)))
            self._after_step(step + 1)
        self.step = end
        learned = np.array([agent.learns_at(step) for step in range(first, end)])
        event = block_event(outputs, learned, self.series)
        if "update_indices" in self.series:
            capacity = agent.replay_capacity
            steps = sampled_steps(draws[Purpose.REPLAY], first, capacity)
            event["updates/update_indices"] = steps[:, learned]
        self._take(event)
        self.times[:, 0] += (time.perf_counter() - started) / len(self.recorders)

    def _after_step(self, step: int) -> None:
        if self.around.on_step is not None:
            self.around.on_step(self.state, step)
        interval = self.spec.integer("snapshot_interval_timesteps")
        if interval and step % interval == 0:
            healthy = [lane for lane, params in enumerate(self._params()) if _finite(params)]
            self._snapshot(f"step{step}", step, healthy)

    def _evaluate(self) -> None:
        """Evaluate where one is due; there and at the end, find non-finite parameters."""
        due = self.step % self.spec.integer("eval_interval_timesteps") == 0
        if not due and self.step != self.spec.total_timesteps:
            return
        started = time.perf_counter()
        event = {"finite": np.array([_finite(params) for params in self._params()])}
        if due and self.spec.eval_episodes:
            keep = "eval_states" in self.series
            event |= evaluate(self.program, self.state, self.seeds, self.step, keep)
        self._take(event)
        self.times[:, 1] += (time.perf_counter() - started) / len(self.recorders)
        if "eval_returns" in event and "best" in self.spec.items("snapshots"):
            best = [n for n, r in enumerate(self.recorders) if r.is_best_evaluation()]
            self._snapshot("best", self.step, best)

    def _take(self, event: Event) -> None:
        for lane, recorder in enumerate(self.recorders):
            recorder.add(lane_event(event, lane))
        if self.writer is not None:
            self.writer.log(event)

    def _freeze_diverged(self) -> None:
        """Hold a diverged lane where the block that showed it ended; its record is of there."""
        tensors = {name: tensor for name, tensor in self.state.items() if name != REPLAY}
        for lane, recorder in enumerate(self.recorders):
            if lane in self.frozen:
                for name, tensor in tensors.items():
                    tensor[lane] = self.frozen[lane][name]
            elif recorder.diverged:
                self.frozen[lane] = {name: tensor[lane].clone() for name, tensor in tensors.items()}

    def _checkpoint_or_stop(self) -> None:
        stop = self.around.stop.signal_number
        if self.writer is None or not (stop or self.writer.due()):
            if stop:
                raise InterruptedRunError(f"stopped by signal {stop}", stop)
            return
        self.writer.write(self.step, self.state, self._progress())
        if stop:
            raise InterruptedRunError(
                f"stopped by signal {stop} at step {self.step}; "
                "the same command continues from there",
                stop,
            )

    def _progress(self) -> list[LaneProgress]:
        return [
            LaneProgress(
                run.index,
                self.streams.lane_state(lane),
                self.attempts[lane],
                *self.times[lane].tolist(),
            )
            for lane, run in enumerate(self.pack.runs)
        ]

    def _records(self, failure: str = "") -> list[Run]:
        around = self.around
        width = len(self.recorders)
        shared = provenance(around.device, around.backend, around.threads, width)
        params = [{} for _ in self.recorders] if failure else self._params()
        records = []
        for lane, (run, recorder) in enumerate(zip(self.pack.runs, self.recorders, strict=True)):
            status, reason = "completed", ""
            if failure:
                status, reason = "failed", failure
            elif recorder.diverged:
                status, reason = "diverged", f"non-finite numbers at step {recorder.num_steps}"
            extra = {
                "status": status,
                "reason": reason,
                "learned_params": params[lane],
                "train_time": float(self.times[lane, 0]),
                "eval_time": float(self.times[lane, 1]),
                "provenance": shared | {"attempts": self.attempts[lane]},
            }
            records.append(recorder.record(run, self.spec, extra))
        return records

    def _snapshot(self, moment: str, step: int, lanes: Sequence[int]) -> None:
        experiment = self.around.experiment
        if experiment is None or not lanes:
            return
        params = self._params()
        for lane in lanes:
            run = self.pack.runs[lane]
            about = {
                "index": run.index,
                "stage": run.stage,
                "step": step,
                "agent_params": dict(run.setting),
                "fingerprint": experiment.manifest.fingerprint,
            }
            write_snapshot(experiment.snapshots, moment, about, params[lane])

    def _params(self) -> list[dict[str, np.ndarray]]:
        """The learned parameters of each lane."""
        learned = self.program.agent.learned_params(self.state)
        arrays = {name: tensor.numpy(force=True) for name, tensor in learned.items()}
        return [
            {name: array[lane].copy() for name, array in arrays.items()}
            for lane in range(len(self.recorders))
        ]

    def _last_return(self) -> float:
        known = [r.last_return for r in self.recorders if not np.isnan(r.last_return)]
        return float(np.mean(known)) if known else float("nan")

    def _writer(self) -> CheckpointWriter | None:
        if self.around.experiment is None:
            return None
        return CheckpointWriter(
            self.around.experiment.checkpoints,
            self.pack,
            self.around.facts(),
            self.program.agent.replay_capacity,
            self.spec.number("checkpoint_interval_seconds"),
        )

    def _initial_state(self, resume: dict[int, CheckpointFile]) -> State:
        state = self.program.initial_state(self.pack)
        if self.step:
            self._restore(state, resume)
        return {name: tensor.to(self.around.device) for name, tensor in state.items()}

    def _restore(self, state: State, resume: dict[int, CheckpointFile]) -> None:
        """Continue every lane from its checkpoint."""
        by_file: dict[CheckpointFile, list[int]] = {}
        for run in self.pack.runs:
            by_file.setdefault(resume[run.index], []).append(run.index)
        loaded: dict[int, LaneCheckpoint] = {}
        for file, indices in by_file.items():
            if self.writer is not None and set(file.indices) <= set(indices):
                self.writer.superseded.append(file.path.parent)
            loaded |= load_lanes(file, indices, self.program.agent.replay_capacity)
        for lane, run in enumerate(self.pack.runs):
            kept = loaded[run.index]
            for name, array in kept.tensors.items():
                state[name][lane] = torch.from_numpy(array)
            self.streams.restore_lane(lane, kept.progress.streams)
            self.attempts[lane] = [dict(attempt) for attempt in kept.progress.attempts]
            self.times[lane] = kept.progress.train_time, kept.progress.eval_time
        for event in stacked_events([loaded[run.index].events for run in self.pack.runs]):
            self._take(event)


def _finite(params: dict[str, np.ndarray]) -> bool:
    return all(bool(np.isfinite(array).all()) for array in params.values())
