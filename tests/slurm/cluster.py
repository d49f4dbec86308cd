"""A real Slurm on this machine, for tests: its own daemons on loopback, under one directory.

By hand, from the repository's root:

    PYTHONPATH=tests python -m slurm.cluster start /tmp/slurm     # prints what to export
    PYTHONPATH=tests python -m slurm.cluster stop /tmp/slurm      # and removes the directory
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slurm.command_lines import accounting_commands, daemon_command, database_installation
from slurm.configuration import Options, Place, user_name, write_configuration
from slurm.daemons import ClusterError, Daemons, wait_until
from slurm.installing import ensure_installed, search_path, slurm_version
from slurm.loopback import accepts, free_ports

# A Unix socket's path has at most 107 characters, and the longest name under a directory has 50.
LONGEST_DIRECTORY = 50
COMMAND_SECONDS = 180
FOLDERS = ("etc", "run", "pids", "log", "state", "spool", "dev", "db")


@dataclass
class SlurmCluster:
    """A cluster of virtual nodes.

    Partitions: `main` is the default; `high` preempts `low`, whose jobs are requeued; `short`
    ends a job after a minute. With accounting, the user's account is `test`, and QOS `tiny`
    limits the submitted jobs.

    Attributes:
        directory: of all its files; made by `start`, and left by `stop`
        options: what it has
        outlives_starter: it goes on when the process that started it ends
    """

    directory: Path
    options: Options = field(default_factory=Options)
    outlives_starter: bool = False

    def __post_init__(self) -> None:
        if len(str(self.directory)) > LONGEST_DIRECTORY or not self.directory.is_absolute():
            raise ValueError(
                f"directory {self.directory}: must be absolute, of {LONGEST_DIRECTORY} characters"
                " at most for the sockets under it; hint: tempfile.mkdtemp(dir='/tmp')"
            )
        self._place = Place(self.directory, 0)
        self._daemons = Daemons(
            self.directory,
            _outer_environment()
            | self.environment
            # Where slurmdbd looks for the database, which has no port.
            | {"MYSQL_UNIX_PORT": str(self._place.database_socket)},
            self.outlives_starter,
        )

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which commands of Slurm find this cluster."""
        return {"SLURM_CONF": str(self.directory / "etc" / "slurm.conf"), "PATH": search_path()}

    @property
    def daemon_names(self) -> list[str]:
        """Names of the daemons, in the order they start."""
        accounting = ["mariadbd", "slurmdbd"] if self.options.accounting else []
        nodes = [f"slurmd-{name}" for name in self.options.node_names()]
        return ["munged", *accounting, "slurmctld", *nodes]

    def start(self) -> None:
        """Start everything in a new or empty directory, and wait until the nodes are idle.

        Raises:
            ClusterError: a daemon did not start; what did is stopped
            FileExistsError: there is a cluster in the directory
        """
        self._prepare()
        try:
            self._start_daemons()
            self.wait_until_idle()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill every daemon and job of this cluster; its directory stays, with the logs."""
        self._daemons.kill_all()

    def kill(self, daemon: str) -> None:
        """End a daemon as a crash would: 'slurmctld', 'slurmd-n1', 'slurmdbd', 'mariadbd', ..."""
        if daemon not in self.daemon_names:
            raise ValueError(f"daemon {daemon!r}: must be one of {', '.join(self.daemon_names)}")
        self._daemons.kill(daemon)

    def start_daemon(self, daemon: str) -> None:
        """Start a daemon that was killed, on the state it left, and wait until it answers."""
        self._launch(daemon)
        self._wait_ready(daemon)

    def run(self, *command: str, cwd: Path | None = None) -> str:
        """What a command of Slurm prints on this cluster, without the last line's end.

        Raises:
            ClusterError: it failed; with what it printed
        """
        done = self._try(*command, cwd=cwd)
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise ClusterError(f"{' '.join(command)}: exit code {done.returncode}: {said}")
        return done.stdout.rstrip("\n")

    def wait_until_idle(self) -> None:
        """Wait until every node is up and has no job on it."""
        wait_until(lambda: self._node_states() == {"idle"}, "every node to be idle")

    def cancel_all(self) -> None:
        """End every job, and wait until the queue is empty and the nodes are idle."""
        self.run("scancel", "--user", user_name())
        wait_until(lambda: not self.run("squeue", "--noheader"), "the queue to be empty")
        self.wait_until_idle()

    def _prepare(self) -> None:
        self.directory.mkdir(exist_ok=True)
        # munged wants every folder above its socket open to all.
        self.directory.chmod(0o755)
        for name in FOLDERS:
            (self.directory / name).mkdir()
            (self.directory / name).chmod(0o755)
        key = self.directory / "etc" / "munge.key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(128))
        self._place = Place(self.directory, free_ports(self.options.num_ports()))
        write_configuration(self._place, self.options, slurm_version())

    def _start_daemons(self) -> None:
        self.start_daemon("munged")
        if self.options.accounting:
            self.run(*database_installation(self._place))
            self.start_daemon("mariadbd")
            self.start_daemon("slurmdbd")
            for command in accounting_commands(self.options):
                self.run(*command)
        self.start_daemon("slurmctld")
        nodes = [f"slurmd-{name}" for name in self.options.node_names()]
        for name in nodes:
            self._launch(name)
        for name in nodes:
            self._wait_ready(name)

    def _launch(self, name: str) -> None:
        for path in (self.directory / "run").glob(f"{name}.*"):
            path.unlink()  # what a killed daemon left
        self._daemons.launch(name, daemon_command(name, self._place))

    def _wait_ready(self, name: str) -> None:
        self._daemons.wait_ready(name, lambda: self._is_ready(name))

    def _is_ready(self, name: str) -> bool:
        if name == "munged":
            return accepts(self._place.munge_socket)
        if name == "mariadbd":  # writes its pid once it answers
            return (self.directory / "run" / "mariadbd.pid").exists()
        if name == "slurmdbd":
            return self._succeeds("sacctmgr", "--noheader", "list", "cluster")
        if name == "slurmctld":
            return self._succeeds("scontrol", "ping")
        node = name.removeprefix("slurmd-")
        port = self._place.node_port(self.options.node_names().index(node))
        return accepts(port) and self._node_states(node) <= {"idle", "mix", "alloc", "comp"}

    def _node_states(self, *nodes: str) -> set[str]:
        """The compact states of some nodes, or of all; empty while the controller is silent."""
        chosen = ["--nodes", ",".join(nodes)] if nodes else []
        done = self._try("sinfo", "--noheader", "--Node", "--format", "%t", *chosen)
        return set(done.stdout.split()) if not done.returncode else set()

    def _succeeds(self, *command: str) -> bool:
        return self._try(*command).returncode == 0

    def _try(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=_outer_environment() | self.environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )


def _outer_environment() -> dict[str, str]:
    """This process's variables, less those of a Slurm that it may itself run under."""
    slurm = ("SLURM", "SBATCH_", "SALLOC_", "SQUEUE_", "SCANCEL_", "SACCT_", "SINFO_")
    return {name: value for name, value in os.environ.items() if not name.startswith(slurm)}


def main(arguments: Sequence[str]) -> int:
    """Start or stop a cluster by hand."""
    if len(arguments) != 2 or arguments[0] not in ("start", "stop"):
        print(__doc__, file=sys.stderr)
        return 2
    cluster = SlurmCluster(Path(arguments[1]).resolve(), outlives_starter=True)
    if arguments[0] == "start":
        ensure_installed(may_remove=False)
        cluster.start()
        for name, value in cluster.environment.items():
            print(f"export {name}={shlex.quote(value)}")
    else:
        cluster.stop()
        shutil.rmtree(cluster.directory)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
