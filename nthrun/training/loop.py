"""The loop: trains one pack from its last checkpoint to its records."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from nthrun.agents.base import Noise, State
from nthrun.errors import DataFileError, InterruptedRunError, NotReplayedError, described
from nthrun.index import format_indices
from nthrun.planning.memory_estimate import block_steps
from nthrun.planning.packs import Pack
from nthrun.records.experiment import Experiment
from nthrun.records.schema import Run
from nthrun.records.snapshots import write_snapshot
from nthrun.specs.environment_spec import requested_series
from nthrun.specs.layout import Layout
from nthrun.training.block_updates import BlockUpdates, block_updates
from nthrun.training.checkpoint_index import CheckpointFile
from nthrun.training.checkpoints import CheckpointWriter, load_pack
from nthrun.training.context import TrainingContext
from nthrun.training.evaluation import Evaluation
from nthrun.training.hosted_program import placed
from nthrun.training.lanes import Lanes
from nthrun.training.logs import PackLogs
from nthrun.training.noise import Streams
from nthrun.training.pack_program import make_program
from nthrun.training.progress import Advanced
from nthrun.training.provenance import provenance
from nthrun.training.recording import (
    MEASURES,
    Block,
    Event,
    block_event,
    joined_blocks,
    judged_by,
    stacked_events,
)
from nthrun.training.solver_program import Reasons


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


class Training:
    """One attempt at one pack.

    It counts steps of its program, in which every world of a lane takes an environment step; specs,
    records, checkpoints and everything that is told count those.

    Args:
        pack: what to train.
        context: what it is trained in.
        checkpoints: index -> what to continue from; not read where the pack starts at step 0.
    """

    def __init__(
        self,
        pack: Pack,
        context: TrainingContext,
        checkpoints: Mapping[int, CheckpointFile] | None = None,
    ) -> None:
        self.pack = pack
        self.context = context
        self.spec = context.spec.environment
        self.program = make_program(pack, context.spec, context.root)
        self.stepper = context.steppers.stepper(pack, self.program)
        self.seeds = [run.random_seed for run in pack.runs]
        sizes = self.program.noise_sizes(), self.program.update_sizes()
        self.streams = Streams(self.seeds, *sizes)
        self.parents = self.program.parents.of([run.setting for run in pack.runs])
        in_episodes = not context.spec.agent.declaration.solves
        self.num_worlds = self.program.num_worlds
        self.lanes = Lanes(pack, in_episodes, self.parents, self.num_worlds)
        self.logs = PackLogs(context.experiment, pack, self.spec, context.note)
        self.series = requested_series(self.spec.items("record"))
        self.step = pack.start_step // self.num_worlds
        self.total_steps = self.spec.total_timesteps // self.num_worlds
        self.writer = self._writer()
        self.snapshots = Snapshots(context.experiment, pack)
        self.reasons = Reasons()
        self.state = self._initial_state(checkpoints or {})
        self.lanes.freeze_ended(self.state)
        self.lanes.begin(self.timesteps)

    @property
    def timesteps(self) -> int:
        """Environment steps of a lane so far."""
        return self.step * self.num_worlds

    def run(self) -> list[Run]:
        """Train to the end.

        Returns:
            the records, one a lane.

        Raises:
            InterruptedRunError: a signal came; a checkpoint has been written.
            StorageError: a checkpoint or snapshot could not be written.
        """
        self.stepper.prepare(self.state)
        if self.step == 0:
            self._keep_if_due()
            self._evaluate()
        while self.step < self.total_steps and self.lanes.running():
            first = self.timesteps
            self.train_block(self._block_end())
            self._evaluate()
            self.lanes.freeze_ended(self.state)
            done = (self.timesteps - first) * len(self.lanes)
            self.context.report(Advanced(done, self.lanes.last_return()))
            self._checkpoint_or_stop()
        if "final" in self.spec.items("snapshots"):
            for lane, recorder in enumerate(self.lanes.recorders):
                self.snapshots.keep("final", recorder.num_steps, [lane], self._params())
        return self._records()

    def failed(self, reason: str) -> list[Run]:
        """The records of a pack that an exception ended, with all data up to then."""
        return self._records(reason)

    def _block_end(self) -> int:
        """The next multiple of the block length or the evaluation interval, or the end; or the step
        whose updates make a block full."""
        interval = self._interval("eval")
        most_steps = block_steps(
            sum(self.program.noise_sizes().values()), self.program.longest_block
        )
        most_updates = block_steps(sum(self.program.update_sizes().values()))
        steps = (most_steps, interval)
        end = min(*((self.step // n + 1) * n for n in steps), self.total_steps)
        if not self.program.updates.are_apart:
            return end
        updates = np.cumsum(self.program.update_counts(self.step, end))
        full = self.step + 1 + int(np.searchsorted(updates, most_updates))
        return min(end, full)

    def _interval(self, kind: Literal["eval", "snapshot"]) -> int:
        """Steps of the program between evaluations or snapshots; 0 where there are none."""
        return self.spec.integer(f"{kind}_interval_timesteps") // self.num_worlds

    def train_block(self, end: int) -> None:
        """Train up to step `end` and record it."""
        started = time.perf_counter()
        first = self.step
        counts = self.program.update_counts(first, end)
        variants = self.program.variants(first, counts)
        noise, updates = self._noise(first, counts)
        lanes = self.lanes.running()
        blocks: list[Block] = []
        while self.step < end:
            here, there = self.step - first, self._pause(end) - first
            piece = noise.steps(here, there)
            which, later = variants[here:there], updates and updates.of_steps(here, there)
            blocks.append(self.stepper.train(self.state, piece, self.step, which, lanes, later))
            self.step = first + there
            if self.context.on_step is not None:
                self.context.on_step(self.state, self.timesteps)
            self._keep_if_due()
        event = block_event(joined_blocks(blocks), counts, self.series)
        if "update_indices" in self.series:
            replayed = noise.replay[:, counts > 0] if updates is None else updates.noise.replay
            event["updates/update_indices"] = replayed.numpy(force=True)
        self._take(event)
        self.lanes.spend(time.perf_counter() - started)

    def _noise(self, first: int, counts: np.ndarray) -> tuple[Noise, BlockUpdates | None]:
        """The noise of the next steps, and their updates where those have noise of their own."""
        device = self.context.setup.device
        if not self.program.updates.are_apart:
            return self.program.noise(self.streams.draw(len(counts)), first, device), None
        draws, later = self.streams.draw_with_updates(counts)
        updates = block_updates(later, first, counts, self.program, device)
        return self.program.noise(draws, first, device), updates

    def _pause(self, end: int) -> int:
        """The next step, up to `end`, after which something is to be done within a block."""
        if self.context.on_step is not None:
            return self.step + 1
        interval = self._interval("snapshot")
        return min(end, (self.step // interval + 1) * interval) if interval else end

    def _keep_if_due(self) -> None:
        """Keep the parameters that act in the next step, where a snapshot is due."""
        interval = self._interval("snapshot")
        if interval and self.step % interval == 0:
            params = self._params()
            healthy = [lane for lane in self.lanes.running() if _finite(params[lane])]
            self.snapshots.keep(f"step{self.timesteps}", self.timesteps, healthy, params)

    def _evaluate(self) -> None:
        """Evaluate where one is due; there and at the end, find non-finite parameters."""
        due = self.step % self._interval("eval") == 0
        if not due and self.step != self.total_steps:
            return
        started = time.perf_counter()
        event = {"finite": np.array([_finite(params) for params in self._params()])}
        if due and self.spec.eval_episodes:
            event |= self.stepper.evaluate(self.state, self._evaluation())
            best_return = self.context.best_return()
            if best_return is not None:
                score = event["eval_returns"].mean(1)
                event[MEASURES + "oracle_gap"] = best_return - score
            measured = self.program.measures(self.state, self.seeds)
            event |= {MEASURES + name: values for name, values in measured.items()}
            self._tell_missing()
            event |= self._judged(event)
        self._take(event)
        self.lanes.spend(time.perf_counter() - started, evaluating=True)
        if "eval_returns" in event and "best" in self.spec.items("snapshots"):
            recorders = self.lanes.recorders
            best = [lane for lane in self.lanes.running() if recorders[lane].is_best_evaluation()]
            self.snapshots.keep("best", self.timesteps, best, self._params())

    def _tell_missing(self) -> None:
        """Say of runs, once for every reason, that their evaluations lack measures."""
        for lanes, why in self.reasons.new(self.program.missing_measures()):
            which = format_indices(self.pack.runs[lane].index for lane in lanes)
            missing = f"measures are missing at step {self.timesteps}: {why}"
            self.context.note(f"index {which}: {missing}")

    def _judged(self, event: Event) -> Event:
        """Lanes to end here as unlikely to win; nothing before the first step and at the end."""
        if self.context.should_prune is None:
            return {}
        ended = np.zeros(len(self.lanes), bool)
        if 0 < self.step < self.total_steps:
            sick = [recorder.diverged for recorder in self.lanes.recorders]
            lanes = [n for n in self.lanes.running() if event["finite"][n] and not sick[n]]
            values = judged_by(event, self.context.spec.agent.search)[lanes].tolist()
            indices = [self.pack.runs[lane].index for lane in lanes]
            ended[lanes] = self.context.should_prune(indices, self.timesteps, values)
        return {"hopeless": ended}

    def _evaluation(self) -> Evaluation:
        interval = self.spec.integer("eval_interval_timesteps")
        return Evaluation(self.seeds, self.timesteps, interval, "eval_states" in self.series)

    def _take(self, event: Event) -> None:
        self.lanes.take(event)
        self.logs.take(event, self.lanes.recorders)
        if self.writer is not None:
            self.writer.log(event)

    def _checkpoint_or_stop(self) -> None:
        stop = self.context.stop.signal_number
        if self.writer is None or not (stop or self.writer.due()):
            if stop:
                raise InterruptedRunError(f"stopped by signal {stop}", stop)
            return
        self.writer.write(self.timesteps, self.state, self.lanes.progress(self.streams))
        if stop:
            raise InterruptedRunError(
                f"stopped by signal {stop} at step {self.timesteps}; "
                "the same command continues from there",
                stop,
            )

    def _records(self, failure: str = "") -> list[Run]:
        made = provenance(self.context.setup, len(self.lanes))
        params = [{} for _ in self.pack.runs] if failure else self._params()
        left = [self.program.last_good(self.state, lane) for lane in range(len(self.lanes))]
        outcomes = self.lanes.outcomes(failure, left)
        self.logs.close(outcomes)
        return self.lanes.records(self.spec, made, params, outcomes)

    def _params(self) -> list[dict[str, np.ndarray]]:
        """The learned parameters of each lane."""
        learned = self.program.learned_params(self.state)
        arrays = {name: tensor.numpy(force=True) for name, tensor in learned.items()}
        return [
            {name: array[lane].copy() for name, array in arrays.items()}
            for lane in range(len(self.lanes))
        ]

    def _writer(self) -> CheckpointWriter | None:
        if self.context.experiment is None:
            return None
        return CheckpointWriter(
            self.context.experiment.checkpoints,
            self.pack,
            self.context.facts(),
            self.program.replay_capacity,
            self.spec.number("checkpoint_interval_seconds"),
        )

    def _initial_state(self, checkpoints: Mapping[int, CheckpointFile]) -> State:
        state = self.program.initial_state(self.pack, self.parents)
        if self.step:
            self._restore(state, checkpoints)
        return placed(state, self.context.setup.device)

    def _restore(self, state: State, checkpoints: Mapping[int, CheckpointFile]) -> None:
        """Continue every lane from its checkpoint.

        Raises:
            NotReplayedError: a checkpoint, behind a valid checksum, is not one of this program.
        """
        files = {run.index: checkpoints[run.index] for run in self.pack.runs}
        try:
            self._restore_from(files, state)
        except DataFileError as error:
            raise NotReplayedError(error.message) from error
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            paths = ", ".join(sorted({str(file.path) for file in files.values()}))
            raise NotReplayedError(f"{paths}: damaged: {described(error)}") from error

    def _restore_from(self, files: Mapping[int, CheckpointFile], state: State) -> None:
        """Continue every lane from the checkpoint of its index."""
        loaded, used_up = load_pack(files, self.program.replay_capacity)
        if self.writer is not None:
            self.writer.superseded += used_up
        layout = Layout.of(state)
        for lane, run in enumerate(self.pack.runs):
            kept = loaded[run.index]
            if problem := layout.mismatch(kept.tensors):
                raise NotReplayedError(f"{files[run.index].path}: index {run.index}: {problem}")
            for name, array in kept.tensors.items():
                state[name][lane] = torch.from_numpy(array)
            self.streams.restore_lane(lane, kept.progress.streams)
            self.lanes.restore(lane, kept.progress)
        for event in stacked_events([loaded[run.index].events for run in self.pack.runs]):
            self._take(event)


def _finite(params: dict[str, np.ndarray]) -> bool:
    return all(bool(np.isfinite(array).all()) for array in params.values())
