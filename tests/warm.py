"""A process that has imported everything and forks one for each entry point that is called.

Importing torch takes longer than most of what tests have an entry point do. A forked process has
its own memory, working directory, variables, output and exit code. What it has not of its own is
what Python reads at its start, as the hash seed, and what is printed while importing.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMPORTED = (
    "nthrun.commands.train",
    "nthrun.commands.schedule",
    "nthrun.commands.combine",
    "nthrun.commands.report",
    "nthrun.commands.plot",
    "nthrun.commands.status",
    "gymnasium",
    "torch._dynamo",
)


class WarmProcess:
    """Calls entry points, scripts or `-m` and a module, in processes forked from a warm one."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        atexit.register(self.end)

    def call(
        self, arguments: list[str], cwd: Path, environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a script, or `-m` and a module, with its arguments to its end.

        Args:
            environment: all of its environment variables.

        Raises:
            subprocess.TimeoutExpired: it takes longer than `timeout` seconds.
        """
        with tempfile.TemporaryDirectory() as directory:
            files = [str(Path(directory, name)) for name in ("stdout", "stderr")]
            request = json.dumps([arguments, str(cwd), dict(environment), *files])
            try:
                code = self._answer(request, timeout)
            except BaseException:
                self.end()
                warm_process.cache_clear()
                raise
            printed = [Path(file).read_text(encoding="utf-8") for file in files]
        return subprocess.CompletedProcess(arguments, code, *printed)

    def end(self) -> None:
        """End it, and whatever it has forked."""
        with suppress(ProcessLookupError):
            os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()

    def _answer(self, request: str, timeout: float) -> int:
        """The exit code of what is asked for."""
        given, answered = self._server.stdin, self._server.stdout
        assert given is not None
        assert answered is not None
        given.write(request + "\n")
        if not select.select([answered], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(request, timeout)
        answer = answered.readline()
        assert answer, f"the warm process has ended, asked for {request}"
        return int(answer)


@cache
def warm_process() -> WarmProcess:
    """The one of this process."""
    return WarmProcess()


def serve() -> None:
    """Fork a process for every line of stdin; print its exit code when it has ended."""
    sys.path[0] = str(ROOT)
    for name in IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        arguments, cwd, environment, *files = json.loads(line)
        child = os.fork()
        if not child:
            os.environ.clear()
            os.environ.update(environment)
            _be(arguments, cwd, files)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _be(arguments: list[str], cwd: str, files: list[str]) -> None:
    """Become a process that runs a script as Python would."""
    devnull = os.open(os.devnull, os.O_RDONLY)
    opened = [os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND) for file in files]
    for place, descriptor in enumerate([devnull, *opened]):
        os.dup2(descriptor, place)
    os.chdir(cwd)
    is_module = arguments[0] == "-m"
    sys.argv = arguments[1:] if is_module else arguments
    more = os.environ.get("PYTHONPATH")
    beside = cwd if is_module else str(Path(arguments[0]).parent)
    sys.path[:1] = [beside, *(more.split(os.pathsep) if more else ())]
    code = 1
    try:
        if is_module:
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(arguments[0], run_name="__main__")
        code = 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
