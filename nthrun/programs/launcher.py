"""The launcher: a process becomes the program, and ends when the one that started it does.

It is started as a file by Python alone, with the parent's id and the program's command line. What a
worker ignores or holds back of signals is not the program's: each takes its ordinary course again.
"""

import contextlib
import ctypes
import os
import signal
import sys

NOT_STARTED = 127
"""Exit code where the program cannot be started, as shells have it."""
DIE_WITH_PARENT = 1
"""Linux's PR_SET_PDEATHSIG."""


def main(parent: int, command: list[str]) -> None:
    """Become a program.

    Args:
        parent: id of the process that this one is to die with.
        command: of the program.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    with contextlib.suppress(OSError, AttributeError):  # other systems than Linux have none
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(NOT_STARTED)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(NOT_STARTED)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
