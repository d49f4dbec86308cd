"""The process of a function: it is given its run, and how it ended is written down.

It is started as a file, with the file of its job as the argument, so that modules are looked for
where the parent looks for them and nowhere else.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nthrun.programs.run import Run, RunJob

RETURNED, STOPPED, RAISED, ENDED = "returned", "stopped", "raised", "ended"
"""How a function's process may end: ended is a run that was told at an evaluation to go no on."""
JOB_FILE, OUTCOME_FILE = "job.json", "outcome.json"


def main(job_file: str, control: int) -> None:
    """Run a function.

    Args:
        job_file: path of its job.
        control: descriptor of the connection to the parent; negative without one.
    """
    raw = json.loads(Path(job_file).read_text())
    sys.path[:] = raw["path"]
    from nthrun.programs.run import Run, RunJob  # noqa: PLC0415 - found by that path

    job = RunJob(**raw)
    with contextlib.ExitStack() as stack:
        connection = None
        if control >= 0:
            connection = stack.enter_context(os.fdopen(control, "r+b", buffering=0))
        run = Run(job, connection)
        signal.signal(signal.SIGTERM, lambda _number, _frame: run.stop())
        process = os.getpid()
        outcome = _called(job, run)
        if os.getpid() != process:  # a copy of this process that a function made and let return
            os._exit(0)
        Path(job.own, OUTCOME_FILE).write_text(json.dumps(outcome))
    sys.stdout.flush()
    sys.stderr.flush()


def _called(job: RunJob, run: Run) -> dict[str, str]:
    """Call the function, and say how it ended."""
    from nthrun.programs.run import RunEnded  # noqa: PLC0415 - found by the path of the job
    from nthrun.specs.user_class import user_object  # noqa: PLC0415

    try:
        function: Any = user_object(job.function, "agent_name", "the agent's spec")
        function(run)
        run.finish()
    except RunEnded:
        return {"how": STOPPED if run.heeded_stop else ENDED, "problem": ""}
    except SystemExit as error:
        problem = f"called sys.exit({error.code!r}) instead of returning"
        return {"how": RAISED, "problem": f"{problem}{_place(error)}"}
    except BaseException as error:  # whatever a user's function raises
        from nthrun.errors import described  # noqa: PLC0415

        traceback.print_exc()
        with contextlib.suppress(Exception):
            run.finish()
        return {"how": RAISED, "problem": f"{described(error)}{_place(error)}"}
    return {"how": STOPPED if run.heeded_stop else RETURNED, "problem": ""}


def _place(error: BaseException) -> str:
    """Where something was raised: the last line of code that is not nthrun's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = str(Path(__file__).parent)
    theirs = [frame for frame in frames if not frame.filename.startswith(own)]
    if not theirs:
        return ""
    frame = theirs[-1]
    return f" ({frame.name}, line {frame.lineno} of {Path(frame.filename).name})"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
