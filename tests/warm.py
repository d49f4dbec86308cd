"""A process that has imported everything and forks one for each entry point that is called.

Importing torch takes longer than most of what tests have an entry point do. A forked process is a
real one in all but that: its own memory, working directory, output and exit code.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import runpy
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMPORTED = ("nthrun.commands.train", "nthrun.commands.schedule", "torch._dynamo")


class WarmProcess:
    """Calls entry points in processes forked from a warm one."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        atexit.register(self._server.kill)

    def call(
        self, arguments: list[str], cwd: Path, environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a script with its arguments to its end.

        Args:
            environment: all of its environment variables.

        Raises:
            subprocess.TimeoutExpired: it takes longer than `timeout` seconds.
        """
        streams = self._server.stdin, self._server.stdout
        assert streams[0] is not None
        assert streams[1] is not None
        with tempfile.TemporaryDirectory() as directory:
            files = [str(Path(directory, name)) for name in ("stdout", "stderr")]
            streams[0].write(json.dumps([arguments, str(cwd), dict(environment), *files]) + "\n")
            if not select.select([streams[1]], [], [], timeout)[0]:
                self._server.kill()
                warm_process.cache_clear()
                raise subprocess.TimeoutExpired(arguments, timeout)
            code = int(streams[1].readline())
            printed = [Path(file).read_text(encoding="utf-8") for file in files]
        return subprocess.CompletedProcess(arguments, code, *printed)


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
    sys.argv = arguments
    code = 1
    try:
        runpy.run_path(arguments[0], run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
