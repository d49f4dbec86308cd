"""One attempt at a run of a program: its process, what it reports, and how it ended."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nthrun.errors import DataFileError, InterruptedRunError
from nthrun.planning.packs import PlannedRun
from nthrun.programs import function_process
from nthrun.programs.command_line import Given, PlaceholderError
from nthrun.programs.context import ProgramContext
from nthrun.programs.descendants import end_processes
from nthrun.programs.function_process import ENDED, JOB_FILE, OUTCOME_FILE, RETURNED, STOPPED
from nthrun.programs.process import Ending, Output, Process
from nthrun.programs.report_file import ReportFile
from nthrun.programs.report_lines import ReportError, Reports
from nthrun.programs.results_file import add_results
from nthrun.programs.run import END, GO_ON, WAITING, RunJob
from nthrun.programs.scratch import Scratch
from nthrun.records.durable_file import verified_header
from nthrun.specs.search.search_spec import GOALS, RETURNS
from nthrun.training.attempts import attempt
from nthrun.training.progress import Advanced, Began

CONTINUED, RESTARTED = "continued", "restarted"
"""What became of an interrupted run."""
NOTED_SECONDS = 15.0
"""Time between notes of how long an attempt has taken so far."""
PROBLEM_GRACE_SECONDS = 5.0
NOTHING = "the function returned and has reported nothing; see docs/your_code.md"
OPENED_ANEW = (
    "its report file was opened to be written anew, by which lines may be lost: open it to append"
)
OTHERS_SIGNAL = "it was told to stop by a SIGTERM that was not nthrun's"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class ProgramAttempt:
    """One attempt at a run.

    Args:
        run: which run.
        context: what it is trained in.
        scratch: its directory, which this process holds.

    Attributes:
        reports: what it has reported, with what counts of earlier attempts.
        attempts: what is known of all attempts, this one last.
        output: the end of what it printed.
        pruned_at: the step at which it was ended as hopeless; None where it was not.
    """

    def __init__(self, run: PlannedRun, context: ProgramContext, scratch: Scratch) -> None:
        self.run, self.context, self.scratch = run, context, scratch
        self._told_steps = 0
        self.code = context.code
        self.attempts = self._earlier()
        number = len(self.attempts)
        self.attempts.append(attempt(0) | {"seconds": 0.0, "code": self.code})
        self.given = Given(
            run, context.spec.environment, context.device, scratch.path, scratch.report(number)
        )
        self.output = Output(scratch.output)
        self.pruned_at: int | None = None
        self._file = ReportFile(scratch, number)
        self._problem = ""
        self._began = time.monotonic()
        self._noted_due = self._began + NOTED_SECONDS
        self._evaluations = 0
        self._stopped = self._asks = self._is_told = False

    @property
    def reports(self) -> Reports:
        """What the run has reported so far."""
        return self._file.reports

    @property
    def interruption(self) -> str:
        """How the run went on after an interruption; "" where there was none."""
        if len(self.attempts) == 1:
            return ""
        return CONTINUED if self._file.continues else RESTARTED

    @property
    def seconds(self) -> float:
        """What all attempts took."""
        return sum(float(each["seconds"]) for each in self.attempts)

    def train(self) -> tuple[str, str, Ending | None]:
        """Run the program to its end.

        Returns:
            status and reason of the run, and how its process ended; None where it did not begin.

        Raises:
            InterruptedRunError: it was stopped; the next attempt goes on.
            StorageError: a file could not be written.
        """
        self.context.report(Began((self.run.index,), self._told_steps))
        try:
            command = self._command()
        except PlaceholderError as error:
            return "failed", str(error), None
        self.scratch.write_attempts(self.attempts)
        try:
            process = self._started(command)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else ""
            return "failed", f"cannot start {command[0]}: {reason or error}", None
        try:
            ending = process.watch(lambda: self._look(process))
        finally:
            process.close()
            self._note_seconds()
        if not self._is_interrupted():
            self._read(ended=True)
        status, reason = self._judged(ending)
        return status, reason, ending

    def _earlier(self) -> list[dict[str, Any]]:
        """The earlier attempts that this one may go on from; what others left is deleted."""
        end_processes(self.scratch.path)
        earlier = self.scratch.attempts()
        index = self.run.index
        if earlier and (earlier[-1].get("code") or self.code) != self.code:
            self.context.note(f"index {index}: its code has changed; its run starts from step 0")
            earlier = []
        saved = self.scratch.own / "saved"
        if earlier and saved.exists():
            try:
                self._told_steps = int(verified_header(saved)["step"])
            except DataFileError as error:
                self.context.note(f"index {index}: {error.message}; its run starts from step 0")
                earlier = []
        if not earlier:
            self._told_steps = 0
            self.scratch.clear()
        return earlier

    def _command(self) -> list[str]:
        """The command line of the process; a function's job is written."""
        if self.context.is_command:
            return self.given.filled(self.context.program.command)
        job = self.scratch.own / JOB_FILE
        for name in (OUTCOME_FILE, "learned"):
            (self.scratch.own / name).unlink(missing_ok=True)
        job.write_text(json.dumps(asdict(self._job())))
        return [sys.executable, "-P", function_process.__file__, str(job)]

    def _job(self) -> RunJob:
        run, environment = self.run, self.context.spec.environment
        return RunJob(
            function=self.context.function,
            agent_name=self.context.spec.agent.agent_name,
            index=run.index,
            stage=run.stage,
            setting_number=run.setting_number,
            run_number=run.run_number,
            seed=self.given.seed,
            random_seed=run.random_seed,
            setting=self.given.setting,
            environment=environment.as_document(),
            device=self.context.device,
            scratch=str(self.scratch.path),
            own=str(self.scratch.own),
            attempt=len(self.attempts) - 1,
            save_seconds=environment.number("checkpoint_interval_seconds"),
            code=self.code,
            pruned=self.context.should_prune is not None,
            path=tuple(os.path.abspath(place) for place in sys.path),
        )

    def _started(self, command: Sequence[str]) -> Process:
        variables = {**os.environ, **self.given.variables()}
        if self.context.threads:
            variables = dict.fromkeys(THREADS, str(self.context.threads)) | variables
        talks = None if self.context.is_command else self.context.should_prune is not None
        return Process(command, variables, self.scratch.path, self.output, talks)

    def _look(self, process: Process) -> float | None:
        """Read what was reported; gives the grace that the program has once it is to end."""
        # What it reported before it asked is read after its question, and so before the answer.
        self._asks = self._asks or WAITING in process.heard()
        is_read = self._read()
        if not self._problem:
            if time.monotonic() >= self._noted_due:
                self._note_seconds()
            self._judge_evaluations()
        is_over = bool(self._problem) or self.pruned_at is not None
        if self._asks and (is_read or is_over):
            self._asks = False
            process.tell(END if is_over else GO_ON)
        if self._problem:
            return min(PROBLEM_GRACE_SECONDS, self.context.grace_seconds)
        self._stopped = self._stopped or bool(self.context.stop.signal_number)
        return self.context.grace_seconds if self._stopped or is_over else None

    def _read(self, ended: bool = False) -> bool:
        """Take in lines written since, and tell of the steps; returns whether that is all."""
        if self._problem:
            return True
        is_read = True
        try:
            if ended:
                self._file.finish()
            else:
                is_read = self._file.read()
        except ReportError as error:
            self._problem = str(error)
        if self._file.is_written_anew and not self._problem and not self._is_told:
            self._is_told = True
            self.context.note(f"index {self.run.index}: {OPENED_ANEW}")
        if self.attempts[-1]["step"] != self._file.continued_step:
            self._note_seconds()
        reports = self.reports
        if (steps := reports.last_step - self._told_steps) > 0:
            self._told_steps = reports.last_step
            last_return = reports.returns[-1] if reports.returns else math.nan
            self.context.report(Advanced(steps, last_return))
        return is_read

    def _judge_evaluations(self) -> None:
        """Ask of each evaluation since whether the run is to go on."""
        should_prune = self.context.should_prune
        if should_prune is None or self.pruned_at is not None:
            return
        for evaluation in self.reports.evaluations[self._evaluations :]:
            self._evaluations += 1
            total, step = self.context.spec.environment.total_timesteps, evaluation.step
            if not step > 0 or (total and step >= total):
                continue
            value = self._value(evaluation.returns, evaluation.measures)
            if should_prune([self.run.index], step, [value])[0]:
                self.pruned_at = step
                break

    def _value(self, returns: Sequence[float], measures: Mapping[str, float]) -> float:
        """What an evaluation says of how good a run is, higher being better."""
        search = self.context.spec.agent.search
        metric = search.text("metric")
        value = measures.get(metric, sum(returns) / len(returns))
        minimised = search.goal != GOALS[0] and (metric in measures or metric in RETURNS)
        return -value if minimised else value

    def _note_seconds(self) -> None:
        now = time.monotonic()
        self._noted_due = now + NOTED_SECONDS
        self.attempts[-1]["seconds"] = round(now - self._began, 3)
        self.attempts[-1]["step"] = self._file.continued_step
        self.scratch.write_attempts(self.attempts)

    def _judged(self, ending: Ending) -> tuple[str, str]:
        """Status and reason of an ended process.

        Raises:
            InterruptedRunError: it was stopped.
        """
        if self._problem:
            return "failed", self._problem
        if self.pruned_at is not None:
            return "pruned", f"ended at step {self.pruned_at}, hopeless beside other runs"
        if self._is_interrupted():
            self._interrupted(ending)
        how, problem = self._outcome()
        if self.context.is_command:
            return self._judged_command(ending)
        if how == RETURNED and (self._has_learned() or not self.reports.is_empty):
            return "completed", ""
        by_itself = f"its process ended before the function did: {ending.text()}"
        reasons = {RETURNED: NOTHING, STOPPED: OTHERS_SIGNAL, ENDED: OTHERS_SIGNAL}
        return "failed", reasons.get(how) or problem or by_itself

    def _is_interrupted(self) -> bool:
        """Whether an ended process was stopped before it was done; the next attempt goes on."""
        is_decided = self._problem or self.pruned_at is not None
        return self._stopped and not is_decided and self._outcome()[0] != RETURNED

    def _judged_command(self, ending: Ending) -> tuple[str, str]:
        if ending.code != 0:
            said = f": {self.last_line()}" if self.last_line() else ""
            return "failed", f"{ending.text()}{said}"
        results = self.context.program.results
        try:
            if results:
                add_results(self.reports, self.scratch.path, results)
        except ReportError as error:
            return "failed", str(error)
        return "completed", ""

    def _interrupted(self, ending: Ending) -> None:
        number, index = self.context.stop.signal_number, self.run.index
        if ending.was_killed:
            grace = f"{self.context.grace_seconds:g} s"
            self.context.note(f"index {index}: did not end within {grace} of SIGTERM; killed")
        name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        raise InterruptedRunError(
            f"stopped by {name} at step {self.reports.last_step} of index {index}; "
            "the same command continues",
            number,
        )

    def _outcome(self) -> tuple[str, str]:
        """How a function's process says that it ended; two "" where it does not, as of commands."""
        try:
            outcome = json.loads((self.scratch.own / OUTCOME_FILE).read_text())
            return str(outcome["how"]), str(outcome["problem"])
        except (OSError, ValueError, LookupError, TypeError):
            return "", ""

    def _has_learned(self) -> bool:
        return Path(self.scratch.own, "learned").exists()

    def last_line(self) -> str:
        """The last line that was printed and is not empty."""
        lines = self.output.kept.decode(errors="replace").splitlines()
        return next((line.strip()[:500] for line in reversed(lines) if line.strip()), "")
