"""What the run of a program has printed: from its record, or while it runs from its scratch."""

from __future__ import annotations

import time
from collections.abc import Iterator

from nthrun.errors import DataFileError
from nthrun.index import join_index
from nthrun.programs.scratch import Scratch, scratch_of
from nthrun.records.data import open_directory
from nthrun.records.experiment import Experiment
from nthrun.records.schema import OUTPUT

LOOK_SECONDS = 0.5
MATCHED_BYTES = 4096
"""By so much of what was shown last the rest is found in the record."""


def is_of_programs(experiment: Experiment) -> bool:
    """Whether the runs of an experiment are those of a program."""
    return "name" in experiment.manifest.agent


def output_lines(
    experiment: Experiment, stage: int, index: int, follow: bool
) -> Iterator[str] | None:
    """The lines that a run has printed, the last 64 KB of them; None where nothing is known of it.

    Args:
        experiment: of a program.
        stage, index: which run.
        follow: whether to go on while it runs.
    """
    scratch = scratch_of(experiment.checkpoints, stage, index)
    if scratch.output.is_file():
        if follow:
            return _followed(scratch, experiment, (stage, index))
        return iter(_content(scratch, 0)[0].decode(errors="replace").splitlines())
    recorded = _recorded(experiment, (stage, index))
    return None if recorded is None else iter(recorded.decode(errors="replace").splitlines())


def _recorded(experiment: Experiment, run: tuple[int, int]) -> bytes | None:
    """What the record of a run, by stage and index, has of its output; None without a record."""
    for entry in open_directory(experiment).entries:
        setting_number, stage, run_number = entry.identity
        index = join_index(setting_number, run_number, experiment.manifest.num_settings)
        if (stage, index) == run:
            printed = entry.load(()).get(OUTPUT)
            return b"" if printed is None else bytes(printed.tobytes())
    return None


def _followed(scratch: Scratch, experiment: Experiment, run: tuple[int, int]) -> Iterator[str]:
    """The lines of a run that another process runs, until it does not any more."""
    position, last, kept = 0, b"", b""
    is_over = False
    while not is_over:
        is_over = not scratch.is_held()  # before reading, so that nothing comes after
        try:
            content, position = _content(scratch, position)
        except DataFileError:  # it is recorded by now, and its scratch removed
            recorded, is_over = _recorded(experiment, run) or b"", True
            content = recorded.rpartition(last)[2] if last in recorded and last else recorded
        last = (last + content)[-MATCHED_BYTES:]
        *whole, kept = (kept + content).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
        if not is_over:
            time.sleep(LOOK_SECONDS)
    if kept:
        yield kept.decode(errors="replace")


def _content(scratch: Scratch, position: int) -> tuple[bytes, int]:
    """What the file of a run's output holds from a place on, and where that ends; from its
    beginning where it was cut.

    Raises:
        DataFileError: it is not there.
    """
    try:
        with open(scratch.output, "rb") as file:
            if file.seek(0, 2) < position:
                position = 0
            file.seek(position)
            content = file.read()
    except OSError as error:
        raise DataFileError(f"{scratch.output}: {error.strerror or error}") from error
    return content, position + len(content)
